"""What a statement does to a SQLite database.

SQLite locks the whole file, so there is nothing to tell statement by statement: from
the first one on, other writers wait.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.observer import Lock, Observed

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession
    from sqlpair.project.statement import Statement

COUNTED = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"}


class SQLiteObserver:
    """See ``sqlpair.databases.observer.Observer``."""

    note = "the whole database: blocks writes"

    def __init__(self, session: SQLiteSession):
        self._session = session

    def begin(self) -> None:
        (row,) = self._session.rows("PRAGMA journal_mode")
        wal = row["journal_mode"] == "wal"
        self.note = "the whole database: blocks writes from the first statement on" + (
            "; reads go on (WAL)" if wal else ", and reads at the commit (no WAL)"
        )

    def run(self, statement: Statement, path: Path) -> Observed:
        before = self._session.raw.total_changes
        began = time.monotonic()
        self._session.run_one(statement, path)
        milliseconds = round((time.monotonic() - began) * 1000)
        counted = statement.words[:1] and statement.words[0] in COUNTED
        rows = self._changed(before) if counted else None
        return Observed(statement.line, statement.text, milliseconds, rows, (), ())

    def _changed(self, before: int) -> int:
        """Count the rows that the last statement changed, without its triggers'.

        A WITH … SELECT changes none, and leaves the count of the statement before it.
        """
        if self._session.raw.total_changes == before:
            return 0
        (count,) = self._session.raw.execute("SELECT changes()").fetchone()
        assert isinstance(count, int)
        return count

    def run_unobserved(self, statement: Statement, path: Path) -> None:
        self._session.run_one(statement, path)

    def strong(self) -> tuple[Lock, ...]:
        return (Lock("the whole database", "RESERVED", "writes", strong=True),)

    def cancel(self) -> None:
        self._session.raw.interrupt()

    def moved(self) -> tuple[str, ...]:
        return ()  # sqlite_sequence is a table like any other


observer = SQLiteObserver  # which is what the driver offers
