"""A PostgreSQL session whose transactions are its own.

psycopg2 is kept in autocommit, so BEGIN, COMMIT and PREPARE TRANSACTION are sent
exactly when this module says so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from sqlpair import ids, signals
from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.failure import ended_within
from sqlpair.databases.interface import Look, Notice, Report, UnpreparableError
from sqlpair.databases.postgresql.connection import Address, parse_address
from sqlpair.databases.postgresql.lock import WORK, DeploymentLock
from sqlpair.databases.postgresql.notices import NoticeListener
from sqlpair.databases.postgresql.parameters import BEGIN, RESET, Parameters
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import ConnectError, LockError, SqlpairError
from sqlpair.project import fleet
from sqlpair.project.ledger_tables import LEDGER
from sqlpair.project.presence import exists

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.databases.postgresql.catalog import Fetch
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement
    from sqlpair.schema.model import Schema

# Of PREPARE TRANSACTION: temporary objects, LISTEN and the like; no more slots.
UNPREPARABLE = frozenset({"0A000", "53200", "55000"})
TRANSACTION = re.compile(rf"{ids.ID.pattern}/\d+")
INSUFFICIENT_PRIVILEGE = "42501"
AT_REST_SECONDS = 10


def connect(
    database: Database, *, read_only: bool, report: Report
) -> PostgreSQLSession | None:
    """Connect to ``database``, starting its embedded server where that is meant.

    Returns None for reading when the embedded server was never made. Raises
    ConnectError without the password.
    """
    fleet.refuse(database.name, database.fleet)
    made = database.embedded is None or exists(database.embedded / "PG_VERSION")
    if read_only and not made:
        return None
    with ExitStack() as resources:
        if database.embedded is not None:
            from sqlpair.databases import embedded

            server = resources.enter_context(
                embedded.server(
                    database.embedded, binaries=database.binaries, report=report
                )
            )
            address = Address(database, server.dsn, database.parameters)
        else:
            address = Address(database, *parse_address(database))
        session = PostgreSQLSession(address, resources, read_only=read_only)
        session.resources = resources.pop_all()
    return session


class PostgreSQLSession(Queries):
    """See ``sqlpair.databases.interface.Session``."""

    can_prepare = True
    unchanged = False  # another connection has looked, or nobody
    alone = False  # whether nobody else uses it: a scratch database

    def __init__(self, address: Address, resources: ExitStack, *, read_only: bool):
        super().__init__(address, read_only=read_only)
        self.table = table(self.database)
        self.resources = resources
        resources.callback(lambda: address.close(self.raw, as_new=self.as_new))
        resources.enter_context(signals.cancelling(lambda: self.raw.cancel()))
        self.deployment_lock = DeploymentLock(address, self.rows)
        self._alembic: Connection | None = None
        self.catalog: Callable[[Fetch, Collection[str], str], Schema] | None = None
        """What describes its schema, if not ``catalog.catalog``."""
        self.empty_database: (
            Callable[[Iterable[str]], AbstractContextManager[str]] | None
        ) = None
        """What makes an empty database beside it, and drops it and these roles."""

    @property
    def parameters(self) -> dict[str, str]:
        """What libpq was told, the password included."""
        return self._address.known()

    # -- queries ---------------------------------------------------------------

    def look(self, *tables: str) -> Look:
        names = (
            f"({quote(name)}, {quote(self.table.prefix + name)})" for name in tables
        )
        found = self.rows(
            "SELECT t.name, attnum AS number, CAST(attname AS text) AS what,"
            " row_security_active(attrelid) AS hides"
            f" FROM (VALUES {', '.join(names)}) AS t (name, path)"
            " JOIN pg_catalog.pg_attribute ON attrelid = to_regclass(t.path)"
            " WHERE attnum > 0 AND NOT attisdropped"
            f" UNION ALL SELECT NULL, 0, name, false FROM ({self._prepared}) AS p"
            " ORDER BY number, what",
            once=True,
        )
        if hiding := sorted({row["name"] for row in found if row["hides"]}):
            raise ConnectError(
                f"{self.database.name}: row security may hide from this role what is"
                " recorded",
                [f"{self.table.prefix}{name}" for name in hiding],
                "As the tables' owner: ALTER TABLE … DISABLE ROW LEVEL SECURITY. Or"
                " connect as their owner, or as a role with BYPASSRLS.",
            )
        columns: dict[str, list[str]] = {name: [] for name in tables}
        for row in found:
            if row["name"] is not None:
                columns[row["name"]].append(row["what"])
        return Look(columns, _own(row["what"] for row in found if row["name"] is None))

    # -- transactions ----------------------------------------------------------

    @cached_property
    def run_time(self) -> Parameters:
        """What a migration runs under."""
        with self.guarded():
            return Parameters(self.database, self.raw, lasts=not self.alone)

    def begin(self, first: str = "") -> None:
        work = self.deployment_lock.work
        (row,) = self.rows(
            # psycopg2 has set the style; the first file runs in the role's, as others.
            f"{BEGIN}RESET datestyle; {self.run_time.local()}{first}"
            f" SELECT pg_try_advisory_xact_lock({work}) AS had, pg_backend_pid() AS pid"
        )
        if not row["had"]:
            raise LockError(
                f"{self.database.name}: another run is at work",
                self.deployment_lock.holders(WORK),
            )
        self.watch(self.deployment_lock.borrowed, row["pid"])

    def check(self, last: str = "") -> None:
        # Here, not in the COMMIT, where no signal could stop a deferred trigger.
        with self.guarded("the commit would fail") as cursor:
            cursor.execute(f"{last}SET CONSTRAINTS ALL IMMEDIATE")
        self.assert_locked()

    def commit(self) -> None:
        self._end("COMMIT")

    def _end(self, sql: str) -> None:
        with self.guarded(sql.partition(" '")[0]) as cursor:
            cursor.execute(sql)
            said = cursor.statusmessage
        self.unwatch()
        if said == "ROLLBACK":  # what the server answers when a statement had failed
            raise ConnectError(
                f"{self.database.name}: the transaction was rolled back, not committed",
                ["a statement in it had failed"],
            )

    def prepare(self, transaction: str) -> bool:
        (row,) = self.rows("SHOW max_prepared_transactions")
        if int(row["max_prepared_transactions"]) == 0:
            return False
        try:
            self._end(f"PREPARE TRANSACTION {quote(self._gid(transaction))}")
        except SqlpairError as error:
            if getattr(error.__cause__, "pgcode", None) in UNPREPARABLE:
                raise UnpreparableError(error.what, error.evidence) from error
            raise
        return True

    def prepared(self) -> list[str]:
        return _own(row["name"] for row in self.rows(self._prepared))

    def decide(self, transaction: str, *, commit: bool) -> None:
        self.reconnect()
        gid = quote(self._gid(transaction))
        sql = f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED {gid}"
        try:
            self.execute(sql)
        except ConnectError as error:
            if getattr(error.__cause__, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
                raise
            raise self._of_another_role(gid, sql) from error

    def _of_another_role(self, gid: str, sql: str) -> ConnectError:
        owner, role, at = self.fetch(
            "SELECT max(owner), current_user, max(prepared::timestamptz(0)::text)"
            f" FROM pg_catalog.pg_prepared_xacts WHERE gid = {gid}"
        )[0]
        return ConnectError(
            f"{self.database.name}: a transaction in doubt is of the role {owner}, and"
            f" {role} may not end it",
            [f"an interrupted deployment has prepared it, at {at}: {gid}"],
            f"Run the command as {owner} or as a superuser (no privilege stands in for"
            f" that).\nOr let one of them run, in this database: {sql};",
        )

    def _gid(self, transaction: str) -> str:
        # One for all databases of a server, and for every project that has its ledger
        # in this one: so both are in it. At most 200 bytes.
        (row,) = self.rows(f"SELECT {self._prefix} AS prefix")
        return f"{row['prefix']}{transaction}"

    @property
    def _prepared(self) -> str:
        return (
            f"SELECT substr(gid, length({self._prefix}) + 1) AS name"
            " FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()"
            f" AND starts_with(gid, {self._prefix}) ORDER BY prepared"
        )

    @property
    def _prefix(self) -> str:
        own = f".{self.table.schema}"
        if (ledger := self.table.names.ledger) != LEDGER:
            own += f".{ledger}"
        return f"('sqlpair:' || current_database() || {quote(f'{own}:')})"

    def reconnect(self) -> None:
        self.rollback()
        # The server may have ended a session that was idle, and nobody has noticed.
        with suppress(psycopg2.Error), self.raw.cursor() as cursor:
            cursor.execute("SELECT 1")
            return
        self.raw = self._address.open()
        # The server may still be at work on what was sent over the lost connection.
        deadline = time.monotonic() + AT_REST_SECONDS
        while holders := self.deployment_lock.holders(WORK):
            if time.monotonic() > deadline:
                raise LockError(
                    f"{self.database.name}: what was sent last is still running",
                    holders,
                )
            time.sleep(0.1)

    # -- the deployment lock ---------------------------------------------------

    def lock(self, report: Report, notice: Notice | None = None) -> None:
        self.report = report
        if notice is not None:
            self.listener = NoticeListener(self.database, lambda: self.raw, notice)
        self.resources.callback(self.deployment_lock.close)
        self.deployment_lock.take(report)

    def assert_locked(self) -> None:
        self.deployment_lock.assert_held()

    # -- migrations ------------------------------------------------------------

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        from sqlpair.databases.postgresql import batch as parts

        words = parts.ROWS | parts.DEFINITIONS if self.alone else parts.ROWS
        last: Sequence[Statement] = ()
        for batch in parts.batches(statements, words):
            self._send(last, path)
            last = batch
        # Together: one round trip less for every file.
        self._send(last, path, RESET + self.run_time.local())
        self._assert_in_transaction()

    def _send(self, batch: Sequence[Statement], path: Path, then: str = "") -> None:
        if len(batch) == 1 and batch[0].number == 1:
            self.run_one(batch[0], path, then)
        elif batch:
            self.run_batch(batch, path, then)

    def reset(self) -> None:
        self._assert_in_transaction()
        self.execute(RESET + self.run_time.local())

    def _assert_in_transaction(self) -> None:
        if not self.in_transaction():
            raise ended_within(self.database)

    def alembic_connection(self) -> Connection:
        self.as_new = False
        if self.read_only and not self.in_transaction():
            self.begin_reading()
        if self._alembic is None:
            from sqlpair.databases.sqlalchemy_connection import connection_over

            info = self.raw.info
            self._alembic = connection_over(
                "postgresql+psycopg2",
                lambda: self.raw,
                username=info.user,
                host=info.host,
                port=info.port,
                database=info.dbname,
            )
        return self._alembic

    def schema(self, *, bookkeeping: bool = False) -> Schema:
        from sqlpair.databases.postgresql.catalog import (
            catalog,
            outside,
            qualified,
            within,
        )

        names = () if bookkeeping else self.table.names
        (member, *_) = self.database.search_path or ("",)
        with self.snapshot():
            own = [qualified(self.table.schema, name) for name in names]
            found = (self.catalog or catalog)(self.fetch, own, member)
        if member:
            return within(found, member)
        return outside(found, self.database.hosts)

    def close(self) -> None:
        self.stop_watching()
        with suppress(psycopg2.Error):
            self.resources.close()


def _own(names: Iterable[str]) -> list[str]:
    return [name for name in names if TRANSACTION.fullmatch(name)]


def table(database: Database) -> BookkeepingSQL:
    """Say how bookkeeping tables are written."""
    return BookkeepingSQL(
        names=database.tables,
        key="serial",
        timestamp="timestamp",
        now="timezone('utc', clock_timestamp())",
        schema=database.ledger_schema,
        prefix=f"{identifier(database.ledger_schema)}.",
        add_column="ADD COLUMN IF NOT EXISTS",
        join="string_agg",
    )
