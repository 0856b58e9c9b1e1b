"""Which rows a PostgreSQL database holds, and which of them a migration touches.

No query here asks for every table. What a transaction may have touched is what it holds
locks on; what those tables were before is known from a look at the ones it was likely
to touch, or else from the connection that holds the deployment's lock, which sees the
committed state. A table that is in neither was made by the run itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2

from sqlpair.databases.interface import quote
from sqlpair.databases.postgresql.failure import refused
from sqlpair.databases.postgresql.queries import dicts
from sqlpair.ledger.tables import TABLES
from sqlpair.runner.data_loss import SAVEPOINT, Count, Table, Touched

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

# Tables with rows of their own: ordinary ones and partitions; for any other oid a row
# with nulls. A new file node means that the rows were rewritten or truncated; the
# statistics are this transaction's, null where the server keeps none. The snapshot is
# the same as before when no other transaction has ended since.
QUERY = """
SELECT o.oid, c.relfilenode AS node, quote_ident(n.nspname) || '.'
       || quote_ident(c.relname) AS name, {empty} AS empty,
       CASE WHEN current_setting('track_counts')::boolean
       THEN pg_stat_get_xact_tuples_updated(c.oid)
            + pg_stat_get_xact_tuples_deleted(c.oid) END AS changes,
       (SELECT json_object_agg(a.attnum, quote_ident(a.attname))
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       pg_current_snapshot()::text AS snapshot
FROM unnest({oids}) AS o (oid)
LEFT JOIN (pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
ON c.oid = o.oid AND c.relkind = 'r' AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname = {schema} AND c.relname IN ({own}))
"""
# Waits for whoever has the table locked, ourselves excepted.
EMPTY = "pg_relation_size(c.oid) = 0"
# What this transaction holds locks on, but for those of mere readers (SELECT, and FOR
# UPDATE). It holds a lock until its end, or until the savepoint before it is rolled
# back to, and the change with it. Rows go under ROW EXCLUSIVE (UPDATE, DELETE, MERGE)
# or ACCESS EXCLUSIVE (TRUNCATE, DROP, columns in ALTER TABLE); the modes in between
# take nothing away, and to see them too costs nothing.
# https://www.postgresql.org/docs/current/explicit-locking.html
LOCKED = """
SELECT {what} FROM pg_catalog.pg_locks
WHERE locktype = 'relation' AND granted AND pid = pg_backend_pid()
AND mode NOT IN ('AccessShareLock', 'RowShareLock')
"""
OWN = LOCKED.format(what="relation")
# By the index, whatever the planner thinks of a catalog that was never analyzed.
NAMED = """
SELECT k.oid FROM unnest('{{{names}}}'::name[]) AS w (name),
LATERAL (SELECT oid FROM pg_catalog.pg_class WHERE relname = w.name OFFSET 0) AS k
"""


class _Row(NamedTuple):
    """``table`` is None for what is no table, or none any more."""

    table: Table | None
    node: int
    changes: int | None
    snapshot: str


class PostgreSQLInspector:
    """See ``sqlpair.runner.data_loss.Inspector``."""

    def __init__(self, session: PostgreSQLSession):
        self.session = session
        self._before: dict[int, _Row] = {}

    def look(self, names: Set[str]) -> None:
        # What this transaction made before is locked, and not committed.
        likely = f"ARRAY({NAMED.format(names=_array(names))} UNION ALL {OWN})"
        savepoint = f"SAVEPOINT {SAVEPOINT}; "
        self._before = _rows(self.session.rows(savepoint + self._query(likely)))

    def _query(self, oids: str, empty: str = EMPTY) -> str:
        return QUERY.format(
            oids=oids,
            empty=empty,
            schema=quote(self.session.database.schema),
            own=", ".join(map(quote, TABLES)),
        )

    @contextmanager
    def watch(self) -> Iterator[Callable[[], Touched]]:
        yield self._touched

    def _touched(self) -> Touched:
        query = LOCKED.format(what="relation, pg_current_snapshot()::text")
        with self.session.guarded("a constraint does not hold") as cursor:
            # What deferred triggers do at the commit, they do now, and are seen.
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; {query}")
            locked = dict(cursor.fetchall())
        known = {oid: self._before[oid] for oid in locked if oid in self._before}
        known |= self._committed([oid for oid in locked if oid not in known])
        tables = {
            # A client that wrote to it before we had the lock has ended by now.
            oid: row.table._replace(
                empty=row.table.empty and row.snapshot == locked[oid]
            )
            for oid, row in known.items()
            if row.table is not None
        }
        if not all(table.empty for table in tables.values()):
            after = _rows(self.session.rows(self._query(_oids(tables), "NULL")))
            tables = {
                oid: table
                for oid, table in tables.items()
                if _is_touched(known[oid], after[oid])
            }
        return Touched(tuple(tables.values()))

    def _committed(self, oids: Sequence[int]) -> dict[int, _Row]:
        """Return the tables among ``oids`` as they are for all others, without us."""
        if not oids:
            return {}
        # To ask for its size would wait for this very transaction's locks.
        query = self._query(_oids(oids), "false")
        try:
            with (
                self.session.deployment_lock.borrowed() as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(query)
                return _rows(dicts(cursor))
        except psycopg2.Error as error:
            failure = refused(self.session.database, error, "asking what was touched")
            failure.retry = False  # what holds the deployment's lock has failed with it
            raise failure from error

    def find(self, old: Table) -> Table | None:
        both = f"ARRAY[{old.identity}, to_regclass({quote(old.name)})::oid]"
        found = _rows(self.session.rows(self._query(both, "false")))
        tables = {oid: row.table for oid, row in found.items() if row.table}
        if old.identity in tables:
            return tables[old.identity]
        for oid, table in tables.items():
            before = self._before.get(oid) or self._committed([oid])[oid]
            if before.table is None:
                return table
        return None

    def hold(self, tables: Iterable[str]) -> None:
        names = ", ".join(tables)
        if names:
            # SHARE ROW EXCLUSIVE: others read on, nobody writes.
            self.session.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")

    def count(self, table: str, columns: Sequence[str]) -> Count:
        wanted = ", ".join(["count(*)", *(f"count({column})" for column in columns)])
        with self.session.guarded(f"counting the rows of {table}") as cursor:
            # Fail rather than count only the rows a policy lets us see.
            cursor.execute(
                f"SET LOCAL row_security = off; SELECT {wanted} FROM ONLY {table}"
            )
            found = cursor.fetchone()
            cursor.execute("RESET row_security")
        assert found is not None
        rows, *values = found
        return Count(rows, dict(zip(columns, values, strict=True)))


def _is_touched(before: _Row, after: _Row) -> bool:
    if before.table is None or after.table is None:
        return True
    return (
        after.node != before.node
        or after.changes is None
        or after.changes != before.changes
        or not before.table.columns.keys() <= after.table.columns.keys()
    )


def _rows(found: Iterable[dict[str, Any]]) -> dict[int, _Row]:
    return {row["oid"]: _row(row) for row in found}


def _row(row: dict[str, Any]) -> _Row:
    table = None
    if row["name"] is not None:
        columns = {int(key): name for key, name in (row["columns"] or {}).items()}
        table = Table(row["name"], row["oid"], columns, empty=bool(row["empty"]))
    return _Row(table, row["node"], row["changes"], row["snapshot"])


def _oids(oids: Iterable[int]) -> str:
    return f"'{{{','.join(map(str, oids))}}}'::oid[]"


def _array(names: Iterable[str]) -> str:
    """Write the elements of an array, within a literal."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return ",".join(f'"{name}"' for name in quoted).replace("'", "''")
