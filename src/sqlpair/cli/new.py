"""sqlpair new: begin a migration."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring import scaffold
from sqlpair.cli import options, output
from sqlpair.project.settings import load


@click.command("new", cls=options.Command)
@options.argument("database", "Which database it is for.")
@options.argument("name", "What it does, for example add_email.")
@click.option(
    "--template",
    metavar="TEMPLATE",
    default="plain",
    show_default=True,
    help="plain, backfill (in batches) or rebuild (a SQLite table).",
)
@click.pass_obj
def command(config: Path, database: str, name: str, template: str) -> None:
    """Begin a migration: its SQL file, its rollback, its revision module.

    It gets the next number over all databases. Fill in the two SQL files: they hold
    the header that lint asks for, and hints or a recipe for the database's engine.
    """
    settings = load(config)
    item = scaffold.new(settings, database, name, template)
    module = settings.database(database).versions / f"{item.stem}.py"
    for path in (item.up, item.down, module):
        output.say(str(path.relative_to(settings.root)))
