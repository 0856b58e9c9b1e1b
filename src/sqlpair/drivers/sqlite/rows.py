"""Which rows a SQLite database holds, and which of them a migration touches.

SQLite says itself, to its authorizer, what a statement will touch. Tables are looked at
by name, in one pass over ``sqlite_master``, as DROP TABLE makes one.
"""

from __future__ import annotations

import sqlite3
import string
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager

from sqlpair.drivers import quote
from sqlpair.ledger import TABLES
from sqlpair.loss import SAVEPOINT, Count, Table, Touched

# https://www.sqlite.org/c3ref/c_alter_table.html; the second argument names the table
# (for ALTER TABLE the third does). DROP TABLE asks for DELETE, OR REPLACE for INSERT.
TOUCHING = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
}
_TABLES = (
    " AND type = 'table' AND rootpage > 0"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    f" AND name NOT IN ({', '.join(map(quote, TABLES))})"
)
# SQLite's names are the same whatever the case of their ASCII letters, of no others.
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class SQLiteInspector:
    """See ``sqlpair.loss.Inspector``."""

    def __init__(self, raw: sqlite3.Connection):
        self.raw = raw
        self._asked = set(TABLES)
        self._before: dict[str, Table] = {}
        self._renamed: set[str] = set()

    def look(self, names: Set[str]) -> None:
        self.raw.execute(f"SAVEPOINT {SAVEPOINT}")
        self._asked |= {fold(name) for name in names}
        for table in self._tables(f"name COLLATE NOCASE IN ({_list(names)})"):
            self._before[fold(table.name)] = table._replace(
                empty=self._is_empty(table.name)
            )

    def _tables(self, which: str) -> list[Table]:
        query = f"SELECT name, rootpage FROM sqlite_master WHERE {which}{_TABLES}"
        found = self.raw.execute(query).fetchall()
        return [
            Table(name, page, self._columns(name), empty=False) for name, page in found
        ]

    def _columns(self, table: str) -> dict[int, str]:
        query = "SELECT cid, name FROM pragma_table_xinfo(?) WHERE hidden = 0"
        return dict(self.raw.execute(query, (table,)).fetchall())

    def _is_empty(self, table: str) -> bool:
        (some,) = self.raw.execute(
            f"SELECT EXISTS (SELECT 1 FROM {identifier(table)})"
        ).fetchone()
        return not some

    @contextmanager
    def watch(self) -> Iterator[Callable[[], Touched]]:
        touched: set[str] = set()
        there = set(self._before)
        renamed = self._renamed = set()

        def notice(action: int, *names: str | None) -> int:
            which = TOUCHING.get(action)
            if which is not None and (name := names[which]) is not None:
                touched.add(fold(name))
            if action == sqlite3.SQLITE_ALTER_TABLE:
                renamed.add(fold(names[1] or ""))
            elif action == sqlite3.SQLITE_CREATE_TABLE:
                there.add(fold(names[0] or ""))
            elif action == sqlite3.SQLITE_DROP_TABLE:
                gone = fold(names[0] or "")
                if gone not in there | renamed:
                    renamed.clear()  # it is one of these, and its root page is free
                there.discard(gone)
                renamed.discard(gone)
            return sqlite3.SQLITE_OK

        def tables() -> Touched:
            others = {
                name for name in touched - self._asked if not name.startswith("sqlite_")
            }
            both = touched & self._before.keys()
            return Touched(tuple(self._before[name] for name in both), others)

        self.raw.set_authorizer(notice)
        try:
            yield tables
        finally:
            self.raw.set_authorizer(None)

    def find(self, old: Table) -> Table | None:
        if fold(old.name) in self._renamed:
            for table in self._tables(f"rootpage = {old.identity}"):
                return table
        # Another table may have the root page of one that was dropped.
        for table in self._tables(f"name = {quote(old.name)} COLLATE NOCASE"):
            return table._replace(identity=0)
        return None

    def hold(self, tables: Iterable[str]) -> None:
        """Nothing to do: BEGIN IMMEDIATE keeps every other writer out."""

    def count(self, table: str, columns: Sequence[str]) -> Count:
        wanted = ", ".join(["count(*)", *(f"count({identifier(c)})" for c in columns)])
        rows, *values = self.raw.execute(
            f"SELECT {wanted} FROM {identifier(table)}"
        ).fetchone()
        return Count(rows, dict(zip(columns, values, strict=True)))


def fold(name: str) -> str:
    """Return ``name`` in the spelling in which SQLite compares it."""
    return name.translate(_FOLD)


def identifier(name: str) -> str:
    """Return ``name`` quoted as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(quote, names))
