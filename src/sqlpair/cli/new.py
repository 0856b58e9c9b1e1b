"""sqlpair new: begin a migration."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sqlpair.authoring import scaffold
from sqlpair.cli import options, output
from sqlpair.project.settings import load


def _templates(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[str]:
    """Complete the name of a template: those of the database, if it is named."""
    known = options.declared(context)
    # Click has not read the words before an option that still lacks its value.
    words = os.environ.get("COMP_WORDS", "").split()
    named = [item for item in known if item.name in words]
    drivers = {item.driver for item in named or known}
    names = {name for driver in drivers for name in scaffold.templates(driver)}
    return sorted(name for name in names if name.startswith(begun))


@click.command("new", cls=options.Command)
@options.argument(
    "database", "Which database it is for.", shell_complete=options.databases
)
@options.argument("name", "What it does, for example add_email.")
@click.option(
    "--template",
    metavar="TEMPLATE",
    shell_complete=_templates,
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
        output.say(output.path(path))
