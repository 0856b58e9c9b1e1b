"""A mark that differs once PostgreSQL's schema was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

# Rows of the system catalogs that this transaction wrote; those have the oids that a
# server gives at its birth. Where the server counts none, each mark is another.
_WRITTEN = """
SELECT CASE WHEN current_setting('track_counts')::boolean THEN sum(
    pg_catalog.pg_stat_get_xact_tuples_inserted(oid)
    + pg_catalog.pg_stat_get_xact_tuples_updated(oid)
    + pg_catalog.pg_stat_get_xact_tuples_deleted(oid)
)::text ELSE clock_timestamp()::text END AS mark
FROM pg_catalog.pg_class WHERE oid < 16384
"""
# The first transaction that has not written yet, of anyone: what another one writes in
# between makes two marks differ, so that nothing untrue is said.
_NEXT = """
SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())::text AS mark
"""


def schema_mark(session: PostgreSQLSession, *, transactional: bool) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    (row,) = session.rows(_WRITTEN if transactional else _NEXT)
    return str(row["mark"])
