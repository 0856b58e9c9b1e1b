"""Swapping a PostgreSQL database for a restored copy: two renames in a transaction.

The copy is a database of its own on the same server. ALTER DATABASE ... RENAME is
transactional, so both names change in one commit, and anyone who connects meanwhile
waits for it. It asks that nobody is connected: their open work would end up in the
database that is put aside. The old database stays, under another name.
"""

from __future__ import annotations

import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from sqlpair import signals
from sqlpair.databases import embedded
from sqlpair.databases.interface import Progress
from sqlpair.databases.postgresql import create_like
from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.dump import load, refuse_schema
from sqlpair.databases.postgresql.parameters import hindrances, unhindered
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import BackupError, ConnectError, LockError, SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

NAME_BYTES = 63
OBJECT_IN_USE = "55006"
OTHERS = (
    "Stop what is connected, the application and its pooler too: what it still writes"
    " would be lost. Nothing was changed."
)


class PostgreSQLExchange:
    """See ``sqlpair.databases.interface.Exchange``."""

    def __init__(self, session: PostgreSQLSession, restore: str):
        self._session = session
        self._resources = ExitStack()
        self._live = session.rows("SELECT current_database() AS name")[0]["name"]
        self._staged = _name(self._live, "restore", restore)
        self.kept = _name(self._live, "before", restore)
        self.removal = f"DROP DATABASE {identifier(self.kept)};"
        database = session.database
        direct = unhindered(session.parameters, session.rows)
        self._parameters = direct | {"dbname": self._staged}
        self.copy = database._replace(
            address="", parameters=self._parameters, embedded=None
        )
        try:
            self._admin = self._connect()
        except BaseException:
            self._resources.close()
            raise

    def _connect(self) -> Queries:
        """Connect to another database of the server: nobody can rename their own."""
        database = self._session.database
        if database.embedded is not None:
            # It would stop with the session.
            self._resources.enter_context(
                embedded.server(database.embedded, binaries=database.binaries)
            )
        other = "postgres" if self._live != "postgres" else "template1"
        parameters = self._session.parameters | {"dbname": other}
        try:
            admin = Queries(Address(database, "", parameters), read_only=False)
        except ConnectError as error:
            raise BackupError(
                f"{database.name}: a restore needs the server's database {other} too,"
                " to rename others from there",
                error.evidence,
                f"Let this role connect to {other}. Nothing was changed.",
            ) from None
        self._resources.callback(admin.raw.close)
        self._resources.enter_context(signals.cancelling(admin.raw.cancel))
        for name, value in hindrances(admin.rows).items():
            admin.execute(f"SET {name} = {value}")
        # A server still makes a database whose maker was killed: it lets go after that.
        key = zlib.crc32(self._staged.encode())
        admin.execute(f"SELECT pg_catalog.pg_advisory_lock({key})")
        return admin

    # -- before anything changes -----------------------------------------------

    def check(self) -> None:
        right = self._admin.rows(
            "SELECT r.rolname, r.rolsuper OR r.rolcreatedb AS creates,"
            " r.rolsuper OR pg_catalog.pg_has_role(d.datdba, 'USAGE') AS owns,"
            " pg_catalog.pg_get_userbyid(d.datdba) AS owner"
            " FROM pg_catalog.pg_roles r, pg_catalog.pg_database d"
            f" WHERE r.rolname = current_user AND d.datname = {quote(self._live)}"
        )[0]
        missing = []
        if not right["creates"]:
            missing.append(f"{right['rolname']} may not create databases")
        if not right["owns"]:
            missing.append(f"{self._live} belongs to {right['owner']}")
        if missing:
            raise BackupError(
                f"{self._session.database.name}: this role cannot restore",
                missing,
                "A restore creates a database and renames the live one. Connect as a"
                " role that may.\nNothing was changed.",
            )
        others = self._others()
        if others:
            raise self._in_use(others)

    def _own(self) -> set[int]:
        connections = (self._session.raw, self._session.deployment_lock.connection)
        return {raw.info.backend_pid for raw in connections}

    def _others(self) -> list[str]:
        own = self._own()
        found = self._admin.rows(
            "SELECT pid, usename, application_name, client_addr"
            " FROM pg_catalog.pg_stat_activity"
            f" WHERE datname = {quote(self._live)}"
            # Of what is not its own, an ordinary role sees hardly more than the role.
            " AND coalesce(backend_type, 'client backend') = 'client backend'"
            " AND usesysid IS NOT NULL"
            " ORDER BY pid"
        )
        prepared = self._admin.rows(
            "SELECT gid, owner FROM pg_catalog.pg_prepared_xacts"
            f" WHERE database = {quote(self._live)} ORDER BY prepared"
        )
        return [
            f"pid {row['pid']}: {row['usename']},"
            f" {row['application_name'] or 'unnamed'}, {row['client_addr'] or 'local'}"
            for row in found
            if row["pid"] not in own
        ] + [
            f"the prepared transaction {quote(row['gid'])} of {row['owner']}, which"
            " COMMIT PREPARED or ROLLBACK PREPARED ends"
            for row in prepared
        ]

    def _in_use(self, who: list[str]) -> LockError:
        name = self._session.database.name
        return LockError(f"{name}: others are connected to {self._live}", who, OTHERS)

    def stage(self, dump: Path, tool: str, deadline: float, progress: Progress) -> None:
        self.discard()
        self._admin.execute(
            create_like.create(self._admin.rows, self._live, self._staged)
        )
        load(self.copy, self._parameters, dump, tool, deadline, progress)
        copy = Queries(Address(self.copy, "", self._parameters), read_only=False)
        with closing(copy.raw), signals.cancelling(copy.raw.cancel):
            left = max(1, round((deadline - time.monotonic()) * 1000))
            copy.execute(f"SET statement_timeout = {left}")
            # What the planner knows of the data does not come with them.
            copy.execute("ANALYZE")

    # -- the swap --------------------------------------------------------------

    def prepare(self, deadline: float, progress: Progress) -> None:  # noqa: ARG002
        self._session.reconnect()  # it was idle for as long as the copies took
        for statement in create_like.rest(self._admin.rows, self._live, self._staged):
            self._admin.execute(statement)
        wait = f"{self._session.database.lock_timeout}s"
        self._admin.execute(f"BEGIN; SET LOCAL lock_timeout = '{wait}'")
        # The rename first takes its lock, then waits some seconds for others to go.
        # Our own session goes, and with it the deployment lock, only when the rename
        # has its lock: no other deployment can begin in between.
        with ThreadPoolExecutor(1) as thread:
            renaming = thread.submit(
                self._admin.execute,
                f"ALTER DATABASE {identifier(self._live)}"
                f" RENAME TO {identifier(self.kept)}",
            )
            self._wait_for_lock(renaming)
            others = self._session_goes()
            try:
                renaming.result()
            except SqlpairError as error:
                if getattr(error.__cause__, "pgcode", "") == OBJECT_IN_USE:
                    raise self._in_use(others) from None
                raise
        self._admin.execute(
            f"ALTER DATABASE {identifier(self._staged)}"
            f" RENAME TO {identifier(self._live)}"
        )

    def _wait_for_lock(self, renaming: Future[Any]) -> None:
        pid = self._admin.raw.info.backend_pid
        held = (
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'object' AND granted"
            " AND classid = 'pg_catalog.pg_database'::pg_catalog.regclass"
            f" AND mode = 'AccessExclusiveLock' AND pid = {pid}"
        )
        while not renaming.done() and not self._session.rows(held):
            time.sleep(0.01)

    def _session_goes(self) -> list[str]:
        own = self._own()
        found = self._session.rows(
            "SELECT pid, application_name FROM pg_catalog.pg_stat_activity"
            " WHERE datname = current_database()"
        )
        self._session.close()
        return [
            f"pid {row['pid']}: {row['application_name'] or 'unnamed'}"
            for row in found
            if row["pid"] not in own
        ]

    def commit(self, deadline: float, progress: Progress) -> None:  # noqa: ARG002
        self._admin.execute("COMMIT")

    def discard(self) -> None:
        self._admin.rollback()
        # FORCE ends a pg_restore whose parent was killed.
        self._admin.execute(
            f"DROP DATABASE IF EXISTS {identifier(self._staged)} WITH (FORCE)"
        )

    def close(self) -> None:
        with suppress(psycopg2.Error):
            self._resources.close()


def exchange(
    session: PostgreSQLSession,
    restore: str,
    folder: Path,  # noqa: ARG001
) -> PostgreSQLExchange:
    """See ``sqlpair.databases.interface.Driver``."""
    refuse_schema(session.database)
    return PostgreSQLExchange(session, restore)


def _name(live: str, role: str, restore: str) -> str:
    """Return a name beside ``live``, at most as long as PostgreSQL has names."""
    suffix = f"_{role}_{restore[:8]}_{restore[-6:]}"
    start = live.encode()[: NAME_BYTES - len(suffix)].decode("utf-8", "ignore")
    return start + suffix
