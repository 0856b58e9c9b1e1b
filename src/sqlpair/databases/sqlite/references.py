"""Rows that refer to rows that are not there, and whose doing that is.

Foreign keys are off while a migration runs, so they are checked before it commits.
Rows that were dangling before are not its fault. Rowids may change in a rebuild, so
what counts is how many there are, by table and by what they refer to.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlpair.databases.sqlite.connection import open_file
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.project.settings import Database

Reference = tuple[str, int | None, str]  # table, rowid, the table referred to
SHOWN = 10


class References:
    """The dangling references of one database over a deployment."""

    def __init__(self, database: Database):
        self._database = database
        self._before: Counter[tuple[str, str]] | None = None
        self._after: Counter[tuple[str, str]] = Counter()

    def begin(self, raw: sqlite3.Connection) -> None:
        """Count them, unless that can still be done when some are found.

        Only a write-ahead log lets others read on whatever a transaction writes.
        """
        (mode,) = raw.execute("PRAGMA main.journal_mode").fetchone()
        if mode != "wal":
            self.count(raw)

    def count(self, raw: sqlite3.Connection) -> None:
        """Count them, once."""
        if self._before is None:
            self._before = _by_table(_dangling(raw))

    def check(self, raw: sqlite3.Connection) -> None:
        """Raise SqlpairError where the open transaction leaves more than there were."""
        dangling = _dangling(raw)
        self._after = _by_table(dangling)
        if not dangling:
            return
        if self._before is None:
            outside = open_file(self._database, read_only=True)
            try:
                self.count(outside)
            finally:
                outside.close()
        assert self._before is not None
        if new := self._after - self._before:
            keys = "foreign key is" if new.total() == 1 else "foreign keys are"
            raise SqlpairError(
                f"{self._database.name}: {new.total()} {keys} left dangling",
                _shown(dangling, new),
                "Let the migration keep what is referred to.",
            )

    def commit(self) -> None:
        """Take what was checked last for what is there now."""
        self._before = self._after


def _dangling(raw: sqlite3.Connection) -> list[Reference]:
    return [row[:3] for row in raw.execute("PRAGMA main.foreign_key_check")]


def _by_table(references: Iterable[Reference]) -> Counter[tuple[str, str]]:
    return Counter((table, to) for table, _, to in references)


def _shown(dangling: Iterable[Reference], new: Counter[tuple[str, str]]) -> list[str]:
    rows = [row for row in dangling if (row[0], row[2]) in new]
    lines = [f"{table} rowid {rowid} refers to {to}" for table, rowid, to in rows]
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
