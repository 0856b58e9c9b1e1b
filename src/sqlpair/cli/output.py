"""What every command prints with: results, progress, failures, questions.

At a terminal Rich draws it. In a pipe or a file the same text is written as it is,
without Rich: importing that takes longer than what most commands have to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from sqlpair import live
from sqlpair.errors import Interrupted, SqlpairError, UsageError, printable
from sqlpair.errors import amount as amount
from sqlpair.progress import duration as duration

if TYPE_CHECKING:
    from rich.console import Console

    from sqlpair.verify.problem import Problem

UNBROKEN = 10_000  # wider than any line
PADDING = ("  ", "")
FOLD = 2  # what stands below is set in by so much more

Styled = tuple[str, str]  # a text, and its style as Rich calls it
Cell = str | Styled | list[Styled]


def say(text: str = "", style: str = "") -> None:
    """Print a line of the result."""
    _print([(text, style)], sys.stdout)


def progress(text: str) -> None:
    """Print what is going on, for who waits."""
    _print([(text, "dim")], sys.stderr)


def warn(*lines: str) -> None:
    """Print what a person ought to know before or beside the result."""
    for line in lines:
        _print([(line, "yellow")], sys.stderr)


def fail(error: SqlpairError | Interrupted) -> None:
    """Print a failure; its traceback too when SQLPAIR_DEBUG is set."""
    if os.environ.get("SQLPAIR_DEBUG"):
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            _print([(line, "")], sys.stderr)
    for number, line in enumerate(str(error).splitlines()):
        _print([(line, "" if number else "bold red")], sys.stderr)


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


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows in columns; a header that ends with a dot puts its column right.

    What does not fit beside the other columns stands below them: nothing is left out.
    """
    grid = [[_styled(cell) for cell in row] for row in rows]
    if any(title.strip(".") for title in header):
        grid.insert(0, [[(title.removesuffix("."), "bold dim")] for title in header])
    for row in _folded(header, grid):
        _print(row, sys.stdout, trim=True)


def _folded(
    header: Sequence[str], grid: Sequence[Sequence[list[Styled]]]
) -> Iterator[list[Styled]]:
    """Yield the lines of a table; a row takes several where the screen is narrow."""
    widths = [max(map(_width, column)) for column in zip(*grid, strict=True)]
    room = _columns() if sys.stdout.isatty() else UNBROKEN
    parts = _parts(widths, room)
    for row in grid:
        for number, part in enumerate(parts):
            line = [(" " * FOLD, "")] if number else []
            for index in part:
                width, cell = widths[index], row[index]
                space = (" " * (width - _width(cell)), "")
                right = header[index].endswith(".")
                line += [PADDING, *([space, *cell] if right else [*cell, space])]
            if not number or any(map(_width, (row[index] for index in part))):
                yield line


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Part the columns into those that fit on one line, and those on lines below."""
    parts: list[list[int]] = [[]]
    used = 0
    for index, width in enumerate(widths):
        if parts[-1] and used + len(PADDING[0]) + width > room:
            parts.append([])
            used = FOLD
        parts[-1].append(index)
        used += len(PADDING[0]) + width
    return parts


def raw(text: str) -> None:
    """Print a line of the result for a program, exactly as it is.

    SqlpairError where it cannot be: a program would take a part for the whole.
    """
    if not write(sys.stdout, f"{text}\n"):
        raise SqlpairError("the result could not be written")


def write(stream: TextIO, text: str) -> bool:
    """Write it at once; False where it cannot be written, which ends no work.

    A reader that stopped has seen enough. Where there is no room for a result, it
    goes to stderr.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        live.lead_nowhere(stream)
    except OSError as error:
        live.lead_nowhere(stream)  # what it still holds would fail again at the end
        if stream is sys.stdout:
            sys.stdout = sys.stderr
            why = f"stdout cannot be written ({error.strerror}); it goes on here:\n"
            write(sys.stderr, why + text)
        return False
    return True


def path(path: Path) -> str:
    """Return a path as it is reached from the current folder."""
    return os.path.relpath(path)


def dump(value: Any) -> None:
    """Print a result for a program, as JSON."""
    import json

    ascii_only = (sys.stdout.encoding or "utf-8").lower() != "utf-8"
    text = json.dumps(value, indent=2, ensure_ascii=ascii_only)
    if not text.isascii():  # what would steer a terminal, as JSON writes it
        text = "".join(
            c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text
        )
    raw(text)


def agree(question: str, *, yes: bool) -> None:
    """Ask, and leave with exit code 1 unless the answer is yes.

    UsageError where nobody is there to answer.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this asks first, and there is no terminal to answer at",
            remedy="Say yes beforehand: --yes. Nothing was changed.",
        )
    if not click.confirm(printable(question), err=True):
        warn("Nothing was changed.")
        sys.exit(1)


def _print(line: Sequence[Styled], stream: TextIO, *, trim: bool = False) -> None:
    shown = [(printable(text.expandtabs()), style) for text, style in line]
    with live.cleared():
        _draw(shown, stream, trim=trim)


def _draw(line: Sequence[Styled], stream: TextIO, *, trim: bool) -> None:
    if not _at_terminal(stream):
        text = "".join(text for text, _ in line)
        write(stream, f"{text.rstrip() if trim else text}\n")
        return
    from rich.text import Text

    drawn = Text.assemble(*line)
    if trim:
        drawn.rstrip()
    # The terminal wraps it: what somebody copies from it is one line still.
    _console(stream).print(drawn, soft_wrap=True)


@lru_cache(maxsize=4)  # for thousands of migrations it is asked for each line
def _at_terminal(stream: TextIO) -> bool:
    """Say whether Rich might take the stream for a terminal."""
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE") == "1"
    return stream.isatty() or bool(forced)


@lru_cache(maxsize=4)  # likewise
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # In a pipe or a log no line is to be broken or cut to fit a terminal.
    width = None if stream.isatty() else UNBROKEN
    file = cast("TextIO", _Lenient(stream))
    return Console(file=file, width=width, highlight=False)


class _Lenient:
    """A stream for Rich, which would end the process where nobody reads any more."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.encoding = stream.encoding
        self.isatty = stream.isatty
        self.fileno = stream.fileno

    def write(self, text: str) -> int:
        write(self._stream, text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: it is written at once."""


def _styled(cell: Cell) -> list[Styled]:
    if not isinstance(cell, list):
        cell = [cell if isinstance(cell, tuple) else (cell, "")]
    return [(printable(text), style) for text, style in cell]


def _width(cell: list[Styled]) -> int:
    """Return how many columns of a terminal the cell takes."""
    text = "".join(text for text, _ in cell)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    wide = sum(east_asian_width(letter) in "FW" for letter in text)
    return len(text) + wide - sum(map(bool, map(combining, text)))
