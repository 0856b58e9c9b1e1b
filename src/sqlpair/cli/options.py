"""What commands have in common: how they are made, and the options several take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sqlpair.cli import output
from sqlpair.errors import SettingsError, SqlpairError, UsageError, of_system

if TYPE_CHECKING:
    from pathlib import Path

    from sqlpair.project.database import Declared
    from sqlpair.project.generated import GeneratedFile

Run = TypeVar("Run", bound=Callable[..., Any])


class Argument(click.Argument):
    """An argument that says what it is; Click's own does so since 8.5 only."""

    def __init__(self, *words: Any, told: str, **attributes: Any) -> None:
        super().__init__(*words, **attributes)
        self.told = told

    def get_help_record(self, context: click.Context) -> tuple[str, str]:
        """Return its line of the command's help."""
        return " ".join(self.get_usage_pieces(context)), self.told


class Command(click.Command):
    """A command whose help shows its arguments before its options."""

    def invoke(self, context: click.Context) -> Any:
        """Run it. What it prints is not what the system refuses without a name."""
        try:
            return super().invoke(context)
        except OSError as error:
            raise of_system(error) or SqlpairError(
                f"sqlpair {context.info_name} failed: {error.strerror or error}",
                remedy="SQLPAIR_DEBUG=1 in the environment shows where.",
            ) from error

    def format_options(
        self, context: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write both sections, the same in every version of Click."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            rows = [
                record
                for parameter in self.get_params(context)
                if parameter.param_type_name == kind
                and (record := parameter.get_help_record(context))
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_arguments(self, *_: Any) -> None:
        """Write nothing: ``format_options`` has."""


def argument(name: str, told: str, **attributes: Any) -> Callable[[Run], Run]:
    """Take an argument, and say in help what it is."""
    return click.argument(name, cls=Argument, told=told, **attributes)


def databases(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[str]:
    """Complete the name of a database."""
    return [item.name for item in declared(context) if item.name.startswith(begun)]


def declared(context: click.Context) -> tuple[Declared, ...]:
    """Return the databases of alembic.ini, for completion: none where it is wrong."""
    from sqlpair.project.database import declared
    from sqlpair.project.settings import find

    try:
        return declared(context.find_root().params.get("config") or find())
    except SqlpairError:
        return ()


def number_of(text: str) -> int:
    """Return the version that ``text`` names; UsageError for anything but digits."""
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(
            f"{text!r} is not a valid version",
            remedy="It is the number of a migration, for example: 3",
        )
    return int(text)


def database(told: str) -> Callable[[Run], Run]:
    """Take the name of a database, which may be left out."""
    return argument("database", told, required=False, shell_complete=databases)


json = click.option("--json", is_flag=True, help="Print JSON, for a program.")
yes = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask. For scripts that know."
)


check = click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1 and the difference if stale.",
)


def refuse_stale(
    stale: Sequence[GeneratedFile], folder: Path, thing: str, of: str, command: str
) -> None:
    """Show how files would change, and exit with 1, if any is stale.

    ``thing`` is what one is called, ``of`` what they describe, and ``command`` writes
    them into ``folder``.
    """
    for one in stale:
        for line in one.diff(folder, of).split("\n"):
            output.say(line)
    if stale:
        what = output.amount(len(stale), thing)
        output.say(f"{what} out of date: run sqlpair {command}", "bold yellow")
        sys.exit(1)


def html_book() -> ModuleType:
    """Import what writes HTML; SettingsError where its packages are missing."""
    from importlib import import_module

    try:
        return import_module("sqlpair.document.html")
    except ImportError as error:
        raise SettingsError(
            "HTML needs packages that are not installed",
            [str(error)],
            "Run: pip install 'sqlpair[document]'",
        ) from error
