"""One statement of a SQL file, as an engine's splitter hands it on.

Only the splitters in ``databases/`` make statements, because only they know how
their engine reads text; everybody else reads the role they gave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple, Protocol

from sqlpair.errors import SqlFileError, printable


class Role(Enum):
    """What a statement means for the transaction it would run in."""

    ORDINARY = auto()
    BEGIN = auto()  # opens a plain transaction
    COMMIT = auto()  # ends it
    CONTROL = auto()  # any other transaction control
    OUTSIDE = auto()  # the engine refuses it inside a transaction
    FOREIGN_KEYS = auto()  # switches foreign keys, without effect in a transaction
    FORBIDDEN = auto()  # reaches beyond the database, so never runs


class Statement(NamedTuple):
    """A statement, verbatim from its first token to its ``;`` (if it has one).

    ``line`` counts from 1 and ``offset`` from 0, both in the file's text.
    ``words`` are the bare words it opens with, at most four, in upper case,
    comments between them skipped. ``title`` names, for a message, what gave the
    statement a role other than ORDINARY. ``rows`` is what a COPY finds in the file
    behind its ``;``: a line end, and the lines up to the one that ends them.
    ``variables`` are those that its file declares. ``number`` is how many statements
    it holds: above one, neighbours that change rows and nothing else.
    """

    text: str
    line: int
    offset: int
    words: tuple[str, ...]
    role: Role = Role.ORDINARY
    title: str = ""
    rows: str = ""
    variables: tuple[str, ...] = ()
    number: int = 1


class Split(Protocol):
    """Splits a text into statements, as an engine's own shell does."""

    def __call__(self, text: str, *, together: bool = False) -> Iterator[Statement]:
        """Return the statements in order, each made when it is asked for.

        With ``together``, one may hold many neighbours that only change rows.
        """


def apart(statement: Statement, split: Split) -> Iterator[Statement]:
    """Return the statements that one holds, each by itself."""
    if statement.number == 1:
        yield statement
        return
    for one in split(statement.text):
        yield one._replace(
            line=statement.line + one.line - 1,
            offset=statement.offset + one.offset,
            variables=statement.variables,
        )


def fault(text: str, offset: int, what: str, remedy: str) -> SqlFileError:
    """Make the error for what stands at ``offset``, with its line as evidence."""
    line = text.count("\n", 0, offset) + 1
    begin = text.rfind("\n", 0, offset) + 1
    # A line of a dump can be a megabyte: show the part around the offset.
    shown = text[max(begin, offset - 40) : offset + 60]
    return SqlFileError(what, [excerpt(line, shown)], remedy, line=line)


def excerpt(line: int, text: str) -> str:
    """Return the first line of ``text`` as evidence."""
    shown = text[:100].partition("\n")[0].strip()
    return f"{line} | {printable(shown)}"
