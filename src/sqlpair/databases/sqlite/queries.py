"""The rows of a SQL file's query, as SQLite returns them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair.databases.sqlite.connection import dicts
from sqlpair.databases.sqlite.failure import refused
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.project.variables import quoting, sent

if TYPE_CHECKING:
    from sqlpair.project.statement import Statement


def query(
    session: SQLiteSession, statement: Statement, path: Path
) -> Iterator[dict[str, Any]]:
    """See ``sqlpair.databases.interface.Driver``."""
    try:
        yield from dicts(session.raw.execute(sent(statement, session.database.values)))
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise refused(session.database, statement, path, error) from quoting(
            error, statement
        )
