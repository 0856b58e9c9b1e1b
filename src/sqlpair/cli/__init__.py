"""The commands a person types: parse, call, print, exit code; nothing is decided here.

Results go to stdout, progress and failures to stderr. Exit codes: 0 clean, 1 failed
or problems found, 2 misuse, 130 and 143 when interrupted or terminated.

A command imports its own module and no other, so it starts as fast as its work
allows. Only this package imports Click and Rich, and nothing on Alembic's way imports
it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from sqlpair import signals
from sqlpair.cli import output
from sqlpair.errors import Interrupted, SqlpairError

# Help's sections: which commands are in each, and the module that holds each of them.
SECTIONS = {
    "Move the databases": {
        "migrate": "migrating",
        "rollback": "moving",
        "force-version": "moving",
        "repair": "moving",
        "adopt": "comparing",
    },
    "Keep and bring back": {
        "backup": "saving",
        "restore": "saving",
    },
    "Look, and change nothing": {
        "version": "reading",
        "status": "reading",
        "history": "recalling",
        "verify": "comparing",
        "lint": "checking",
    },
    "Try, and change nothing": {
        "plan": "planning",
        "prove": "proving",
    },
    "Write files": {
        "new": "project",
        "revisions": "project",
        "renumber": "project",
        "snapshot": "project",
        "init": "project",
    },
    "PostgreSQL itself": {
        "psql": "server",
        "db-start": "server",
        "db-stop": "server",
    },
}
MODULES = {name: module for part in SECTIONS.values() for name, module in part.items()}


class Commands(click.Group):
    """All commands, each imported when it is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Name them, in the order in which help shows them."""
        return list(MODULES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the command called ``name``; None where there is none."""
        return command(name) if name in MODULES else None

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Show help where nothing is asked for, which is misuse."""
        if not arguments and not context.resilient_parsing:
            click.echo(self.get_help(context))
            context.exit(2)
        return super().parse_args(context, arguments)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named; of a misspelt one say what may be meant."""
        name = arguments[0]
        if name not in MODULES and not context.resilient_parsing:
            from difflib import get_close_matches

            near = " or ".join(
                f"'{match}'" for match in get_close_matches(name, MODULES)
            )
            meant = f" Did you mean {near}?" if near else ""
            context.fail(f"No such command '{name}'.{meant}")
        return super().resolve_command(context, arguments)

    def format_commands(
        self, _context: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write each section of help, with the first paragraph of each command's."""
        column = max(map(len, MODULES))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    (name.ljust(column), str(command(name).help).partition("\n\n")[0])
                    for name in names
                )


def command(name: str) -> click.Command:
    """Import the command called ``name``."""
    module = import_module(f"sqlpair.cli.{MODULES[name]}")
    found: click.Command = getattr(module, name.replace("-", "_"))
    return found


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default="alembic.ini",
    show_default=True,
    help="The project's alembic.ini.",
)
@click.pass_context
def app(context: click.Context, config: Path) -> None:
    """Move several databases as one, from plain SQL files.

    Every command works on the project whose alembic.ini is in the current folder.
    Alembic's own commands do too: alembic upgrade heads is sqlpair migrate.
    """
    context.obj = config


def main() -> None:
    """Run the command line; the failure of a command becomes a message and a code."""
    try:
        with signals.handled():
            app(prog_name="sqlpair")
    except (SqlpairError, Interrupted) as error:
        output.fail(error)
        sys.exit(error.exit_code)
