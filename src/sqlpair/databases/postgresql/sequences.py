"""Sequences, which no rollback puts back, kept as they were.

Before a statement that may draw numbers, the sequences that it names, or whose tables
it names, are altered to what they are. That gives them a new file within the
transaction, and its end brings the old one back, whatever becomes of this process.
Until then nobody else can draw from them: a strong lock.

What a function or trigger draws is not foreseen. It is set back afterwards, but only
where nobody else was connected: a number that another client drew must not be drawn
again.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from sqlpair.databases.interface import quote
from sqlpair.databases.observed import Lock
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession
    from sqlpair.project.statement import Statement

Value = tuple[int, bool]

SAVEPOINT = "sqlpair_sequence"
PATIENCE = "1s"
WORD = re.compile(r"\w+")
DRAWING = {
    *("insert", "copy", "merge", "default", "nextval", "setval"),
    *("do", "call", "execute"),
}

_SEQUENCES = """
SELECT c.oid, s.seqincrement AS step, c.relname AS own_name,
    CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END
    || quote_ident(c.relname) AS name,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS full_name,
    quote_ident(pg_get_userbyid(c.relowner)) AS owner,
    has_sequence_privilege(c.oid, 'SELECT') AS readable,
    (SELECT array_agg(t.relname::text)
     FROM pg_catalog.pg_class t JOIN pg_catalog.pg_depend d ON d.classid =
        CASE d.deptype WHEN 'n' THEN 'pg_attrdef' ELSE 'pg_class' END::regclass
     LEFT JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
     WHERE d.refclassid = 'pg_class'::regclass AND CASE d.deptype
        WHEN 'n' THEN d.refobjid = c.oid AND t.oid = f.adrelid
        ELSE d.objid = c.oid AND t.oid = d.refobjid AND d.deptype IN ('a', 'i') END
    ) AS tables
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
WHERE c.relpersistence <> 't'
AND NOT (n.nspname = {schema} AND c.relname = 'schema_version_id_seq')
"""
# A number drawn is told by a lock that lasts to the end of the transaction.
_DRAWN = """
SELECT relation AS oid FROM pg_catalog.pg_locks
WHERE locktype = 'relation' AND pid = pg_backend_pid() AND mode = 'RowExclusiveLock'
"""
_OTHERS = """
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE datname = current_database() AND pid NOT IN ({own})
        AND coalesce(backend_type, 'client backend') = 'client backend') AS now,
    (SELECT sessions FROM pg_catalog.pg_stat_database
     WHERE datname = current_database()) AS ever
"""
STAYS = "and stays: others may have drawn from it too"


class Sequences:
    """Those that were there before the transaction, and what they stood at."""

    def __init__(self, session: PostgreSQLSession):
        self._session = session
        self._others = self._clients()
        for _ in range(20):  # what was closed a moment ago may not have ended yet
            if not self._others[0]:
                break
            time.sleep(0.05)
            self._others = self._clients()
        query = _SEQUENCES.format(schema=quote(session.database.schema))
        self._known = {row["oid"]: row for row in session.rows(query)}
        self._before = self._values(self._known)
        self._kept: set[int] = set()
        self._lost: set[int] = set()
        self._drawn: set[int] | None = None

    def keep(self, statement: Statement, *, lasting: bool = True) -> None:
        """Keep those that ``statement`` may draw from, where this role may.

        Not ``lasting``: it runs in a savepoint that will be undone.
        """
        words = set(WORD.findall(statement.text.lower()))
        if not words & DRAWING:
            return
        for oid in self._known.keys() - self._kept - self._lost:
            row = self._known[oid]
            names = (row["own_name"], *(row["tables"] or ()))
            if any(words.issuperset(WORD.findall(name.lower())) for name in names):
                kept = self._keep(self._known[oid])
                if not kept:
                    self._lost.add(oid)
                elif lasting:
                    self._kept.add(oid)

    def _keep(self, row: dict[str, Any]) -> bool:
        session = self._session
        (found,) = session.rows("SELECT current_setting('lock_timeout') AS timeout")
        session.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            # Others would queue behind a longer wait for one of them to end.
            session.execute(
                f"SET LOCAL lock_timeout = '{PATIENCE}';"
                f" ALTER SEQUENCE {row['full_name']} INCREMENT BY {row['step']};"
                f" SET LOCAL lock_timeout = {quote(found['timeout'])};"
                f" RELEASE SAVEPOINT {SAVEPOINT}"
            )
            return True
        except SqlpairError:
            session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            return False

    def kept(self) -> list[Lock]:
        """Return the locks that keep others from drawing."""
        return [
            Lock(
                f"sequence {self._known[oid]['name']}",
                "SHARE ROW EXCLUSIVE",
                "nextval, for this rehearsal only",
                strong=True,
            )
            for oid in sorted(self._kept)
        ]

    def end(self) -> None:
        """Note which ones were drawn from, at the end of the transaction."""
        self._drawn = {row["oid"] for row in self._session.rows(_DRAWN)}

    def restore(self) -> tuple[str, ...]:
        """Set back what moved, after the rollback; say what could not be."""
        try:
            now = self._values(self._known)
        except SqlpairError as error:
            return (f"the sequences could not be looked at: {error.what}",)
        moved = [
            oid
            for oid, value in self._before.items()
            if now.get(oid) != value
            and oid not in self._kept
            and (self._drawn is None or oid in self._drawn)
        ]
        return tuple(filter(None, (self._set_back(oid, now.get(oid)) for oid in moved)))

    def _values(self, known: dict[int, dict[str, Any]]) -> dict[int, Value]:
        union = " UNION ALL ".join(
            f"SELECT {oid}::oid AS oid, last_value, is_called FROM {row['full_name']}"
            for oid, row in sorted(known.items())
            if row["readable"]
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

    def _alone(self) -> bool:
        """Say whether nobody else was connected since the beginning."""
        return self._others == (0, self._clients()[1])

    def _set_back(self, oid: int, now: Value | None) -> str:
        """Set a sequence back under a lock; say why that was not done."""
        row, (value, called) = self._known[oid], self._before[oid]
        told = f"sequence {row['name']} moved from {value}"
        if now is None or not self._alone():
            return f"{told}, {STAYS}"
        name = row["full_name"]
        try:
            # It changes no owner, but keeps everybody from drawing a number.
            self._session.execute(
                f"BEGIN; SET LOCAL lock_timeout = '{PATIENCE}';"
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
        return f"{told}, {STAYS}"
