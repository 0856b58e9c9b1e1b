"""Commands for who wants to look at the PostgreSQL itself: db-start, db-stop, psql."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlpair import embedded
from sqlpair.cli import console
from sqlpair.client import choose
from sqlpair.client import psql as run_psql
from sqlpair.errors import UsageError
from sqlpair.settings import Database

Name = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="NAME", help="Which one; else the first PostgreSQL."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, in the order in which help shows them."""
    panel = "PostgreSQL itself"
    app.command(
        rich_help_panel=panel,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(psql)
    app.command("db-start", rich_help_panel=panel)(db_start)
    app.command("db-stop", rich_help_panel=panel)(db_stop)


def psql(context: typer.Context, database: Name = None) -> None:
    """Open psql on the configured PostgreSQL.

    Whatever follows goes to psql: sqlpair psql -c 'SELECT 1'. An embedded server is
    started for as long as psql runs.
    """
    chosen = choose(console.settings(context), database)
    raise typer.Exit(run_psql(chosen, context.args, console.progress))


def db_start(context: typer.Context, database: Name = None) -> None:
    """Start the embedded PostgreSQL and let it run until db-stop.

    Nothing needs it running: every command starts it for as long as it takes. With a
    server that stays, they are quicker, and other programs can connect. Prints how.
    """
    chosen, data = _embedded(context, database)
    running = embedded.start(data, binaries=chosen.binaries, report=console.progress)
    console.progress("It runs until db-stop. To connect: psql, or another program with")
    console.say(running.dsn)


def db_stop(context: typer.Context, database: Name = None) -> None:
    """Stop the embedded PostgreSQL that db-start started."""
    _, data = _embedded(context, database)
    stopped = embedded.stop(data, report=console.progress)
    console.say("Stopped." if stopped else "It was not running.")


def _embedded(context: typer.Context, name: str | None) -> tuple[Database, Path]:
    database = choose(console.settings(context), name)
    if database.embedded is None:
        raise UsageError(
            f"{database.name} has a server of its own, which sqlpair does not start",
            [f"{database.variable} or PGHOST and the like are set"],
            "Only a PostgreSQL that nobody configured is embedded.",
        )
    return database, database.embedded
