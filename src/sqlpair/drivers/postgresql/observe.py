"""What a statement does to a PostgreSQL database, seen from its own transaction.

Locks are read from ``pg_locks``: what this backend holds on tables that were there
before the transaction began, since nobody else can know of the others. A table whose
file node is another was written anew.

Sequences do not roll back. They are set back afterwards, but only where nobody else
was connected: a number that another client drew must not be drawn again.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair.drivers import quote
from sqlpair.errors import SqlpairError
from sqlpair.ledger import TABLES
from sqlpair.rehearsal.observed import Lock, Observed

if TYPE_CHECKING:
    from sqlpair.drivers.postgresql.session import PostgreSQLSession
    from sqlpair.statement import Statement

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
SELECT c.oid, c.relkind::text AS kind, c.relfilenode AS node,
    CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END
    || quote_ident(c.relname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS full_name,
    quote_ident(pg_get_userbyid(c.relowner)) AS owner
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname = {schema} AND c.relname IN ({own}))
"""
_LOCKS = """
SELECT relation AS oid, mode FROM pg_catalog.pg_locks
WHERE locktype = 'relation' AND granted AND pid = pg_backend_pid()
AND database = (SELECT oid FROM pg_catalog.pg_database
    WHERE datname = current_database())
"""
_OTHERS = """
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE datname = current_database() AND pid NOT IN ({own})
        AND coalesce(backend_type, 'client backend') = 'client backend') AS now,
    (SELECT sessions FROM pg_catalog.pg_stat_database
     WHERE datname = current_database()) AS ever
"""

Value = tuple[int, bool]


def observer(session: PostgreSQLSession) -> PostgreSQLObserver:
    """See ``sqlpair.drivers.Driver``."""
    return PostgreSQLObserver(session)


class PostgreSQLObserver:
    """See ``sqlpair.rehearsal.observed.Observer``."""

    note = ""

    def __init__(self, session: PostgreSQLSession):
        self._session = session
        self._before: dict[int, dict[str, Any]] = {}
        self._nodes: dict[int, int] = {}
        self._held: set[tuple[int, str]] = set()
        self._sequences: dict[int, Value] = {}
        self._left: dict[int, Value] = {}
        self._others = (0, 0)

    def begin(self) -> None:
        self._others = self._clients()
        for _ in range(20):  # what was closed a moment ago may not have ended yet
            if not self._others[0]:
                break
            time.sleep(0.05)
            self._others = self._clients()
        self._before = self._relations()
        self._nodes = {oid: row["node"] for oid, row in self._before.items()}
        self._sequences = self._values(self._before)

    def _relations(self) -> dict[int, dict[str, Any]]:
        query = _RELATIONS.format(
            schema=quote(self._session.database.schema),
            own=", ".join(map(quote, [*TABLES, "schema_version_id_seq"])),
        )
        return {row["oid"]: row for row in self._session.rows(query)}

    def run(self, statement: Statement, path: Path) -> Observed:
        began = time.monotonic()
        rows = self._session.run_one(statement, path)
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
        held = self._locks()
        new: dict[int, str] = {}
        for oid, mode in held - self._held:
            if oid not in new or RANK[mode] > RANK[new[oid]]:
                new[oid] = mode
        self._held |= held
        return tuple(sorted(self._lock(oid, mode) for oid, mode in new.items()))

    def _locks(self) -> set[tuple[int, str]]:
        return {
            (row["oid"], row["mode"])
            for row in self._session.rows(_LOCKS)
            if row["oid"] in self._before and self._before[row["oid"]]["kind"] != "S"
        }

    def _lock(self, oid: int, mode: str) -> Lock:
        name, blocks = MODES[mode]
        strong = RANK[mode] >= STRONG
        return Lock(self._before[oid]["name"], name, blocks, strong)

    def _rewritten(self) -> tuple[str, ...]:
        after = self._relations()
        changed = [
            row["name"]
            for oid, row in after.items()
            if row["kind"] in "rm" and self._nodes.get(oid, row["node"]) != row["node"]
        ]
        self._nodes |= {oid: row["node"] for oid, row in after.items()}
        return tuple(sorted(changed))

    def strong(self) -> tuple[Lock, ...]:
        held = self._locks()
        return tuple(
            sorted(self._lock(oid, mode) for oid, mode in held if RANK[mode] >= STRONG)
        )

    def cancel(self) -> None:
        self._session.raw.cancel()

    # -- sequences -------------------------------------------------------------

    def _values(self, relations: dict[int, dict[str, Any]]) -> dict[int, Value]:
        names = {
            oid: row["full_name"]
            for oid, row in relations.items()
            if row["kind"] == "S"
        }
        if not names:
            return {}
        allowed = self._session.rows(
            "SELECT oid FROM pg_catalog.pg_class WHERE"
            " CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, 'SELECT') END"
        )
        readable = {row["oid"] for row in allowed} & names.keys()
        union = " UNION ALL ".join(
            f"SELECT {oid}::oid AS oid, last_value, is_called FROM {names[oid]}"
            for oid in sorted(readable)
        )
        rows = self._session.rows(union) if union else []
        return {row["oid"]: (row["last_value"], row["is_called"]) for row in rows}

    def _clients(self) -> tuple[int, int]:
        """Count the other clients now, and all that there ever were."""
        if self._session.raw.server_version >= 150000:
            # So that this connection is counted now, not some time later. Others are
            # counted when they end, before they are gone from pg_stat_activity.
            self._session.rows("SELECT pg_stat_force_next_flush()")
        own = {self._session.raw.info.backend_pid}
        own.add(self._session.deployment_lock.connection.info.backend_pid)
        (row,) = self._session.rows(_OTHERS.format(own=", ".join(map(str, own))))
        return row["now"], row["ever"]

    def end(self) -> None:
        self._left = self._values(self._relations())

    def restore(self) -> tuple[str, ...]:
        now = self._values(self._relations())
        moved = [oid for oid, value in self._sequences.items() if now.get(oid) != value]
        return tuple(filter(None, (self._set_back(oid, now.get(oid)) for oid in moved)))

    def _set_back(self, oid: int, now: Value | None) -> str:
        """Set a sequence back under a lock; say why that was not done."""
        row, (value, called) = self._before[oid], self._sequences[oid]
        told = f"sequence {row['name']} moved from {value}"
        if (
            now is None
            or now != self._left.get(oid)
            or self._others
            != (
                0,
                self._clients()[1],
            )
        ):
            return f"{told}, and stays: others may have drawn from it too"
        name = row["full_name"]
        try:
            # It changes no owner, but keeps everybody from drawing a number.
            self._session.execute(
                f"BEGIN; SET LOCAL lock_timeout = '1s';"
                f" ALTER SEQUENCE {name} OWNER TO {row['owner']}"
            )
            if self._values({oid: row}) == {oid: now} and self._clients() == (
                self._others
            ):
                self._session.execute(
                    f"SELECT setval({quote(name)}, {value}, {str(called).lower()});"
                    " COMMIT"
                )
                return ""
        except SqlpairError as error:
            return f"{told}, and stays: {error.what}"
        finally:
            self._session.rollback()
        return f"{told}, and stays: others may have drawn from it too"
