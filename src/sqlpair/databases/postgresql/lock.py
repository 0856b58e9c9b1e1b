"""The deployment lock of a PostgreSQL database: one deployment for each ledger.

Two advisory locks carry it.

- The deployment's, on a connection of its own that stays in one transaction. It
  survives every commit of the deployment, also through a pooler that hands out
  another server connection for each transaction. It holds no snapshot while idle, so
  CREATE INDEX CONCURRENTLY does not wait for it.
- The work's, in each transaction that changes something. A killed client frees the
  deployment's lock at once, while its last statement may run on in the server: the
  work's lock then tells.

A run takes the deployment's lock, then waits until nobody is at work. A transaction
begins by taking the work's lock, and before it commits, the deployment's is checked to
be still held. So two never work at once, even when a lock is lost in between, and what
a run did that had lost it is rolled back.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg2

from sqlpair.databases.postgresql.failure import refused
from sqlpair.databases.retry import wait
from sqlpair.errors import ConnectError, LockError
from sqlpair.project.identity import one_and_the_same

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from sqlpair.databases.interface import Report
    from sqlpair.databases.postgresql.connection import Address

    Rows = Callable[[str], list[dict[str, Any]]]

# The first of an advisory lock's two keys of 32 bits: "sqlp" and "sqlw".
DEPLOYMENT = 0x73716C70
WORK = 0x73716C77
POLL_SECONDS = (0.05, 0.3)
# What would end an idle transaction; named only where the server has it.
TIMEOUTS = {
    "statement_timeout": 0,
    "idle_in_transaction_session_timeout": 90600,
    "transaction_timeout": 170000,
}
# One of a server's processes, unlike any of another server.
_BACKEND = "concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), {pid})"
_held: dict[str, str] = {}  # the names of databases, by the backend with their lock


class DeploymentLock:
    """See above. ``rows`` queries on the session's own connection."""

    def __init__(self, address: Address, rows: Rows):
        self._address = address
        self._database = address.database
        self._rows = rows
        self._connection: connection | None = None
        self._in_use = threading.Lock()
        self.pid = 0
        self._backend = ""
        self._rest = False  # whether nobody was at work
        self._as_new = False  # whether it holds nothing that outlives a transaction
        # The second key: a database may hold the ledgers of several projects.
        schema = self._database.ledger_schema.encode()
        self.key = int.from_bytes(zlib.crc32(schema).to_bytes(4), signed=True)
        self.work = f"{WORK}, {self.key}"

    def take(self, report: Report) -> None:
        """Wait for both locks to be free and hold the deployment's; LockError."""
        deadline = time.monotonic() + self._database.lock_wait
        self._connection = self._address.open()
        self._poll(DEPLOYMENT, self._try, "another deployment", deadline, report)
        self._poll(WORK, self._at_rest, "an earlier run's statement", deadline, report)

    def _poll(
        self,
        space: int,
        free: Callable[[], bool],
        what: str,
        deadline: float,
        report: Report,
    ) -> None:
        name = self._database.name
        said: list[str] = []
        while not free():
            holders = self.holders(space)
            if holders and not said:
                self._refuse_own(space)
                said = holders
                report(f"{name}: waiting for {what}, {', '.join(holders)}")
            if time.monotonic() > deadline:
                raise LockError(
                    f"{name}: {what} holds the lock",
                    holders or said,
                    f"Waited {self._database.lock_wait:g} s (lock_wait). Let it end,"
                    " or end it with pg_terminate_backend(pid).",
                )
            wait(*POLL_SECONDS)

    def _try(self) -> bool:
        # Between two attempts no transaction is open: behind a pooler, those who wait
        # would else hold the server connections that the holder needs.
        version = self.connection.server_version
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " + "".join(
            f"SET LOCAL {name} = 0; "
            for name, since in TIMEOUTS.items()
            if version >= since
        )
        # Who asks over this connection would wait for ever for what he has locked
        # himself, as REINDEX does with a catalog.
        begin += f"SET LOCAL lock_timeout = {self._database.lock_timeout * 1000:.0f}; "
        self._as_new = False  # it may be cancelled between the two
        try:
            with self.connection.cursor() as cursor:
                # Who has the deployment's lock tries whether the work's is free.
                cursor.execute(
                    f"{begin} SELECT pg_backend_pid(), had, pg_is_in_recovery(),"
                    f" {_BACKEND.format(pid='pg_backend_pid()')},"
                    f" CASE WHEN had AND pg_try_advisory_lock({self.work})"
                    f" THEN pg_advisory_unlock({self.work}) END FROM (SELECT"
                    f" pg_try_advisory_xact_lock({DEPLOYMENT}, {self.key}) AS had) t"
                )
                found = cursor.fetchone()
                assert found is not None
                self.pid, had, standby, self._backend, rest = found
                self._rest = rest is True
                self._as_new = True
                if had:
                    _held[self._backend] = self._database.name
                else:
                    cursor.execute("ROLLBACK")
        except psycopg2.Error as error:
            raise refused(self._database, error, "taking the lock") from error
        if standby:
            raise ConnectError(
                f"{self._database.name}: the server is a hot standby, which only reads",
                remedy=f"Let {self._database.variable} name the primary server.",
            )
        return bool(had)

    def _at_rest(self) -> bool:
        # What a prepared transaction holds does not count.
        return self._rest or not self.holders(WORK)

    def holders(self, space: int) -> list[str]:
        """Return who holds a lock: pid, application, address. Prepared ones do not."""
        found = self._rows(
            "SELECT l.pid, a.application_name AS application, a.client_addr AS address,"
            " to_char(a.xact_start, 'HH24:MI:SS TZ') AS since, a.pid IS NULL AS gone"
            " FROM pg_catalog.pg_locks l"
            " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
            f" WHERE {self._lock(space)} AND l.pid IS NOT NULL"
        )
        return [
            f"pid {row['pid']} ({row['application'] or 'unnamed'},"
            f" {row['address'] or 'local'}, since {row['since']})"
            if not row["gone"]
            else f"pid {row['pid']} (ending)"  # it went between one view and the other
            for row in found
        ]

    def _refuse_own(self, space: int) -> None:
        """SettingsError where the holder is this run, which has two names for one."""
        for row in self._rows(
            f"SELECT {_BACKEND.format(pid='pid')} AS backend"
            f" FROM pg_catalog.pg_locks WHERE {self._lock(space)}"
        ):
            other = _held.get(row["backend"], self._database.name)
            if other != self._database.name:  # or it is another thread's
                raise one_and_the_same(other, self._database)

    def _lock(self, space: int) -> str:
        # pg_locks shows the keys without their sign.
        return (
            "locktype = 'advisory' AND objsubid = 2 AND granted"
            f" AND classid = {space} AND objid = {self.key % 2**32}"
            " AND database = (SELECT oid FROM pg_catalog.pg_database"
            " WHERE datname = current_database())"
        )

    def assert_held(self) -> None:
        """LockError if the deployment's lock was lost.

        It ends with its transaction alone, so it is held while that goes on.
        """
        try:
            with self.borrowed() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error as error:
            raise LockError(
                f"{self._database.name}: the deployment lock was lost",
                ["the connection that held it was closed, by the server or a pooler"],
                "What was not committed by then is rolled back. Run the command again.",
            ) from error

    @contextmanager
    def borrowed(self) -> Iterator[connection]:
        """Lend the connection that holds the lock, to one thread at a time.

        What is sent over it must not end its transaction, nor leave it failed.
        """
        with self._in_use:
            yield self.connection

    @property
    def connection(self) -> connection:
        """The connection that holds the lock, idle else."""
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Free the lock."""
        if self._connection is not None:
            _held.pop(self._backend, None)
            with suppress(psycopg2.Error):
                self._address.close(self._connection, as_new=self._as_new)
            self._connection = None
