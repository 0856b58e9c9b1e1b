"""sqlpair renumber: number unreleased migrations behind the released ones."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from sqlpair.authoring.renumber import paths, renumber
from sqlpair.cli import options, output
from sqlpair.errors import ConnectError
from sqlpair.fleet import members
from sqlpair.project.settings import Database, load


@click.command("renumber", cls=options.Command)
@options.argument(
    "file",
    "The one to move, if only one.",
    required=False,
    type=click.Path(path_type=Path),
)
@click.pass_obj
def command(config: Path, file: Path | None) -> None:
    """Give unreleased migrations the numbers behind the released ones.

    For when two people took the same number. What git has on the main branch keeps
    its number; the rest follows, in its own order: SQL files and revision modules
    together. With FILE, that migration alone gets the next number. Refuses one that
    is released, or applied in a database that can be reached.
    """
    settings = load(config)

    def asked(database: Database) -> list[Database]:
        if database.fleet is None:
            return [database]
        try:
            with ExitStack() as resources:
                found = members.find(settings, database, output.progress, resources)
        except ConnectError as error:
            output.progress(f"{database.name} was not asked: {error.what}")
            return []
        return [member.database for member in found]

    moves = renumber(settings, output.progress, file, asked)
    for names in paths(settings, moves):
        old, new = (output.path(settings.root / name) for name in names)
        output.say(f"{old} -> {new}")
    if not moves:
        output.say("Nothing to do: every number is right.", "green")
