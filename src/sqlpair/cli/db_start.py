"""sqlpair db-start: start the embedded PostgreSQL, and let it run."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.cli.psql import which
from sqlpair.databases import embedded
from sqlpair.databases.psql import choose
from sqlpair.errors import UsageError
from sqlpair.project.settings import Database, load


@click.command("db-start", cls=options.Command)
@which
@click.pass_obj
def command(config: Path, database: str | None) -> None:
    """Start the embedded PostgreSQL and let it run until db-stop.

    Nothing needs it running: every command starts it for as long as it takes. With a
    server that stays, they are quicker, and other programs can connect. Prints
    its URL, as DATABASE_URL and psql take it.
    """
    chosen, data = embedded_database(config, database)
    running = embedded.start(data, binaries=chosen.binaries, report=output.progress)
    output.progress("It runs until sqlpair db-stop. To connect:")
    output.raw(running.url)


def embedded_database(config: Path, name: str | None) -> tuple[Database, Path]:
    database = choose(load(config), name)
    if database.embedded is None:
        raise UsageError(
            f"{database.name} has a server of its own, which sqlpair does not start",
            [f"{database.variable} or PGHOST and the like are set"],
            "Only a PostgreSQL that nobody configured is embedded.",
        )
    return database, database.embedded
