"""A PostgreSQL session whose transactions are its own.

psycopg2 is kept in autocommit, so BEGIN, COMMIT and PREPARE TRANSACTION are sent
exactly when this module says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from sqlpair import embedded
from sqlpair.drivers import Report, Table, quote
from sqlpair.drivers.postgresql.failure import REMEDIES, translate
from sqlpair.errors import ConnectError, LockError, SettingsError

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor
    from sqlalchemy.engine import Connection

    from sqlpair.loss import Inspector
    from sqlpair.schema import Schema
    from sqlpair.settings import Database
    from sqlpair.statement import Statement

# Two keys of 32 bits: "sqlp" for the deployment, "sqlw" for each transaction in it.
LOCK_SPACE = 0x73716C70
WORK_SPACE = 0x73716C77
POLL_SECONDS = (0.05, 0.3)

DECLARE = "DECLARE sqlpair_rows NO SCROLL CURSOR FOR "
ROWS_AT_ONCE = 2000
# What a cursor can be declared for; a query in brackets has no word at all.
QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


def connect(
    database: Database, *, read_only: bool, report: Report
) -> PostgreSQLSession | None:
    """Connect to ``database``, starting its embedded server where that is meant.

    Returns None for reading when the embedded server was never made. Raises
    ConnectError without the password.
    """
    if read_only and database.embedded and not database.embedded.exists():
        return None
    resources = ExitStack()
    try:
        address = dict(database.parameters)
        if database.embedded is not None:
            server = resources.enter_context(
                embedded.server(
                    database.embedded, binaries=database.binaries, report=report
                )
            )
            dsn = server.dsn
        else:
            dsn, address = parse_address(database)
        raw = open_connection(database, dsn, address)
        resources.callback(raw.close)
        session = PostgreSQLSession(database, raw, dsn, address, resources)
        if read_only:
            raw.set_session(readonly=True, autocommit=True)
    except BaseException:
        resources.close()
        raise
    return session


def parse_address(database: Database) -> tuple[str, dict[str, str]]:
    """Split the configured address into a libpq string and parameters over it.

    A password may hold ``@ : / # %``, percent-encoded or as it is: the user and
    password end at the last ``@`` before any ``?``.
    """
    parameters = dict(database.parameters)
    scheme, separator, rest = database.address.partition("://")
    if not separator:
        return database.address, parameters
    if scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise SettingsError(
            f"{database.name}: {database.variable} is not a PostgreSQL address",
            [f"it starts with {scheme}://"],
            "It looks like postgresql://user:password@host:5432/database",
        )
    head, question, query = rest.partition("?")
    userinfo, at, location = head.rpartition("@")
    if at:
        user, colon, password = userinfo.partition(":")
        if user:
            parameters["user"] = unquote(user)
        if colon:
            parameters["password"] = unquote(password)
    return f"postgresql://{location}{question}{query}", parameters


def open_connection(
    database: Database, dsn: str, parameters: dict[str, str]
) -> connection:
    """Open a psycopg2 connection in autocommit; ConnectError without the password."""
    defaults = {"application_name": "sqlpair", "client_encoding": "utf8"}
    try:
        known = parse_dsn(dsn) | parameters if dsn else dict(parameters)
        if "connect_timeout" not in known:
            defaults["connect_timeout"] = "10"
        raw = psycopg2.connect(make_dsn(dsn, **(defaults | parameters)))
    except psycopg2.Error as error:
        raise ConnectError(
            f"{database.name}: cannot connect to PostgreSQL",
            _without_secrets(str(error), parameters).strip().splitlines(),
            f"Check {database.variable} and that the server is running.",
        ) from None
    raw.autocommit = True
    return raw


def _without_secrets(message: str, parameters: dict[str, str]) -> str:
    password = parameters.get("password")
    return message.replace(password, "***") if password else message


class PostgreSQLSession:
    """See ``sqlpair.drivers.Session``."""

    can_prepare = True

    def __init__(
        self,
        database: Database,
        raw: connection,
        dsn: str,
        parameters: dict[str, str],
        resources: ExitStack,
    ):
        self.database = database
        self.table = table(database)
        self.raw = raw
        self._dsn, self._parameters = dsn, parameters
        self._resources = resources
        self._locker: connection | None = None
        self._locker_pid = 0
        self._alembic: Connection | None = None
        self._settings = f"SET LOCAL lock_timeout = '{database.lock_timeout}s'; "
        self._settings += "SET LOCAL standard_conforming_strings = on; "

    @property
    def parameters(self) -> dict[str, str]:
        """What libpq was told, the password included."""
        return (parse_dsn(self._dsn) if self._dsn else {}) | self._parameters

    # -- queries ---------------------------------------------------------------

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self._guarded() as cursor:
            cursor.execute(sql)
            return list(_dicts(cursor))

    def execute(self, sql: str) -> None:
        with self._guarded() as cursor:
            cursor.execute(sql)

    @contextmanager
    def _guarded(self) -> Iterator[cursor]:
        """Yield a cursor; what PostgreSQL refuses becomes a ConnectError."""
        try:
            with self.raw.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise ConnectError(
                f"{self.database.name}: PostgreSQL failed",
                str(error).strip().splitlines(),
                REMEDIES.get(error.pgcode or "", ""),
            ) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.execute(
            f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._settings}"
        )
        try:
            yield
        finally:
            self.rollback()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        with self._guarded() as cursor:
            yield from _streamed(cursor, sql)

    def query(self, statement: Statement, path: Path) -> Iterator[dict[str, Any]]:
        try:
            with self.raw.cursor() as cursor:
                if not statement.words or statement.words[0] in QUERIES:
                    yield from _streamed(cursor, statement.text)
                else:  # EXPLAIN, SHOW, DO
                    cursor.execute(statement.text)
                    yield from _dicts(cursor)
        except psycopg2.Error as error:
            sent = (error.cursor.query or b"") if error.cursor else b""
            before = len(DECLARE) if sent.startswith(DECLARE.encode()) else 0
            raise translate(
                self.database, path, statement, error, before=before
            ) from error

    def columns(self, table: str) -> list[str]:
        found = self.rows(
            "SELECT attname FROM pg_catalog.pg_attribute"
            f" WHERE attrelid = to_regclass({quote(self.table.prefix + table)})"
            " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return [row["attname"] for row in found]

    # -- transactions ----------------------------------------------------------

    def begin(self) -> None:
        self.execute("BEGIN; " + self._settings)
        self._wait_for_predecessor()

    def _wait_for_predecessor(self) -> None:
        # A client that was killed frees the deployment lock at once, while its last
        # statement may run on in the server. That transaction still holds this one.
        space, key = WORK_SPACE, 0
        deadline = time.monotonic() + self.database.lock_wait
        query = f"SELECT pg_try_advisory_xact_lock({space}, {key}) AS had"
        while not self.rows(query)[0]["had"]:
            if time.monotonic() > deadline:
                raise LockError(
                    f"{self.database.name}: a killed run's statement is still running",
                    self._holders(space),
                    "Wait for it, or end it with pg_terminate_backend(pid).",
                )
            time.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311

    def check(self) -> None:
        self.assert_locked()
        self.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(ConnectError):
            if not self.raw.closed:
                self.execute("ROLLBACK")

    def prepare(self, identifier: str) -> bool:
        maximum = self.rows("SHOW max_prepared_transactions")[0]
        if int(maximum["max_prepared_transactions"]) == 0:
            return False
        self.execute(f"PREPARE TRANSACTION {quote(identifier)}")
        return True

    def prepared(self) -> list[str]:
        found = self.rows(
            "SELECT gid FROM pg_catalog.pg_prepared_xacts"
            " WHERE database = current_database() ORDER BY prepared"
        )
        return [row["gid"] for row in found]

    def decide(self, identifier: str, *, commit: bool) -> None:
        verb = "COMMIT" if commit else "ROLLBACK"
        self.execute(f"{verb} PREPARED {quote(identifier)}")

    # -- the deployment lock ---------------------------------------------------

    def lock(self, report: Report) -> None:
        # A connection of its own, idle in a transaction: the lock then survives
        # every commit of the deployment, also through a pooler that hands out
        # another server connection for each transaction. It holds no snapshot, so
        # CREATE INDEX CONCURRENTLY does not wait for it. Polled, because a waiting
        # pg_advisory_lock would hold one.
        self._locker = open_connection(self.database, self._dsn, self._parameters)
        self._resources.callback(self._locker.close)
        timeouts = ["idle_in_transaction_session_timeout", "statement_timeout"]
        if self.raw.server_version >= 170000:
            timeouts.append("transaction_timeout")
        begin = "BEGIN; " + "".join(f"SET LOCAL {name} = 0; " for name in timeouts)
        deadline = time.monotonic() + self.database.lock_wait
        said = False
        with self._locker.cursor() as cursor:
            cursor.execute(begin + "SELECT pg_backend_pid()")
            self._locker_pid = cursor.fetchone()[0]  # type: ignore[index]
            while True:
                cursor.execute(f"SELECT pg_try_advisory_xact_lock({LOCK_SPACE}, 0)")
                if cursor.fetchone()[0]:  # type: ignore[index]
                    return
                if not said:
                    for holder in self._holders(LOCK_SPACE):
                        report(f"{self.database.name}: waiting for {holder}")
                    said = True
                if time.monotonic() > deadline:
                    raise LockError(
                        f"{self.database.name}: another deployment holds the lock",
                        self._holders(LOCK_SPACE),
                        f"Waited {self.database.lock_wait:g} s (lock_wait).",
                    )
                time.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311

    def _holders(self, space: int) -> list[str]:
        found = self.rows(
            "SELECT a.pid, a.application_name, a.client_addr, l.pid AS held,"
            " to_char(a.xact_start, 'HH24:MI:SS') AS since"
            " FROM pg_catalog.pg_locks l"
            " LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)"
            f" WHERE l.locktype = 'advisory' AND l.classid = {space} AND l.granted"
            " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
            " WHERE datname = current_database())"
        )
        return [
            f"pid {row['held']} ({row['application_name'] or 'unnamed'},"
            f" {row['client_addr'] or 'local'}, since {row['since']})"
            for row in found
        ]

    def assert_locked(self) -> None:
        held = self.rows(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory'"
            f" AND classid = {LOCK_SPACE} AND granted AND pid = {self._locker_pid}"
        )
        if not held:
            raise LockError(
                f"{self.database.name}: the deployment lock was lost",
                ["the connection that held it was closed by the server or a pooler"],
                "Nothing was committed since. Run the command again.",
            )

    # -- migrations ------------------------------------------------------------

    def reset(self) -> None:
        # A dump sets search_path, a file may SET ROLE: neither may reach the ledger
        # or the next migration.
        self.execute(
            f"RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE; {self._settings}"
        )

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        with self.raw.cursor() as cursor:
            for statement in statements:
                try:
                    cursor.execute(statement.text)
                except psycopg2.Error as error:
                    raise translate(self.database, path, statement, error) from error

    def inspector(self) -> Inspector:
        from sqlpair.drivers.postgresql.rows import PostgreSQLInspector

        return PostgreSQLInspector(self)

    def alembic_connection(self) -> Connection:
        if self._alembic is None:
            from sqlalchemy import create_engine
            from sqlalchemy.engine import URL
            from sqlalchemy.pool import StaticPool

            info = self.raw.info
            url = URL.create(
                "postgresql+psycopg2",
                username=info.user,
                host=info.host,
                port=info.port,
                database=info.dbname,
            )
            engine = create_engine(
                url,
                creator=lambda: self.raw,
                poolclass=StaticPool,
                pool_reset_on_return=None,
                isolation_level="AUTOCOMMIT",
            )
            self._alembic = engine.connect()
            # Alembic then takes the transaction for its caller's and ends none.
            self._alembic.begin()
        return self._alembic

    def schema(self) -> Schema:
        from sqlpair.drivers.postgresql.catalog import catalog
        from sqlpair.ledger import TABLES

        def fetch(sql: str) -> list[tuple[Any, ...]]:
            with self.raw.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()

        return catalog(fetch, TABLES)

    def close(self) -> None:
        with suppress(psycopg2.Error):
            self._resources.close()


def _streamed(cursor: cursor, sql: str) -> Iterator[dict[str, Any]]:
    # Not a cursor of psycopg2's: that one wants a transaction of psycopg2's.
    cursor.execute(DECLARE + sql)
    while True:
        cursor.execute(f"FETCH {ROWS_AT_ONCE} FROM sqlpair_rows")
        if not cursor.rowcount:
            break
        yield from _dicts(cursor)
    cursor.execute("CLOSE sqlpair_rows")


def _dicts(cursor: cursor) -> Iterator[dict[str, Any]]:
    if cursor.description is None:
        return
    names = [column.name for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def table(database: Database) -> Table:
    """Say how bookkeeping tables are written."""
    return Table(
        key="serial",
        timestamp="timestamp",
        now="timezone('utc', clock_timestamp())",
        prefix=f"{identifier(database.schema)}.",
        add_column="ADD COLUMN IF NOT EXISTS",
    )


def identifier(name: str) -> str:
    """Return ``name`` quoted as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
