"""A SQLite session whose transactions are its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair import progress, signals
from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.failure import ended_within
from sqlpair.databases.interface import Look, Notice, Report
from sqlpair.databases.retry import retried
from sqlpair.databases.sqlite.connection import (
    assert_in_place,
    columns,
    data_version,
    dicts,
    drop_journal,
    holders,
    identity,
    is_busy,
    keep_journal,
    make_folder,
    may_write,
    open_file,
)
from sqlpair.databases.sqlite.failure import refused
from sqlpair.databases.sqlite.lock import DeploymentLock
from sqlpair.databases.sqlite.parameters import Parameters
from sqlpair.databases.sqlite.references import References
from sqlpair.errors import ConnectError, LockError
from sqlpair.project.presence import exists
from sqlpair.project.statement import apart
from sqlpair.project.variables import quoting, sent

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement
    from sqlpair.schema.model import Schema

STEPS = 1_000_000  # of SQLite's virtual machine, some ten milliseconds


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
    exists = identity(database.address) is not None
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

    can_prepare = alone = False  # alone: a scratch database, that nobody else uses
    unchanged = False

    def __init__(self, database: Database, *, read_only: bool):
        self.database = database
        self.table = table(database)
        self._read_only = read_only
        self._path = Path(database.address)
        self._resources = ExitStack()
        self._raw: sqlite3.Connection | None = None
        self.deployment_lock = DeploymentLock(database)
        self._made = False
        self._opened: tuple[int, int] | None = None
        self.references = References(database)
        self._alembic: Connection | None = None
        self._report: Report = lambda _line: None
        self._steps = 0  # millions of them, of one statement

    def open(self) -> None:
        """Open the file, again if it was open."""
        self._resources.close()
        before = identity(self.database.address)
        raw = self._raw = open_file(self.database, read_only=self._read_only)
        now = identity(self.database.address)
        self._opened = now if before in (None, now) else None
        self._looked = -1
        self._resources.callback(raw.close)
        self._resources.enter_context(signals.cancelling(raw.interrupt))
        with self.guarded():
            self._parameters = Parameters(raw, lasts=not self.alone)

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection."""
        assert self._raw is not None, "lock() makes the file"
        return self._raw

    # -- queries ---------------------------------------------------------------

    def rows(self, sql: str, *, once: bool = False) -> list[dict[str, Any]]:  # noqa: ARG002
        with self.guarded():
            return list(dicts(self.raw.execute(sql)))

    def execute(self, sql: str) -> None:
        # executescript() would commit first.
        self._execute(*self._parted(sql))

    def _parted(self, sql: str) -> tuple[str, ...]:
        from sqlpair.databases.sqlite.split import parted

        return parted(sql) if sql else ()

    def _execute(self, *statements: str) -> None:
        with self.guarded():
            for sql in statements:
                self.raw.execute(sql).close()
                if sql.startswith("ROLLBACK"):
                    self._parameters.read_schema()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Within the block, what SQLite refuses becomes a SqlpairError."""
        try:
            yield
        except sqlite3.Error as error:
            if not is_busy(error):
                raise ConnectError(
                    f"{self.database.name}: SQLite failed: {error}"
                ) from error
            raise LockError(
                f"{self.database.name}: the database is locked by another program",
                [
                    f"{self.database.address}, for {self.database.lock_timeout:g} s",
                    *holders(self._path),
                ],
                "Run it again when the other program has committed, or raise"
                " lock_timeout.",
                retry=True,
            ) from error

    @contextmanager
    def snapshot(self, *, writable: bool = False) -> Iterator[None]:  # noqa: ARG002
        if self.raw.in_transaction:
            yield
            return
        self._execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        with self.guarded():
            yield from dicts(self.raw.execute(sql))

    def look(self, *tables: str) -> Look:
        with self.snapshot(), self.guarded():
            self._looked = data_version(self.raw)
            return Look(columns(self.raw, tables), [])

    # -- transactions ----------------------------------------------------------

    def begin(self, first: str = "") -> None:
        self.deployment_lock.assert_held()
        with self.guarded():
            self.references.begin(self.raw)
            # Before BEGIN: inside, foreign keys cannot be switched.
            self.restore()
        self._execute("BEGIN IMMEDIATE", *self._parted(first))

    def check(self, last: str = "") -> None:
        self.execute(last)
        self.assert_locked()
        assert_in_place(self.database, self._opened)
        with self.guarded():
            self.references.check(self.raw)

    def commit(self) -> None:
        assert_in_place(self.database, self._opened)
        # With a rollback journal, readers keep a writer from committing.
        retried(lambda: self._execute("COMMIT"), 0, self._report)
        self.references.commit()

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

    def lock(self, report: Report, notice: Notice | None = None) -> None:  # noqa: ARG002
        self._report = report
        has_read, self._read_only = self._read_only, False
        if has_read and exists(self._path) and not may_write(self._path):
            self.open()  # which says what is in the way
        self.deployment_lock.take(report)
        # Only now is the file the one that stays: a run that waited may find it made
        # by another, removed again, or replaced by a restore.
        now = identity(self.database.address)
        self._made = now is None
        if self._made or self.alone or now != self._opened:
            self.open()  # one that is alone wants other pragmas
        with self.guarded():
            if has_read:
                self.raw.execute("PRAGMA query_only = OFF")
                self.unchanged = self._looked == data_version(self.raw)
            keep_journal(self.raw, self.database)

    def assert_locked(self) -> None:
        self.deployment_lock.assert_held()

    # -- migrations ------------------------------------------------------------

    def reset(self) -> None:
        if not self.raw.in_transaction:
            raise ended_within(self.database)
        with self.guarded():
            self.restore()

    def restore(self) -> None:
        """Put back what a migration may have changed in the session."""
        if self._alembic is not None:  # what a module does over it, nobody sees
            self._parameters.note_unseen()
            self.references.note_unseen()
        self._parameters.restore()

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        for statement in statements:
            self.run_one(statement, path)
        self.reset()

    def run_one(self, statement: Statement, path: Path) -> None:
        """Run one statement of the file ``path``, or those that it holds."""
        from sqlpair.databases.sqlite.split import rows_apart, split

        text, words = sent(statement, self.database.values), statement.words
        self.references.note(words, text, path, self.raw)
        self._parameters.note(words, text)
        progress.advance(statement.number, self._look)
        texts = rows_apart(text) if statement.number > 1 else [text]
        ran, execute = 0, self.raw.execute
        try:
            with self._counted():
                for ran, each in enumerate(texts):  # noqa: B007 - of the one that fails
                    for _row in execute(each):
                        pass  # a SELECT may fail at any row
                    signals.raise_pending()
        except (sqlite3.Error, sqlite3.Warning) as error:
            failed = [*apart(statement, split)][ran]
            raise refused(self.database, failed, path, error) from quoting(
                error, statement
            )

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

    def alembic_connection(self) -> Connection:
        if self._alembic is None:
            from sqlpair.databases.sqlalchemy_connection import connection_over

            self._parameters.remember()
            # It asks for the path, of which a byte may be no UTF-8.
            self.raw.text_factory = lambda text: text.decode("utf-8", "replace")
            shown = os.fsencode(self.database.address).decode("utf-8", "replace")
            self._alembic = connection_over("sqlite", lambda: self.raw, database=shown)
        return self._alembic

    def schema(self, *, bookkeeping: bool = False) -> Schema:
        from sqlpair.databases.sqlite.catalog import kept

        own = () if bookkeeping else self.table.names
        with self.guarded():
            return kept(self.fetch, own)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the result of one query, a tuple for each row."""
        return self.raw.execute(sql).fetchall()

    def close(self) -> None:
        self.rollback()
        in_place = identity(self.database.address) == self._opened
        # Where it is not, it is another's journal.
        if self.deployment_lock.held and self._raw is not None and in_place:
            with suppress(sqlite3.Error):  # read by another: the file does no harm
                drop_journal(self._raw, self.database)
        self._resources.close()
        if self._made and self.deployment_lock.held:
            # A first deployment that came to nothing leaves no file. Nobody writes now.
            with suppress(OSError):
                if self._path.stat().st_size == 0:
                    self._path.unlink()
        self.deployment_lock.close()


def table(database: Database) -> BookkeepingSQL:
    """Say how bookkeeping tables are written."""
    return BookkeepingSQL(
        names=database.tables,
        key="INTEGER",
        timestamp="TIMESTAMP",
        now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
        schema="main",
        prefix="main.",
        add_column="",
        join="group_concat",
    )
