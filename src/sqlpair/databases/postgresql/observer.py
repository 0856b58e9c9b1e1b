"""What a statement does to a PostgreSQL database, seen from its own transaction.

Locks are read from ``pg_locks``: what this backend holds on tables that were there
before the transaction began, since nobody else can know of the others. A table whose
file node is another was rewritten.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair.databases.observer import Lock, Observed
from sqlpair.databases.postgresql.catalog import catalog
from sqlpair.databases.postgresql.catalog_kept import KeptCatalog
from sqlpair.databases.quoting import quote
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession
    from sqlpair.project.statement import Statement

# Weakest first: https://www.postgresql.org/docs/current/explicit-locking.html
MODES = {
    "AccessShareLock": ("ACCESS SHARE", "DROP, TRUNCATE and most ALTER TABLE"),
    "RowShareLock": ("ROW SHARE", "DDL"),
    "RowExclusiveLock": ("ROW EXCLUSIVE", "DDL and CREATE INDEX"),
    "ShareUpdateExclusiveLock": ("SHARE UPDATE EXCLUSIVE", "DDL and VACUUM"),
    "ShareLock": ("SHARE", "writes"),
    "ShareRowExclusiveLock": ("SHARE ROW EXCLUSIVE", "writes"),
    "ExclusiveLock": ("EXCLUSIVE", "writes and SELECT FOR UPDATE"),
    "AccessExclusiveLock": ("ACCESS EXCLUSIVE", "reads and writes"),
}
RANK = {name: rank for rank, name in enumerate(MODES)}
STRONG = RANK["ShareLock"]

_RELATIONS = """
SELECT c.oid, c.relfilenode AS node,
    CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END
    || quote_ident(c.relname) AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname = {schema} AND c.relname IN ({own}))
"""
_NODES = """
SELECT oid, relfilenode FROM pg_catalog.pg_class
WHERE relkind IN ('r', 'm') AND relfilenode <> ALL ('{{{nodes}}}')
"""
# A sequence that nothing was drawn from yet, or that this role may not read: null.
_SEQUENCES = """
SELECT CASE schemaname WHEN 'public' THEN '' ELSE quote_ident(schemaname) || '.' END
    || quote_ident(sequencename) AS name, coalesce(last_value, start_value) AS last,
    format('%I.%I', schemaname, sequencename) AS whole, increment_by AS step,
    last_value IS NOT NULL AS called
FROM pg_catalog.pg_sequences WHERE NOT (schemaname = {schema}
    AND sequencename = {sequence})
"""
# setval() alone moves one back; what others draw meanwhile stays drawn.
_PUT_BACK = """
SELECT setval({whole}::regclass, {last}, {called})
FROM {name} WHERE ({last} - last_value) * ({step}) > 0
"""
_LOCKS = """
SELECT relation, mode FROM pg_catalog.pg_locks
WHERE relation = ANY ('{{{oids}}}') AND locktype = 'relation' AND granted
AND pid = pg_backend_pid()
AND database = (SELECT oid FROM pg_catalog.pg_database
    WHERE datname = current_database())
"""


class PostgreSQLObserver:
    """See ``sqlpair.databases.observer.Observer``."""

    note = ""

    def __init__(self, session: PostgreSQLSession):
        self._session = session
        self._before: dict[int, dict[str, Any]] = {}
        self._nodes: dict[int, int] = {}
        self._held: set[tuple[int, str]] = set()
        self._last: set[tuple[int, str]] | None = None

    def begin(self) -> None:
        if self._session.catalog is None:
            self._session.catalog = KeptCatalog().catalog
        self._sequences = self._last_values()
        self._before = self._relations()
        self._nodes = {oid: row["node"] for oid, row in self._before.items()}

    def _relations(self, of: str = "") -> dict[int, dict[str, Any]]:
        query = _RELATIONS.format(
            schema=quote(self._session.database.ledger_schema),
            own=", ".join(map(quote, self._session.table.names)),
        )
        return {row["oid"]: row for row in self._session.rows(query + of)}

    def run(self, statement: Statement, path: Path) -> Observed:
        began = time.monotonic()
        rows = self._run(statement, path)
        milliseconds = round((time.monotonic() - began) * 1000)
        return Observed(
            statement.line,
            statement.text,
            milliseconds,
            # Of a SELECT it is what was read.
            None if rows < 0 or statement.words[:1] == ("SELECT",) else rows,
            self._new_locks(),
            self._rewritten(),
        )

    def _new_locks(self) -> tuple[Lock, ...]:
        held = self._last = self._locks()
        new = _strongest(held - self._held)
        self._held |= held
        return tuple(sorted(self._lock(oid, mode) for oid, mode in new.items()))

    def _locks(self) -> set[tuple[int, str]]:
        """Those on tables that were there before: mostly, there are many others."""
        if not self._before:
            return set()
        oids = ",".join(map(str, self._before))
        return set(self._session.fetch(_LOCKS.format(oids=oids)))

    def _lock(self, oid: int, mode: str) -> Lock:
        name, blocks = MODES[mode]
        strong = RANK[mode] >= STRONG
        return Lock(self._before[oid]["name"], name, blocks, strong)

    def _rewritten(self) -> tuple[str, ...]:
        nodes = ",".join(map(str, {*self._nodes.values()}))
        new = dict(self._session.fetch(_NODES.format(nodes=nodes)))
        changed = new.keys() & self._nodes.keys()
        self._nodes |= new
        if not changed:
            return ()
        rows = self._relations(f"AND c.oid IN ({', '.join(map(str, changed))})")
        return tuple(sorted(row["name"] for row in rows.values()))

    def run_unobserved(self, statement: Statement, path: Path) -> None:
        self._run(statement, path)

    def _run(self, statement: Statement, path: Path) -> int:
        if "track_counts" in statement.text.lower():
            # What is written while it is off is not counted, and may not be seen.
            self._session.catalog = catalog
        return self._session.run_one(statement, path)

    def strong(self) -> tuple[Lock, ...]:
        held = self._locks() if self._last is None else self._last
        self._last = None  # once: a rollback to a savepoint releases some
        strongest = _strongest(held).items()
        strong = [self._lock(*one) for one in strongest if RANK[one[1]] >= STRONG]
        return tuple(sorted(strong))

    def cancel(self) -> None:
        self._session.raw.cancel()

    def moved(self) -> tuple[str, ...]:
        now = self._last_values()
        return tuple(
            f"sequence {name} moved from {before['last']} to {now[name]['last']}: "
            + self._left(before, now[name]["last"])
            for name, before in self._sequences.items()
            if name in now and now[name]["last"] != before["last"]
        )

    def _left(self, before: dict[str, Any], last: int) -> str:
        """Say what becomes of a sequence that moved; put it back if it went back."""
        if (last - before["last"]) * before["step"] > 0:
            return "a rollback leaves a gap, as any does"
        put_back = _PUT_BACK.format(
            **before | {"whole": quote(before["whole"]), "name": before["whole"]}
        )
        try:
            self._session.execute(put_back)
        except SqlpairError as error:
            return f"put it back, or numbers are drawn twice ({error.what})"
        return "setval() is not rolled back, and was undone"

    def _last_values(self) -> dict[str, dict[str, Any]]:
        rows = self._session.rows(
            _SEQUENCES.format(
                schema=quote(self._session.table.schema),
                sequence=quote(f"{self._session.table.names.ledger}_id_seq"),
            )
        )
        return {row["name"]: row for row in rows}


observer = PostgreSQLObserver  # which is what the driver offers


def _strongest(locks: Iterable[tuple[int, str]]) -> dict[int, str]:
    return dict(sorted(locks, key=lambda one: RANK[one[1]]))
