"""Which rows a SQLite database holds, and which of them a migration touches.

SQLite says itself, to its authorizer, what a statement will touch. Tables are looked at
by name, in one pass over ``sqlite_master``, as DROP TABLE makes one. They are followed
through their renames by the statements that rename: a root page, all else that SQLite
knows a table by, may become another table's, and a column's number another column's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.data_loss import SAVEPOINT, CountedTable, Missing, Touched
from sqlpair.databases.quoting import identifier, quote
from sqlpair.databases.sqlite.catalog import MASTER, repeated
from sqlpair.databases.sqlite.kept_rows import KeptRows
from sqlpair.databases.sqlite.tokens import Token, fold, name_of, tokens

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession

# https://www.sqlite.org/c3ref/c_alter_table.html; the second argument names the table
# (for ALTER TABLE the third does). DROP TABLE asks for DELETE, OR REPLACE for INSERT.
TOUCHING = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
}
_TOLD = frozenset(
    {sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_PRAGMA}
)
_TABLES = (
    " AND type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)
# What a virtual table keeps besides its rows, or their ids: an empty one has some too.
_BESIDES = ("config", "data", "idx", "segdir", "segments", "stat", "node", "parent")
_SHADOWS = "SELECT name FROM pragma_table_list WHERE type = 'shadow'"
_VIRTUAL = f"{MASTER} AND sql LIKE 'CREATE VIRTUAL TABLE %'"
_OFF = {"", "0", "off", "no", "false"}


class _Change(NamedTuple):
    """A table, or its ``column``, is now called ``new``; None where it is dropped."""

    table: str
    column: str | None
    new: str | None


class SQLiteInspector:
    """See ``sqlpair.databases.data_loss.Inspector``."""

    def __init__(self, session: SQLiteSession):
        self.raw = session.raw
        self._guarded = session.guarded
        own = session.table.names
        self._own = f" AND name NOT IN ({_list(own)})"
        self._asked = set(own)
        self._before: dict[str, CountedTable] = {}
        # The names of all tables before, of which there may be thousands: where a run
        # touches what was not looked at, they are listed before it is run again.
        self._list = False
        self._there: set[str] | None = None
        self._changes: list[_Change] = []
        self._kept = KeptRows(session.raw, self._find)

    def look(self, names: Set[str]) -> None:
        self.raw.execute(f"SAVEPOINT {SAVEPOINT}")
        if self._list:
            query = "SELECT name FROM main.sqlite_master WHERE type = 'table'"
            self._there = {fold(name) for (name,) in self.raw.execute(query)}
        self._asked |= {fold(name) for name in names}
        for table in self._tables(f"name COLLATE NOCASE IN ({_list(names)})"):
            self._before[fold(table.name)] = table._replace(
                empty=self._is_empty(table.name)
            )

    def _tables(self, which: str) -> list[CountedTable]:
        query = f"SELECT name, rootpage FROM sqlite_master WHERE {which}{_TABLES}"
        query += self._own
        found = self.raw.execute(query).fetchall()
        names = [fold(name) for name, _ in found]
        left_out = set()
        if any(name.endswith("_docsize") for name in names):
            left_out = repeated(self.raw.execute(_VIRTUAL).fetchall())
        # An older version does not tell them apart.
        if any(map(_is_beside, names)) and sqlite3.sqlite_version_info >= (3, 37):
            shadows = {fold(name) for (name,) in self.raw.execute(_SHADOWS)}
            left_out |= set(filter(_is_beside, shadows))
        return [
            CountedTable(name, page, self._columns(name), empty=False)
            for name, page in found
            if fold(name) not in left_out
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
        watch = _Watch()
        self._changes = watch.changes

        def tables() -> Touched:
            touched = watch.touched
            if watch.schema_edited:  # which may say anything of any table
                touched = touched | (self._there or {"main.sqlite_master"})
            others = {name for name in touched if not name.startswith("sqlite_")}
            others -= self._asked
            if self._there is None:
                self._list = bool(others)
            else:
                others &= self._there
            both = touched & self._before.keys()
            return Touched(tuple(self._before[name] for name in both), others)

        self.raw.set_authorizer(watch.notice)
        self.raw.set_trace_callback(watch.follow)
        try:
            yield tables
        finally:
            self.raw.set_trace_callback(None)
            self.raw.set_authorizer(None)

    def foresee(self, tables: Iterable[CountedTable]) -> None:
        """Nothing to learn: everything is copied."""

    def keep(self, tables: Iterable[CountedTable], exact: Set[str]) -> None:  # noqa: ARG002
        # BEGIN IMMEDIATE keeps every other writer out.
        with self._guarded():
            self._kept.keep(tables)

    def missing(self) -> tuple[list[Missing], Set[str]]:
        with self._guarded():
            return self._kept.missing(), frozenset()

    def _find(self, old: CountedTable) -> CountedTable | None:
        """Return what ``old`` is now: the same table, or else one made in its place.

        That is of its name, and was not there before under any. Its columns have the
        keys of the old ones.
        """
        now = self._followed(old)
        name = fold(old.name) if now is None else now.name
        for table in self._tables(f"name = {quote(name)} COLLATE NOCASE"):
            followed: Mapping[int, str] = {}
            if now is not None:
                followed = now.columns
            elif any(
                other is not None and other.name == name
                for other in map(self._followed, self._before.values())
            ):
                return None
            query = "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden <> 1"
            found = self.raw.execute(query, (table.name,)).fetchall()
            there = {fold(column) for (column,) in found}
            # One that was made in the place of another, under its name.
            columns = {
                key: fold(column)
                for key, column in old.columns.items()
                if fold(column) in there - set(followed.values())
            }
            columns |= {key: c for key, c in followed.items() if c in there}
            return table._replace(columns=columns)
        return None

    def _followed(self, old: CountedTable) -> CountedTable | None:
        """Return what ``old`` is called after all changes; None if it was dropped."""
        name = fold(old.name)
        columns = {key: fold(column) for key, column in old.columns.items()}
        for table, column, new in self._changes:
            if table != name:
                continue
            if column is not None:
                renamed = (
                    (key, new if was == column else was) for key, was in columns.items()
                )
                columns = {key: was for key, was in renamed if was is not None}
            elif new is None:
                return None
            else:
                name = new
        return old._replace(name=name, columns=columns)


inspector = SQLiteInspector  # which is what the driver offers


def _is_beside(name: str) -> bool:
    return name.endswith(_BESIDES)


class _Watch:
    """What the authorizer and the trace tell of a run."""

    def __init__(self) -> None:
        self.touched: set[str] = set()
        self.changes: list[_Change] = []
        self.schema_edited = False
        self._altered = "", ""  # a table, and the column that is named

    def notice(self, action: int, *names: str | None) -> int:
        """Be SQLite's authorizer, which allows everything."""
        if action in TOUCHING:
            self.touched.add(fold(names[TOUCHING[action]] or ""))
        if action not in _TOLD:
            return sqlite3.SQLITE_OK
        first, second, third = (fold(name or "") for name in names[:3])
        if action == sqlite3.SQLITE_ALTER_TABLE:
            self._altered = (second if first == "main" else "", third)
        elif action == sqlite3.SQLITE_DROP_TABLE:
            self.changes.append(_Change(first, None, None))
        elif action == sqlite3.SQLITE_PRAGMA and first == "writable_schema":
            self.schema_edited |= second not in _OFF
        return sqlite3.SQLITE_OK

    def follow(self, sql: str) -> None:
        """Be SQLite's trace: the authorizer is not told what is done, nor a new name.

        It is told the same of a column that is dropped and of one that may not be NULL.
        """
        table, column = self._altered
        if not table or not (action := _action(sql)):
            return
        self._altered = "", ""
        if action[0] == Token("rename"):
            old = None if action[1] == Token("to") else name_of(action[-3])
            self.changes.append(_Change(table, old, name_of(action[-1])))
        elif action[0] == Token("drop") and column:
            self.changes.append(_Change(table, column, None))


def _action(sql: str) -> list[Token]:
    """Return what an ALTER TABLE does; nothing where ``sql``, as traced, is none."""
    # What a virtual table does itself is traced as a comment.
    written = tokens(sql.removeprefix("-- "))
    if [token.text for token in written[:2]] != ["alter", "table"]:
        return []
    if written[-1] == Token(";"):
        written.pop()
    return written[5 if written[3] == Token(".") else 3 :]


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(quote, names))
