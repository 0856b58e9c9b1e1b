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

from sqlpair.databases.data_loss import SAVEPOINT, CountedTable, Missing, Touched
from sqlpair.databases.postgresql.failure import refused
from sqlpair.databases.postgresql.kept_rows import KeptRows
from sqlpair.databases.postgresql.queries import dicts
from sqlpair.databases.postgresql.value_hash import LARGE_OBJECTS
from sqlpair.databases.quoting import quote

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

# Tables with rows of their own: ordinary ones and partitions; for any other oid a row
# with nulls. A new file node means that the rows were rewritten or truncated; the
# statistics are this transaction's, null where the server keeps none; a row that is
# inserted into a partition may come from another. The snapshot is the same as before
# when no other transaction has ended since. OFFSET 0 lets each oid be looked up by the
# index: the planner would read all of pg_class.
QUERY = """
SELECT o.oid, c.*, pg_current_snapshot()::text AS snapshot
FROM unnest({oids}) AS o (oid) LEFT JOIN LATERAL (
    SELECT relfilenode AS node,
           relnamespace::regnamespace || '.' || quote_ident(relname) AS name,
           {empty} AS empty,
           CASE WHEN current_setting('track_counts')::boolean
           THEN pg_stat_get_xact_tuples_updated(c.oid)
                + pg_stat_get_xact_tuples_deleted(c.oid) + CASE WHEN relispartition
                THEN pg_stat_get_xact_tuples_inserted(c.oid) ELSE 0 END END AS changes,
           CASE WHEN relispartition THEN pg_partition_root(c.oid)::oid
           ELSE c.oid END AS root,
           CASE WHEN relispartition THEN (pg_identify_object(
               'pg_catalog.pg_class'::regclass, pg_partition_root(c.oid), 0)
           ).identity END AS root_name,
           (SELECT json_object_agg(attnum, quote_ident(attname))
            FROM pg_catalog.pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
    FROM pg_catalog.pg_class c
    WHERE c.oid = o.oid AND relkind = 'r' AND relpersistence <> 't'
    AND relnamespace::regnamespace::text
        NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND NOT (relnamespace::regnamespace::text = quote_ident({schema})
             AND relname IN ({own}))
    OFFSET 0) AS c ON true
"""
# Waits for any session that has the table locked, ourselves excepted.
EMPTY = "pg_relation_size(c.oid) = 0"
# What this transaction holds locks on, but for those of mere readers (SELECT, and FOR
# UPDATE). It holds a lock until its end, or until the savepoint before it is rolled
# back to, and the change with it. Rows go under ROW EXCLUSIVE (UPDATE, DELETE, MERGE)
# or ACCESS EXCLUSIVE (TRUNCATE, DROP, columns in ALTER TABLE); the modes in between
# take nothing away, and to see them too costs nothing.
# https://www.postgresql.org/docs/current/explicit-locking.html
# A large object that is unlinked is locked by itself.
LOCKED = """
SELECT coalesce(relation, classid) AS oid, mode FROM pg_catalog.pg_locks
WHERE (locktype = 'relation'
       OR (locktype = 'object' AND classid = {large_objects}))
AND granted AND pid = pg_backend_pid()
AND mode NOT IN ('AccessShareLock', 'RowShareLock')
"""
TOUCHED = """
SELECT ARRAY(SELECT DISTINCT oid::bigint FROM ({locked}) AS l) AS oids,
       pg_current_snapshot()::text AS snapshot
"""
# All that, and what of it needs a look. A table does not that holds nothing and that
# nobody else can write to, as most are that the transaction has made; nor what is no
# table of rows, or none any more: an index, a sequence, a TOAST table. A partition
# does: what it gets, another one may lose. With IS TRUE each is looked up in a hash of
# the locks, which the planner takes for one.
MADE = """
WITH l AS MATERIALIZED ({locked})
SELECT ARRAY(SELECT DISTINCT oid::bigint FROM l) AS oids, ARRAY(
    SELECT c.oid::bigint FROM pg_catalog.pg_class c
    WHERE relkind = 'r' AND (c.oid IN (SELECT oid FROM l)) IS TRUE
    AND NOT ((c.oid IN (SELECT oid FROM l WHERE mode = 'AccessExclusiveLock')) IS TRUE
             AND NOT relispartition AND pg_relation_size(c.oid) = 0)
) AS open
"""
# The partitions of some tables' roots, or the table itself that took a root's place.
PARTITIONS = """
SELECT t.relid::oid AS oid FROM unnest({oids}) AS o (oid), LATERAL
pg_partition_tree(coalesce(pg_partition_root(o.oid), o.oid)) AS t WHERE t.isleaf
UNION SELECT oid FROM unnest({oids}) AS o (oid)
"""
# Tables of some names, with what a DROP TABLE locks besides: the TOAST table, indexes,
# sequences and the tables that it refers to. Of what is locked and not known another
# connection has to be asked. Rows are only where there are bytes, and that there are
# none is mostly all that has to be known. A rollback waits longer for such a query to
# be planned than for itself: each catalog stands in it once, and nothing is joined.
STATE = """
pg_current_snapshot()::text AS snapshot,
pg_current_xact_id_if_assigned() IS NULL AS unwritten,
coalesce(pg_current_xact_id_if_assigned(),
         pg_snapshot_xmax(pg_current_snapshot()))::text AS since
"""
NAMED = """
SELECT k.oid, reltoastrelid AS toast, {state},
       CASE WHEN relhassubclass THEN 1
            WHEN relkind = 'r' THEN pg_relation_size(k.oid) END AS bytes,
       ARRAY(SELECT indexrelid FROM pg_catalog.pg_index
             WHERE indrelid IN (k.oid, k.reltoastrelid))::bigint[] AS indexes,
       ARRAY(SELECT objid FROM pg_catalog.pg_depend
             WHERE refclassid = 'pg_catalog.pg_class'::regclass AND refobjid = k.oid
             AND classid = 'pg_catalog.pg_class'::regclass)::bigint[] AS owned,
       ARRAY(SELECT ARRAY[confrelid::bigint, pg_relation_size(confrelid)]
             FROM pg_catalog.pg_constraint
             WHERE conrelid = k.oid AND confrelid <> 0) AS referred
FROM pg_catalog.pg_class k WHERE relname = ANY ('{{{names}}}'::name[])
"""


# As if they were the rows of a table.
_OBJECTS = CountedTable(
    "pg_catalog.pg_largeobject", LARGE_OBJECTS, {1: "loid", 2: "data"}, empty=False
)


class _Row(NamedTuple):
    """``table`` is None for what is no table, or none any more."""

    table: CountedTable | None
    node: int
    changes: int | None
    snapshot: str
    root: tuple[int, str] = (0, "")


class PostgreSQLInspector:
    """See ``sqlpair.databases.data_loss.Inspector``."""

    def __init__(self, session: PostgreSQLSession):
        self.session = session
        self._before: dict[int, _Row] = {}
        # Of what was looked at and surely has no row, and when that was.
        self._rowless: Set[int] = frozenset()
        self._snapshot = ""
        self._since = 0  # whatever this transaction writes, it is not older
        self._closed: Set[int] = frozenset()
        self._counted = True
        self._own = {
            "schema": quote(session.database.ledger_schema),
            "own": ", ".join(map(quote, session.table.names)),
        }
        self._roots: dict[int, tuple[int, str]] = {}
        self._kept = KeptRows(session, self._root, self._now)

    def look(self, names: Set[str]) -> None:
        self._counted = "track_counts" not in names  # a file may switch it off and on
        savepoint = f"SAVEPOINT {SAVEPOINT}; "
        query = NAMED.format(names=_array(names), state=STATE)
        named = self.session.rows(savepoint + query)
        (state, *_) = named or self.session.rows(f"SELECT {STATE}")
        oids = set[int]()
        empty = state["unwritten"]
        for row in named:
            referred = dict(row["referred"])
            oids.update([row["oid"], row["toast"]], row["indexes"], row["owned"])
            oids.update(referred)
            empty = empty and not any([row["bytes"], *referred.values()])
        self._before, self._snapshot = {}, state["snapshot"]
        # Our own number, which those of savepoints follow, or one that is not later.
        self._since = self._since or int(state["since"])
        self._rowless = oids if empty else frozenset()
        self._closed = frozenset()
        if empty:
            return
        if not state["unwritten"]:
            # What this transaction made before is locked, and not committed.
            (made,) = self.session.rows(MADE.format(locked=self._locked))
            self._closed = set(made["oids"]).difference(made["open"])
            oids.update(made["open"])
        self._before = _rows(self.session.rows(self._query(_oids(oids))))

    def _query(self, oids: str, empty: str = EMPTY) -> str:
        return QUERY.format(oids=oids, empty=empty, **self._own)

    @property
    def _locked(self) -> str:
        return LOCKED.format(large_objects=LARGE_OBJECTS)

    @contextmanager
    def watch(self) -> Iterator[Callable[[], Touched]]:
        yield self._touched

    def _touched(self) -> Touched:
        query = TOUCHED.format(locked=self._locked)
        with self.session.guarded("a constraint does not hold") as cursor:
            # What deferred triggers do at the commit, they do now, and are seen.
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; {query}")
            ((oids, snapshot),) = cursor.fetchall()
        locked = set(oids)
        known = {oid: self._before[oid] for oid in locked & self._before.keys()}
        asked = known.keys() | self._closed
        if snapshot == self._snapshot:
            asked |= self._rowless  # else a client may have written to it meanwhile
        known |= self._committed([*locked - asked])
        if LARGE_OBJECTS in locked:
            known[LARGE_OBJECTS] = _Row(_OBJECTS, 0, None, "", (LARGE_OBJECTS, ""))
        self._roots |= {oid: row.root for oid, row in known.items()}
        tables = {
            # A client that wrote to it before we had the lock has ended by now.
            oid: row.table._replace(empty=row.table.empty and row.snapshot == snapshot)
            for oid, row in known.items()
            if row.table is not None
        }
        if not all(table.empty for table in tables.values()):
            after = _rows(self.session.rows(self._query(_oids(tables), "NULL")))
            tables = {
                oid: table
                for oid, table in tables.items()
                if not self._counted or _is_touched(known[oid], after[oid])
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

    def foresee(self, tables: Iterable[CountedTable]) -> None:
        self._kept.foresee(tables, self._since)

    def keep(self, tables: Iterable[CountedTable], exact: Set[str]) -> None:
        self.hold(t.name for t in tables if t.identity != LARGE_OBJECTS)
        self._kept.keep(tables, exact)

    def missing(self) -> tuple[list[Missing], Set[str]]:
        return self._kept.missing()

    def hold(self, tables: Iterable[str]) -> None:
        """Keep other clients from changing ``tables`` until the transaction ends."""
        names = ", ".join(sorted(tables))
        if names:
            # SHARE ROW EXCLUSIVE: others read on, nobody writes.
            self.session.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")

    def _root(self, table: CountedTable) -> tuple[int, str]:
        return self._roots[table.identity]

    def _now(
        self, family: Sequence[CountedTable]
    ) -> list[tuple[CountedTable, CountedTable | None]]:
        """Return what holds the rows of ``family`` now, tables of one root.

        Each table that is still there, with what it was; new partitions beside it; or
        what was made in the place of all of them, under the name of the root.
        """
        if family[0].identity == LARGE_OBJECTS:
            return [(_OBJECTS, family[0])]
        olds = {old.identity: old for old in family}
        root, name = self._root(family[0])
        found = self._tables(_oids([*olds, root]))
        names = [old.name for old in family if old.identity not in found]
        names += [name] * bool(name and not found)
        if names:
            wanted = ", ".join(f"to_regclass({quote(each)})::oid" for each in names)
            found |= self._tables(f"ARRAY[{wanted}]")
        there = [oid for oid in found if oid in olds]
        new = [oid for oid in found if oid not in olds]
        known = {oid: self._before[oid] for oid in new if oid in self._before}
        asked = known.keys() | self._closed
        known |= self._committed([oid for oid in new if oid not in asked])
        there += [oid for oid in new if oid in known and known[oid].table is None]
        return [(found[oid], olds.get(oid)) for oid in there]

    def _tables(self, oids: str) -> dict[int, CountedTable]:
        """Return the tables of ``oids``, and their partitions."""
        oids = f"ARRAY({PARTITIONS.format(oids=oids)})"
        found = _rows(self.session.rows(self._query(oids, "false")))
        return {oid: row.table for oid, row in found.items() if row.table}


inspector = PostgreSQLInspector  # which is what the driver offers


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
        table = CountedTable(row["name"], row["oid"], columns, empty=bool(row["empty"]))
    root = row["root"] or 0, row["root_name"] or ""
    return _Row(table, row["node"], row["changes"], row["snapshot"], root)


def _oids(oids: Iterable[int]) -> str:
    return f"'{{{','.join(map(str, filter(None, oids)))}}}'::oid[]"


def _array(names: Iterable[str]) -> str:
    """Write the elements of an array, within a literal."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return ",".join(f'"{name}"' for name in quoted).replace("'", "''")
