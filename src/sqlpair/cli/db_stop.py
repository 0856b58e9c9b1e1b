"""sqlpair db-stop: stop the embedded PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.cli.db_start import embedded_database
from sqlpair.cli.psql import which
from sqlpair.databases import embedded


@click.command("db-stop", cls=options.Command)
@which
@click.pass_obj
def command(config: Path, database: str | None) -> None:
    """Stop the embedded PostgreSQL that db-start started."""
    _, data = embedded_database(config, database)
    stopped = embedded.stop(data, report=output.progress)
    output.say("Stopped." if stopped else "It was not running.")
