"""Which rows a SQLite database holds, and which of them a migration touches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlpair.drivers import quote
from sqlpair.ledger import TABLES
from sqlpair.loss import Count, Table

# https://www.sqlite.org/c3ref/c_alter_table.html; the second argument names the table
# (for ALTER TABLE the third does). DROP TABLE asks for DELETE, OR REPLACE for INSERT.
TOUCHING = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
}


class SQLiteInspector:
    """See ``sqlpair.loss.Inspector``."""

    def __init__(self, raw: sqlite3.Connection):
        self.raw = raw

    def tables(self) -> dict[str, Table]:
        found = self.raw.execute(
            "SELECT m.name, m.rootpage, x.cid, x.name FROM sqlite_master m"
            " JOIN pragma_table_xinfo(m.name) x"
            " WHERE m.type = 'table' AND m.rootpage > 0 AND x.hidden = 0"
            " AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            f" AND m.name NOT IN ({', '.join(map(quote, TABLES))})"
        ).fetchall()
        columns: dict[tuple[str, int], dict[int, str]] = {}
        for table, page, key, column in found:
            columns.setdefault((table, page), {})[key] = column
        return {
            name: Table(name, page, its, empty=self._is_empty(name))
            for (name, page), its in columns.items()
        }

    def _is_empty(self, table: str) -> bool:
        (some,) = self.raw.execute(
            f"SELECT EXISTS (SELECT 1 FROM {identifier(table)})"
        ).fetchone()
        return not some

    @contextmanager
    def watch(self) -> Iterator[Callable[[], set[str]]]:
        touched: set[str] = set()

        def notice(action: int, *names: str | None) -> int:
            which = TOUCHING.get(action)
            if which is not None and (name := names[which]) is not None:
                touched.add(name)
            return sqlite3.SQLITE_OK

        self.raw.set_authorizer(notice)
        try:
            yield lambda: touched
        finally:
            self.raw.set_authorizer(None)

    def hold(self, tables: Iterable[str]) -> None:
        """Nothing to do: BEGIN IMMEDIATE keeps every other writer out."""

    def count(self, table: str, columns: Sequence[str]) -> Count:
        wanted = ", ".join(["count(*)", *(f"count({identifier(c)})" for c in columns)])
        rows, *values = self.raw.execute(
            f"SELECT {wanted} FROM {identifier(table)}"
        ).fetchone()
        return Count(rows, dict(zip(columns, values, strict=True)))


def identifier(name: str) -> str:
    """Return ``name`` quoted as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
