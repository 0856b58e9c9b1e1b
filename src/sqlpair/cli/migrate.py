"""sqlpair migrate: apply every pending migration."""

from __future__ import annotations

from pathlib import Path

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.cli.deployed import tell
from sqlpair.deploy.nothing_to_do import NOTHING_TO_DO

NOTHING_UP_TO = "Nothing to do: every migration up to version {} is applied."


@click.command("migrate", cls=members.OverMembers)
@click.option(
    "--to",
    metavar="N",
    help="Go no further than version N: what is numbered above it stays pending.",
)
@click.option(
    "--create",
    is_flag=True,
    help="Outside development: make a database that is not there, though others have a"
    " history.",
)
@click.pass_obj
def command(config: Path, to: str | None, create: bool) -> None:
    """Apply every pending migration, each in its own database.

    They run in the order of their numbers, and all databases commit together at the
    end: when one migration fails, every database is left as it was. A second run has
    nothing to do.
    """
    project = sqlpair.open(config, progress=output.progress)
    number = None if to is None else options.number_of(to)
    done = project.migrate(number, create=create)
    if not done.migrations:
        output.say(NOTHING_TO_DO if to is None else NOTHING_UP_TO.format(to), "green")
    tell(done, "Migrated", "applied")
