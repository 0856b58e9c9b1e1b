"""The commands a person types: parse, call, print, exit code; nothing is decided here.

Results go to stdout, progress and failures to stderr. Exit codes: 0 clean, 1 failed
or problems found, 2 misuse, 130 and 143 when interrupted or terminated.

Only this package imports Typer and Rich, and nothing on Alembic's way imports it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sqlpair import signals
from sqlpair.cli import (
    checking,
    comparing,
    console,
    moving,
    planning,
    project,
    proving,
    reading,
    saving,
    server,
)
from sqlpair.errors import Interrupted, SqlpairError

app = typer.Typer(
    name="sqlpair",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a local variable may hold a password
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    rich_markup_mode="markdown",
)
for part in (
    moving,
    saving,
    reading,
    planning,
    comparing,
    checking,
    proving,
    project,
    server,
):
    part.add_to(app)


@app.callback()
def _options(
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Option(
            "-c", "--config", metavar="FILE", help="The project's alembic.ini."
        ),
    ] = Path("alembic.ini"),
) -> None:
    """Move several databases as one, from plain SQL files.

    Every command works on the project whose alembic.ini is in the current folder.
    Alembic's own commands do too: alembic upgrade heads is sqlpair migrate.
    """
    context.obj = config


def main() -> None:
    """Run the command line; the failure of a command becomes a message and a code."""
    try:
        with signals.handled():
            app()
    except (SqlpairError, Interrupted) as error:
        console.fail(error)
        sys.exit(error.exit_code)
