"""What SQLite refuses, as a message, and what to do instead of a change of the schema.

What ALTER TABLE can do: https://www.sqlite.org/lang_altertable.html
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.failure import statement_error
from sqlpair.databases.sqlite.connection import is_busy

if TYPE_CHECKING:
    from sqlpair.errors import StatementError
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement

_CLASH = re.compile(r"already exists|duplicate column name|no such (table|column)")
_REBUILD = (
    "Rebuild the table: a new one, INSERT … SELECT, DROP, RENAME, as in the files of:"
    "\nsqlpair new --template rebuild {database} NAME"
)
_REMEDIES = (
    (
        r"error in (?P<kind>view|trigger|index) (?P<name>\S+?)(?: after .*)?: ",
        "Drop the {kind} {name} above this statement, and make it again below it.",
    ),
    (r"error in table \S+ after |cannot drop (?:UNIQUE|PRIMARY KEY) column", _REBUILD),
    # 3.53 can alter a column, and add a constraint: NOT NULL and CHECK alone.
    (
        r"near .(?:ALTER|CONSTRAINT|MODIFY|TYPE|DEFAULT|UNIQUE|PRIMARY|FOREIGN)\b"
        r".*syntax error",
        _REBUILD,
    ),
    (
        r"cannot add a UNIQUE column",
        "Add it without UNIQUE, and make a unique index below: CREATE UNIQUE INDEX …",
    ),
    (r"cannot add a PRIMARY KEY column", _REBUILD),
    (
        r"cannot add a NOT NULL column",
        "Give it a DEFAULT for the rows that are there. Without one: " + _REBUILD,
    ),
    (
        r"cannot add a column with non-constant default",
        "Add it without that DEFAULT, and UPDATE the rows that are there. For rows to"
        " come: " + _REBUILD,
    ),
    (
        r"cannot add a REFERENCES column with non-NULL default",
        "Add it without the DEFAULT, and UPDATE the rows that are there.",
    ),
)


def refused(
    database: Database,
    statement: Statement,
    path: Path,
    error: sqlite3.Error | sqlite3.Warning,
) -> StatementError:
    """Return what SQLite said of a statement, with its file and line."""
    return statement_error(
        database,
        path,
        statement,
        str(error),
        remedy=remedy(str(error), statement.words, database.name),
        retry=isinstance(error, sqlite3.Error) and is_busy(error),
        clash=_CLASH.search(str(error)) is not None,
    )


def remedy(message: str, words: tuple[str, ...], database: str) -> str:
    """Return what to do where SQLite refused an ALTER TABLE; else nothing.

    ``words`` are those the statement opens with.
    """
    if words[:2] != ("ALTER", "TABLE"):
        return ""
    for pattern, text in _REMEDIES:
        if match := re.search(pattern, message, re.IGNORECASE):
            return text.format(database=database, **match.groupdict())
    return ""
