"""The commands a person types: parse, call, print, exit code; nothing is decided here.

Results go to stdout, progress and failures to stderr. Exit codes: 0 clean, 1 failed
or problems found, 2 misuse, 128 and a signal's number where one came.

A command imports its own module and no other, so it starts as fast as its work
allows. Only this package imports Click and Rich, and nothing on Alembic's way imports
it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

import click

from sqlpair import live, signals
from sqlpair.cli import output
from sqlpair.databases import kept_open
from sqlpair.errors import Interrupted, SqlpairError, of_system
from sqlpair.project.settings import find

# Help's sections, and the commands in each. A command's module has its name.
SECTIONS = {
    "Move the databases": ("migrate", "rollback", "force-version", "repair", "adopt"),
    "Keep and bring back": ("backup", "restore"),
    "Look, and change nothing": ("version", "status", "history", "verify", "lint"),
    "Try, and change nothing": ("plan", "prove"),
    "Write files": (
        *("new", "revisions", "renumber", "squash", "snapshot", "document", "import"),
        *("init", "completion"),
    ),
    "PostgreSQL itself": ("psql", "db-start", "db-stop"),
}
NAMES = tuple(name for names in SECTIONS.values() for name in names)


class Commands(click.Group):
    """All commands, each imported when it is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Name them, in the order in which help shows them."""
        return list(NAMES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the command called ``name``; None where there is none."""
        return command(name) if name in NAMES else None

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
        if name not in NAMES and not context.resilient_parsing:
            from difflib import get_close_matches

            near = " or ".join(f"'{match}'" for match in get_close_matches(name, NAMES))
            meant = f" Did you mean {near}?" if near else ""
            context.fail(f"No such command '{name}'.{meant}")
        return super().resolve_command(context, arguments)

    def format_commands(
        self, _context: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write each section of help, with the first paragraph of each command's."""
        column = max(map(len, NAMES))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    (name.ljust(column), str(command(name).help).partition("\n\n")[0])
                    for name in names
                )


def command(name: str) -> click.Command:
    """Import the command called ``name``."""
    path = name.replace("-", "_") + "_" * iskeyword(name)
    module = import_module(f"sqlpair.cli.{path}")
    found: click.Command = module.command
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
    help="The project's alembic.ini; else the nearest one with databases, here or in a"
    " folder above.",
)
@click.version_option(package_name="sqlpair", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context, config: Path | None) -> None:
    """Move several databases as one, from plain SQL files.

    Every command works on the project that the current folder is in. In the folder of
    its alembic.ini Alembic's own commands do too: alembic upgrade heads is sqlpair
    migrate.
    """
    context.obj = config or find()


def main() -> None:
    """Run the command line; the failure of a command becomes a message and a code."""
    try:
        with (
            signals.handled(),
            live.shown(sys.stderr, output.progress),
            kept_open.to_the_end(),
        ):
            app(prog_name="sqlpair")
    except (SqlpairError, Interrupted) as error:
        output.fail(error)
        sys.exit(error.exit_code)
    except (OSError, RuntimeError, MemoryError) as error:
        told = of_system(error)
        if told is None and isinstance(error, OSError):
            # Click's own help: of what commands print, output.write has taken care.
            live.lead_nowhere(sys.stdout)
            told = SqlpairError(f"stdout cannot be written ({error.strerror})")
        if told is None:
            raise
        output.fail(told)
        sys.exit(1)
