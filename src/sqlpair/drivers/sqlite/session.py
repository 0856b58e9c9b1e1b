"""A SQLite session whose transactions are its own.

``isolation_level=None`` keeps Python's driver from committing before DDL, so DDL
rolls back like everything else.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from sqlpair.drivers import Report, Table, quote
from sqlpair.drivers.failure import statement_error
from sqlpair.drivers.sqlite.split import split
from sqlpair.errors import ConnectError, LockError, SqlpairError, StatementError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.loss import Inspector
    from sqlpair.schema import Schema
    from sqlpair.settings import Database
    from sqlpair.statement import Statement

OLDEST = (3, 35, 0)  # ALTER TABLE ... DROP COLUMN, RETURNING
POLL_SECONDS = 0.1


def connect(
    database: Database,
    *,
    read_only: bool,
    report: Report,  # noqa: ARG001
) -> SQLiteSession | None:
    """Connect to the file of ``database``; None for reading when there is no file.

    Raises ConnectError: no folder, no permission, not a database.
    """
    path = Path(database.address)
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConnectError(
            f"{database.name}: Python's SQLite is {sqlite3.sqlite_version}",
            remedy=f"Use a Python built with SQLite {'.'.join(map(str, OLDEST))}"
            " or newer.",
        )
    if not path.exists():
        if read_only:
            return None
        _make_folder(database, path)
    elif path.is_dir():
        raise ConnectError(
            f"{database.name}: {path} is a folder",
            remedy=f"Let {database.variable} name a file.",
        )
    mode = "ro" if read_only else "rwc"
    try:
        raw = sqlite3.connect(
            f"file:{url_quote(str(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=database.lock_timeout,
        )
    except sqlite3.Error as error:
        raise _cannot_open(database, error) from None
    session = SQLiteSession(database, raw)
    try:
        if not read_only and path.exists() and not os.access(path, os.W_OK):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        session.close()
        raise _cannot_open(database, error) from None
    return session


def _make_folder(database: Database, path: Path) -> None:
    # The default lies in state/, which a fresh clone does not have. Any other
    # missing folder is more likely a slip, and is left for its owner to make.
    folder = path.parent
    if folder.is_dir():
        return
    if folder.name == "state" and folder.parent.is_dir():
        folder.mkdir(mode=0o700)
        return
    raise ConnectError(
        f"{database.name}: the folder of the database is not there",
        [str(folder)],
        f"Create it, or change {database.variable}.",
    )


def _cannot_open(database: Database, error: sqlite3.Error) -> ConnectError:
    return ConnectError(
        f"{database.name}: cannot open the SQLite database",
        [f"{database.address}: {error}"],
        f"Check {database.variable}, and that the file is a database you may write.",
    )


class SQLiteSession:
    """See ``sqlpair.drivers.Session``."""

    can_prepare = False

    def __init__(self, database: Database, raw: sqlite3.Connection):
        self.database = database
        self.table = table(database)
        self.raw = raw
        self._lock: int | None = None
        self._alembic: Connection | None = None
        # A crash between the two commits is settled by what this file says, so its
        # commit must have reached the disk.
        raw.execute("PRAGMA synchronous = FULL")
        # Defence in depth: a migration can neither ATTACH a file nor load code.
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

    # -- queries ---------------------------------------------------------------

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(_dicts(self._guarded(sql)))

    def execute(self, sql: str) -> None:
        # executescript() would commit first.
        for statement in split(sql):
            self._guarded(statement.text)

    def _guarded(self, sql: str) -> sqlite3.Cursor:
        try:
            return self.raw.execute(sql)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> SqlpairError:
        if _is_busy(error):
            return LockError(
                f"{self.database.name}: the database is locked by another writer",
                [f"{self.database.address}, for {self.database.lock_timeout:g} s"],
                "Run it again when the other program has committed, or raise"
                " lock_timeout.",
            )
        return ConnectError(f"{self.database.name}: SQLite failed", [str(error)])

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._guarded("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        try:
            yield from _dicts(self.raw.execute(sql))
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def query(self, statement: Statement, path: Path) -> Iterator[dict[str, Any]]:
        try:
            yield from _dicts(self.raw.execute(statement.text))
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._refused(statement, path, error) from error

    def columns(self, table: str) -> list[str]:
        found = self.rows(f"SELECT name FROM pragma_table_info({quote(table)})")
        return [row["name"] for row in found]

    # -- transactions ----------------------------------------------------------

    def begin(self) -> None:
        # Off, or a table rebuild would empty child tables through CASCADE; it has no
        # effect inside a transaction, so it comes first.
        self._guarded("PRAGMA foreign_keys = OFF")
        self._guarded("BEGIN IMMEDIATE")

    def check(self) -> None:
        self.assert_locked()
        dangling = self._dangling(self.raw)
        if dangling:
            # Rows that were dangling before this run are not its fault.
            dangling -= self._dangling_before()
        if dangling:
            shown = sorted(dangling, key=str)[:10]
            raise SqlpairError(
                f"{self.database.name}: {len(dangling)} foreign keys are left dangling",
                [f"{table} rowid {row} refers to {to}" for table, row, to in shown],
                "Nothing was committed. Let the migration keep what is referred to.",
            )

    @staticmethod
    def _dangling(raw: sqlite3.Connection) -> set[tuple[str, int, str]]:
        return {row[:3] for row in raw.execute("PRAGMA foreign_key_check")}

    def _dangling_before(self) -> set[tuple[str, int, str]]:
        path = url_quote(self.database.address)
        outside = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)
        try:
            return self._dangling(outside)
        except sqlite3.Error:
            return set()
        finally:
            outside.close()

    def commit(self) -> None:
        self._guarded("COMMIT")

    def rollback(self) -> None:
        with suppress(sqlite3.Error):
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")

    def prepare(self, identifier: str) -> bool:  # noqa: ARG002
        return False

    def prepared(self) -> list[str]:
        return []

    def decide(self, identifier: str, *, commit: bool) -> None:
        raise NotImplementedError

    # -- the deployment lock ---------------------------------------------------

    def lock(self, report: Report) -> None:
        # A file lock beside the database: BEGIN IMMEDIATE covers one transaction, a
        # deployment may be several. The file stays: removing it would let two runs
        # hold two locks of one name.
        path = f"{self.database.address}.lock"
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConnectError(
                f"{self.database.name}: cannot create the lock file",
                [f"{path}: {error.strerror}"],
                "Let this user write to the database's folder.",
            ) from None
        deadline = time.monotonic() + self.database.lock_wait
        said = False
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(self._lock, 100, 0).decode("utf-8", "replace").strip()
                if not said:
                    report(f"{self.database.name}: waiting for {holder}")
                    said = True
                if time.monotonic() > deadline:
                    raise LockError(
                        f"{self.database.name}: another deployment holds the lock",
                        [holder, path],
                        f"Waited {self.database.lock_wait:g} s (lock_wait).",
                    ) from None
                time.sleep(POLL_SECONDS)
            else:
                os.truncate(self._lock, 0)
                os.pwrite(self._lock, f"pid {os.getpid()} (sqlpair)\n".encode(), 0)
                return

    def assert_locked(self) -> None:
        assert self._lock is not None  # flock is ours until this process closes it

    # -- migrations ------------------------------------------------------------

    def reset(self) -> None:
        pass

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        for statement in statements:
            try:
                self.raw.execute(statement.text).close()
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise self._refused(statement, path, error) from error

    def _refused(
        self, statement: Statement, path: Path, error: sqlite3.Error | sqlite3.Warning
    ) -> StatementError:
        return statement_error(
            self.database,
            path,
            statement,
            str(error),
            retry=isinstance(error, sqlite3.Error) and _is_busy(error),
        )

    def inspector(self) -> Inspector:
        from sqlpair.drivers.sqlite.rows import SQLiteInspector

        return SQLiteInspector(self.raw)

    def alembic_connection(self) -> Connection:
        if self._alembic is None:
            from sqlalchemy import create_engine
            from sqlalchemy.engine import URL
            from sqlalchemy.pool import StaticPool

            engine = create_engine(
                URL.create("sqlite", database=self.database.address),
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
        from sqlpair.drivers.sqlite.catalog import catalog
        from sqlpair.ledger import TABLES

        return catalog(lambda sql: self.raw.execute(sql).fetchall(), TABLES)

    def close(self) -> None:
        self.rollback()
        self.raw.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


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
        prefix="",
        add_column="",
    )


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
