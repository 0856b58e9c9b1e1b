"""Commands for who wants to look at the PostgreSQL itself: db-start, db-stop, psql."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.databases import embedded
from sqlpair.databases.psql import choose
from sqlpair.databases.psql import psql as run_psql
from sqlpair.errors import UsageError
from sqlpair.project.settings import Database, load

which = click.option(
    "--database", metavar="NAME", help="Which one; else the first PostgreSQL."
)


@click.command(
    cls=options.Command,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
@which
@click.pass_context
def psql(context: click.Context, database: str | None) -> None:
    """Open psql on the configured PostgreSQL.

    Whatever follows goes to psql: sqlpair psql -c 'SELECT 1'. An embedded server is
    started for as long as psql runs.
    """
    chosen = choose(load(context.obj), database)
    sys.exit(run_psql(chosen, context.args, output.progress))


@click.command(cls=options.Command)
@which
@click.pass_obj
def db_start(config: Path, database: str | None) -> None:
    """Start the embedded PostgreSQL and let it run until db-stop.

    Nothing needs it running: every command starts it for as long as it takes. With a
    server that stays, they are quicker, and other programs can connect. Prints how.
    """
    chosen, data = _embedded(config, database)
    running = embedded.start(data, binaries=chosen.binaries, report=output.progress)
    output.progress("It runs until db-stop. To connect: psql, or another program with")
    output.say(running.dsn)


@click.command(cls=options.Command)
@which
@click.pass_obj
def db_stop(config: Path, database: str | None) -> None:
    """Stop the embedded PostgreSQL that db-start started."""
    _, data = _embedded(config, database)
    stopped = embedded.stop(data, report=output.progress)
    output.say("Stopped." if stopped else "It was not running.")


def _embedded(config: Path, name: str | None) -> tuple[Database, Path]:
    database = choose(load(config), name)
    if database.embedded is None:
        raise UsageError(
            f"{database.name} has a server of its own, which sqlpair does not start",
            [f"{database.variable} or PGHOST and the like are set"],
            "Only a PostgreSQL that nobody configured is embedded.",
        )
    return database, database.embedded
