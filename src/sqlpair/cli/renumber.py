"""sqlpair renumber: number unreleased migrations behind the released ones."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring.renumber import paths, renumber
from sqlpair.cli import options, output
from sqlpair.project.settings import load


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
    moves = renumber(settings, output.progress, file)
    for names in paths(settings, moves):
        old, new = (output.path(settings.root / name) for name in names)
        output.say(f"{old} -> {new}")
    if not moves:
        output.say("Nothing to do: every number is right.", "green")
