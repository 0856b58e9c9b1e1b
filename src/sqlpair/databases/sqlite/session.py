"""A SQLite session whose transactions are its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair import progress, signals
from sqlpair.databases.failure import ended_within, statement_error
from sqlpair.databases.interface import Notice, Report, Table, quote
from sqlpair.databases.retry import retried
from sqlpair.databases.sqlite.connection import (
    drop_journal,
    keep_journal,
    make_folder,
    open_file,
)
from sqlpair.databases.sqlite.lock import DeploymentLock
from sqlpair.databases.sqlite.parameters import Parameters
from sqlpair.databases.sqlite.references import References
from sqlpair.errors import ConnectError, LockError, StatementError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.databases.reference import Column
    from sqlpair.databases.row_counts import Inspector
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement
    from sqlpair.schema.model import Schema

STEPS = 1_000_000  # of SQLite's virtual machine, some ten milliseconds
_CLASH = re.compile(r"already exists|duplicate column name|no such (table|column)")


def connect(
    database: Database,
    *,
    read_only: bool,
    report: Report,  # noqa: ARG001
) -> SQLiteSession | None:
    """Connect to the file of ``database``; None for reading when there is no file.

    A file that is not there is made by ``lock``, not before. Raises ConnectError: no
    folder, no permission, not a database.
    """
    exists = Path(database.address).exists()
    if not exists:
        if read_only:
            return None
        make_folder(database)
    session = SQLiteSession(database, read_only=read_only)
    if exists:
        session.open()
    return session


class SQLiteSession:
    """See ``sqlpair.databases.interface.Session``."""

    can_prepare = False

    def __init__(self, database: Database, *, read_only: bool):
        self.database = database
        self.table = table(database)
        self._read_only = read_only
        self._path = Path(database.address)
        self._resources = ExitStack()
        self._raw: sqlite3.Connection | None = None
        self._deployment_lock = DeploymentLock(database)
        self._made = False
        self._references = References(database)
        self._alembic: Connection | None = None
        self._report: Report = lambda _line: None
        self._steps = 0  # millions of them, of one statement

    def open(self) -> None:
        """Open the file, again if it was open."""
        self._resources.close()
        raw = self._raw = open_file(self.database, read_only=self._read_only)
        self._resources.callback(raw.close)
        self._resources.enter_context(signals.cancelling(raw.interrupt))
        with self._guarded():
            self._parameters = Parameters(raw)

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection."""
        assert self._raw is not None, "lock() makes the file"
        return self._raw

    # -- queries ---------------------------------------------------------------

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self._guarded():
            return list(_dicts(self.raw.execute(sql)))

    def execute(self, sql: str) -> None:
        from sqlpair.databases.sqlite.split import split

        # executescript() would commit first.
        for statement in split(sql):
            self._execute(statement.text)

    def _execute(self, sql: str) -> None:
        with self._guarded():
            self.raw.execute(sql).close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Within the block, what SQLite refuses becomes a SqlpairError."""
        try:
            yield
        except sqlite3.Error as error:
            if not _is_busy(error):
                raise ConnectError(
                    f"{self.database.name}: SQLite failed: {error}"
                ) from error
            raise LockError(
                f"{self.database.name}: the database is locked by another program",
                [f"{self.database.address}, for {self.database.lock_timeout:g} s"],
                "Run it again when the other program has committed, or raise"
                " lock_timeout.",
                retry=True,
            ) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self.raw.in_transaction:
            yield
            return
        self._execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        with self._guarded():
            yield from _dicts(self.raw.execute(sql))

    def query(self, statement: Statement, path: Path) -> Iterator[dict[str, Any]]:
        try:
            yield from _dicts(self.raw.execute(statement.text))
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._refused(statement, path, error) from error

    def columns(self, table: str) -> list[str]:
        found = self.rows(
            f"SELECT name FROM pragma_table_info({quote(table)}, 'main') ORDER BY cid"
        )
        return [row["name"] for row in found]

    # -- transactions ----------------------------------------------------------

    def begin(self) -> None:
        self._deployment_lock.assert_held()
        with self._guarded():
            self._references.begin(self.raw)
            # Before BEGIN: inside, foreign keys cannot be switched.
            self._restore()
        self._execute("BEGIN IMMEDIATE")

    def check(self) -> None:
        self.assert_locked()
        with self._guarded():
            self._references.check(self.raw)

    def commit(self) -> None:
        # With a rollback journal, readers keep a writer from committing.
        retried(lambda: self._execute("COMMIT"), 0, self._report)
        self._references.commit()

    def rollback(self) -> None:
        if self._raw is None:
            return
        with suppress(sqlite3.Error):
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")

    def prepare(self, transaction: str) -> bool:  # noqa: ARG002
        return False

    def prepared(self) -> list[str]:
        return []

    def decide(self, transaction: str, *, commit: bool) -> None:
        raise NotImplementedError

    def reconnect(self) -> None:
        self.rollback()

    # -- the deployment lock ---------------------------------------------------

    def lock(self, report: Report) -> None:
        self._report = report
        self._deployment_lock.take(report)
        # Only now is the file the one that stays: a run that waited may find it made
        # by another, removed again, or replaced by a restore.
        self._made = not self._path.exists()
        self.open()
        with self._guarded():
            keep_journal(self.raw)

    def assert_locked(self) -> None:
        self._deployment_lock.assert_held()

    # -- migrations ------------------------------------------------------------

    def listen(self, notice: Notice) -> None:
        """SQLite says nothing."""

    def reset(self) -> None:
        if not self.raw.in_transaction:
            raise ended_within(self.database)
        with self._guarded():
            self._restore()

    def _restore(self) -> None:
        if self._alembic is not None:  # what a module does over it, nobody sees
            self._parameters.touched = True
        self._parameters.restore()

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        for statement in statements:
            self.run_one(statement, path)
        self.reset()

    def run_one(self, statement: Statement, path: Path) -> None:
        """Run one statement of the file ``path``."""
        # EXPLAIN runs one all the same. The functions of that name only read.
        if "PRAGMA" in statement.words:
            self._parameters.touched = True
        progress.advance(look=self._look)
        try:
            with self._counted():
                for _row in self.raw.execute(statement.text):
                    pass  # a SELECT may fail at any row
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._refused(statement, path, error) from error

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the steps of what runs within the block."""
        self._steps = 0
        with signals.deferred():  # SQLite would swallow what is raised while it counts
            self.raw.set_progress_handler(self._step, STEPS)
            try:
                yield
            finally:
                self.raw.set_progress_handler(None, STEPS)

    def _step(self) -> None:
        self._steps += 1

    def _look(self) -> str:
        """Say how much work it was by now; SQLite does not know how much is left."""
        return f"{self._steps:,} million steps of SQLite's" if self._steps else ""

    def _refused(
        self, statement: Statement, path: Path, error: sqlite3.Error | sqlite3.Warning
    ) -> StatementError:
        return statement_error(
            self.database,
            path,
            statement,
            str(error),
            retry=isinstance(error, sqlite3.Error) and _is_busy(error),
            clash=_CLASH.search(str(error)) is not None,
        )

    def assert_direct(self) -> None:
        pass

    def run_alone(self, statements: Iterable[Statement], path: Path) -> None:
        def execute(statement: Statement) -> None:
            # VACUUM attaches the file it writes.
            vacuum = int(statement.words[:1] == ("VACUUM",))
            self.raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, vacuum)
            try:
                self.run_one(statement, path)
            finally:
                self.raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

        def is_open() -> bool:
            return self.raw.in_transaction

        self._deployment_lock.assert_held()
        with self._guarded():
            self._restore()
            self._references.count(self.raw)
        from sqlpair.databases.no_transaction import Alone

        Alone(self.database, path, execute, is_open, self.rollback).run(statements)
        with self._guarded():
            keep_journal(self.raw)  # it may have done without one

    def inspector(self) -> Inspector:
        from sqlpair.databases.sqlite.data_loss import SQLiteInspector

        return SQLiteInspector(self.raw)

    def column(self, table: str, name: str) -> Column:
        from sqlpair.databases.sqlite.reference_column import SQLiteColumn

        return SQLiteColumn(self, table, name)

    def alembic_connection(self) -> Connection:
        if self._alembic is None:
            from sqlpair.databases.sqlalchemy_connection import borrowed

            self._alembic = borrowed(
                "sqlite", lambda: self.raw, database=self.database.address
            )
        return self._alembic

    def schema(self) -> Schema:
        from sqlpair.databases.bookkeeping import TABLES
        from sqlpair.databases.sqlite.catalog import catalog

        return catalog(lambda sql: self.raw.execute(sql).fetchall(), TABLES)

    def close(self) -> None:
        self.rollback()
        if self._deployment_lock.held and self._raw is not None:
            with suppress(sqlite3.Error):  # read by another: the file does no harm
                drop_journal(self._raw)
        self._resources.close()
        if self._made and self._deployment_lock.held:
            # A first deployment that came to nothing leaves no file. Under the lock,
            # so that nobody has opened it meanwhile to write to it.
            with suppress(OSError):
                if self._path.stat().st_size == 0:
                    self._path.unlink()
        self._deployment_lock.close()


def _dicts(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description or ()]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def table(database: Database) -> Table:  # noqa: ARG001
    """Say how bookkeeping tables are written."""
    return Table(
        key="INTEGER",
        timestamp="TIMESTAMP",
        now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
        schema="main",
        prefix="main.",
        add_column="",
        join="group_concat",
    )


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
