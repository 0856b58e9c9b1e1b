"""Who holds, or waits for, a lock that others cannot pass: sessions by their process,
prepared transactions by their name.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg2

from sqlpair.databases.quoting import quote
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.connection import Address

SHOWN = 3  # tables
_QUERY = "left(regexp_replace(a.query, '\\s+', ' ', 'g'), 100)"
_PREPARED = (
    "x.gid, x.owner, to_char(x.prepared, 'YYYY-MM-DD HH24:MI:SS TZ'),"
    " extract(epoch FROM clock_timestamp() - x.prepared)::float"
)
# A prepared transaction's locks have no process; each of its own has the same
# "virtual transaction", and one of them is that of its own id.
_XACTS = """(SELECT p.*, i.virtualtransaction FROM pg_catalog.pg_prepared_xacts p
    JOIN pg_catalog.pg_locks i ON i.locktype = 'transactionid' AND i.pid IS NULL
        AND i.transactionid = p.transaction AND i.granted)"""
# Readers wait for this mode alone, also for one who only waits for it before them.
_OF_READERS = f"""
SELECT array_agg(DISTINCT c.relname::text ORDER BY c.relname::text),
    l.pid, a.application_name, a.usename, a.state, {_QUERY}, {_PREPARED}
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind NOT IN ('i', 'I', 't')
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN {_XACTS} x ON l.pid IS NULL AND l.virtualtransaction = x.virtualtransaction
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    AND l.database IN (0, (SELECT oid FROM pg_catalog.pg_database
        WHERE datname = current_database()))
GROUP BY l.pid, 3, 4, 5, 6, x.gid, x.owner, x.prepared ORDER BY l.pid, x.prepared
"""
# A lock's waiters in its queue count: they stand before us.
_OF_PROCESS = f"""
SELECT NULL, b.pid, a.application_name, a.usename, a.state, {_QUERY},
    NULL, NULL, NULL, NULL
FROM unnest(pg_blocking_pids({{pid}})) AS b(pid)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
WHERE b.pid <> 0
UNION ALL
SELECT DISTINCT NULL::text[], NULL::int, NULL, NULL::name, NULL, NULL, {_PREPARED}
FROM pg_catalog.pg_locks w
JOIN pg_catalog.pg_locks h ON h.pid IS NULL AND h.granted
    AND (h.locktype, h.database, h.relation, h.transactionid)
        IS NOT DISTINCT FROM (w.locktype, w.database, w.relation, w.transactionid)
JOIN {_XACTS} x ON h.virtualtransaction = x.virtualtransaction
WHERE w.pid = {{pid}} AND NOT w.granted
ORDER BY 2
"""


def of_readers(address: Address) -> list[str]:
    """Say who keeps others from reading which tables.

    Asked when a reader gave up: what it waited for, nobody can tell any more. Over a
    connection of its own, for the reader's has a failed transaction.
    """
    limit = f"{address.database.lock_timeout * 1000:.0f}ms"
    with suppress(SqlpairError, psycopg2.Error):
        connection = address.open()
        with closing(connection), connection.cursor() as cursor:
            # It reads catalogs, and one of these may be what is locked.
            cursor.execute(f"BEGIN READ ONLY; SET LOCAL lock_timeout = '{limit}'")
            cursor.execute(_OF_READERS)
            return [_described(*row) for row in cursor.fetchall()]
    return []


def of_process(cursor: Any, pid: int) -> list[str]:
    """Say who blocks the server process ``pid``."""
    cursor.execute(_OF_PROCESS.format(pid=pid))
    return [_described(*row) for row in cursor.fetchall()]


def _described(
    tables: list[str] | None,
    pid: int | None,
    application: str | None,
    user: str | None,
    state: str | None,
    query: str | None,
    *prepared: Any,
) -> str:
    locks = ""
    if tables:
        more = f" and {len(tables) - SHOWN} more" if len(tables) > SHOWN else ""
        locks = f", which locks {', '.join(tables[:SHOWN])}{more}"
    if pid is None:
        return f"blocked by {_prepared(prepared, locks)}"
    doing = "its last query was" if (state or "").startswith("idle") else "it runs"
    return (
        f"blocked by pid {pid} ({application or 'unnamed'}, {user or 'unknown'}),"
        f" {state or 'unknown'}{locks}; {doing}: {query or 'not visible to this role'}"
    )


def _prepared(row: Sequence[Any], locks: str) -> str:
    gid, owner, at, seconds = row
    if gid is None:  # it ended between one view and the other
        return f"a prepared transaction{locks}"
    if gid.startswith("sqlpair:"):
        end = "a deployment that was interrupted; this resolves it: sqlpair migrate"
    else:
        end = (
            f"{owner} or a superuser ends it with COMMIT PREPARED {quote(gid)}"
            f" or ROLLBACK PREPARED {quote(gid)}"
        )
    age = f"{_age(seconds)} ago, {at}"
    return f"prepared transaction {quote(gid)} of {owner} ({age}){locks}; {end}"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
