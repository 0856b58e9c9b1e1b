"""Which rows a PostgreSQL database holds, and which of them a migration touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.drivers import quote
from sqlpair.ledger import TABLES
from sqlpair.loss import Count, Table

if TYPE_CHECKING:
    from sqlpair.drivers.postgresql.session import PostgreSQLSession

# Tables with rows of their own: ordinary ones and partitions. A new file node means
# that the rows were rewritten or truncated; the statistics are this transaction's.
QUERY = """
SELECT c.oid, c.relfilenode AS node, quote_ident(n.nspname) || '.'
       || quote_ident(c.relname) AS name, pg_relation_size(c.oid) = 0 AS empty,
       pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid)
       AS changes,
       (SELECT json_object_agg(a.attnum, quote_ident(a.attname))
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname = {schema} AND c.relname IN ({own}))
"""


class _Row(NamedTuple):
    table: Table
    node: int
    changes: int


class PostgreSQLInspector:
    """See ``sqlpair.loss.Inspector``."""

    def __init__(self, session: PostgreSQLSession):
        self.session = session

    def tables(self) -> dict[str, Table]:
        return {row.table.name: row.table for row in self._rows().values()}

    def _rows(self) -> dict[int, _Row]:
        query = QUERY.format(
            schema=quote(self.session.database.schema),
            own=", ".join(map(quote, TABLES)),
        )
        found = {}
        for row in self.session.rows(query):
            columns = {int(key): name for key, name in (row["columns"] or {}).items()}
            table = Table(row["name"], row["oid"], columns, empty=row["empty"])
            found[row["oid"]] = _Row(table, row["node"], row["changes"] or 0)
        return found

    @contextmanager
    def watch(self) -> Iterator[Callable[[], set[str]]]:
        before = self._rows()

        def touched() -> set[str]:
            after = self._rows()
            return {
                row.table.name
                for oid, row in before.items()
                if oid not in after
                or after[oid].node != row.node
                or after[oid].changes != row.changes
                or set(row.table.columns) - set(after[oid].table.columns)
            }

        yield touched

    def hold(self, tables: Iterable[str]) -> None:
        names = ", ".join(tables)
        if names:
            # SHARE ROW EXCLUSIVE: others read on, nobody writes.
            self.session.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
            # Fail rather than count only the rows a policy lets us see.
            self.session.execute("SET LOCAL row_security = off")

    def count(self, table: str, columns: Sequence[str]) -> Count:
        wanted = ", ".join(["count(*)", *(f"count({column})" for column in columns)])
        with self.session.raw.cursor() as cursor:
            cursor.execute(f"SELECT {wanted} FROM ONLY {table}")
            found = cursor.fetchone()
        assert found is not None
        rows, *values = found
        return Count(rows, dict(zip(columns, values, strict=True)))
