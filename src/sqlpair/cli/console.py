"""What every command prints with: results, progress, failures, questions."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sqlpair.errors import Interrupted, SqlpairError, UsageError
from sqlpair.problem import Problem
from sqlpair.settings import Settings, load

UNBROKEN = 10_000  # wider than any line


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # In a pipe or a log no line is to be broken or cut to fit a terminal.
    width = None if stream.isatty() else UNBROKEN
    return Console(stderr=stderr, width=width, highlight=False)


def settings(context: typer.Context) -> Settings:
    """Read the settings of the project that the command line names."""
    return load(context.obj)


def say(text: str = "", style: str = "") -> None:
    """Print a line of the result."""
    _console(stderr=False).print(Text(text, style=style))


def progress(text: str) -> None:
    """Print what is going on, for who waits."""
    _console(stderr=True).print(Text(text, style="dim"))


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far something has come: its name, how much is done, how much there is.

    Only at a terminal.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    screen = _console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as shown:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield show


@contextmanager
def bytes_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show how many bytes are done, of how many where that is known.

    Only at a terminal.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    screen = _console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as shown:
        tasks = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(escape(what), total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield show


@contextmanager
def status() -> Iterator[Callable[[object], None]]:
    """Show what is being done at the moment, and how long it has taken.

    Only at a terminal, where nothing of it stays.
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    screen = _console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as shown:
        tasks = [shown.add_task("", visible=False)]

        def show(what: object) -> None:
            shown.remove_task(tasks.pop())
            tasks.append(shown.add_task(escape(str(what))))

        yield show


def warn(text: str) -> None:
    """Print what a person ought to know before or beside the result."""
    _console(stderr=True).print(Text(text, style="yellow"))


def fail(error: SqlpairError | Interrupted) -> None:
    """Print a failure; its traceback too when SQLPAIR_DEBUG is set."""
    if os.environ.get("SQLPAIR_DEBUG"):
        traceback.print_exception(error)
    first, _, rest = str(error).partition("\n")
    text = Text(first, style="bold red")
    if rest:
        text.append(f"\n{rest}", style="not bold default")
    _console(stderr=True).print(text)


def problems(found: Sequence[Problem]) -> None:
    """Print each with its evidence and its remedy."""
    for number, problem in enumerate(found):
        say(f"  ! {problem.what}", "yellow")
        for line in problem.evidence:
            say(f"    {line}")
        # Ten columns by hand are one remedy.
        following = found[number + 1].remedy if number + 1 < len(found) else ""
        if problem.remedy and problem.remedy != following:
            for line in problem.remedy.splitlines():
                say(f"    {line}", "dim")
            say()


def table(header: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows in columns; a header that ends with a dot puts its column right.

    A terminal cuts what is too long for it, so the last columns matter least.
    """
    titled = any(title.strip(".") for title in header)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=titled)
    for title in header:
        grid.add_column(
            title.removesuffix("."),
            justify="right" if title.endswith(".") else "left",
            header_style="dim",
            no_wrap=True,
        )
    for row in rows:
        grid.add_row(*row)
    console = _console(stderr=False)
    wide = Console(width=UNBROKEN, highlight=False, force_terminal=console.is_terminal)
    with wide.capture() as captured:
        wide.print(grid)
    for drawn in captured.get().splitlines():
        line = Text("  ").append_text(Text.from_ansi(drawn))
        line.rstrip()
        console.print(line, overflow="ellipsis", no_wrap=True)


def dump(value: Any) -> None:
    """Print a result for a program."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def agree(question: str, *, yes: bool) -> None:
    """Ask, and leave with exit code 1 unless the answer is yes.

    UsageError where nobody is there to answer.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this asks first, and there is no terminal to answer at",
            remedy="Say yes beforehand: --yes, or YES=1 for make. Nothing was changed.",
        )
    if not typer.confirm(question, err=True):
        warn("Nothing was changed.")
        raise typer.Exit(1)


def duration(milliseconds: int | None) -> str:
    """Return a time as a person reads it."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
