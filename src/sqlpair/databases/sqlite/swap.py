"""Swapping the content of a SQLite database for a restored copy's.

The copy is written into the live file by the backup API, in one transaction. The other
way, to rename the copy over the live file, is not safe: a program that has the old file
open goes on writing to it unnoticed, and its ``-wal`` then lies beside a file it does
not belong to. Here the file, its owner, its mode and its ``-wal`` stay the live ones; a
kill in the middle leaves a transaction that was not committed, which SQLite rolls back
when the file is next opened.

The file is held in exclusive locking mode throughout. In WAL mode that is had only
when no other program has the file open; else, when none is using it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.interface import Progress
from sqlpair.databases.sqlite.backup_proof import check
from sqlpair.databases.sqlite.connection import assert_in_place, identity
from sqlpair.databases.sqlite.dump import opened, transfer
from sqlpair.errors import BackupError, LockError

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession

LEFT = ("-wal", "-shm", "-journal", "")


class SQLiteExchange:
    """See ``sqlpair.databases.interface.Exchange``."""

    def __init__(self, session: SQLiteSession, restore: str, folder: Path):
        self._session = session
        self._path = Path(session.database.address)
        self._staged = folder / f"{session.database.name}.db"
        self._before = self._path.with_name(f"{self._path.name}.before-{restore}")
        self._live: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self.copy = session.database._replace(address=str(self._staged))
        self.kept = str(self._before)
        self.removal = shlex.join(["rm", str(self._before)])

    def check(self) -> None:
        self._seize().close()

    def _seize(self) -> sqlite3.Connection:
        """Open the live file for ourselves alone; LockError where others are in it."""
        # Our own would be in the way. The deployment lock is another file's, and stays.
        self._session.raw.close()
        database = self._session.database
        live = opened(self._path, "mode=rwc")
        try:
            live.execute(f"PRAGMA busy_timeout = {database.lock_timeout * 1000:.0f}")
            live.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            live.execute("PRAGMA synchronous = FULL")
            live.execute("BEGIN EXCLUSIVE")
            live.execute("COMMIT")
        except sqlite3.Error as error:
            live.close()
            fuser = shlex.join(["fuser", "-v", str(self._path)])
            raise LockError(
                f"{database.name}: the database is in use, or cannot be written",
                [f"{self._path}: {error}"],
                "Stop what has it open, the application too: what it still writes would"
                f" be lost.\nSee which: {fuser}. Nothing was changed.",
            ) from None
        return live

    def stage(
        self,
        dump: Path,
        tool: str,  # noqa: ARG002
        deadline: float,
        progress: Progress,
    ) -> None:
        size = dump.stat().st_size
        shutil.copyfile(dump, self._staged)
        self._staged.chmod(0o600)
        progress(size, size)
        check(self._session.database, self._staged, deadline)

    def prepare(self, deadline: float, progress: Progress) -> None:
        self._live = self._seize()
        self._opened = identity(self._path)
        self._before.unlink(missing_ok=True)
        os.close(os.open(self._before, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with self._failing(), closing(opened(self._before, "mode=rw")) as before:
            self._check_page_size(self._live)
            transfer(self._session.database, self._live, before, deadline, progress)

    def commit(self, deadline: float, progress: Progress) -> None:
        assert self._live is not None
        assert_in_place(self._session.database, self._opened)
        with self._failing(), closing(opened(self._staged, "mode=rw")) as staged:
            transfer(self._session.database, staged, self._live, deadline, progress)

    def _check_page_size(self, live: sqlite3.Connection) -> None:
        (mode,) = live.execute("PRAGMA journal_mode").fetchone()
        (pages, size) = live.execute(
            "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
        with closing(opened(self._staged, "mode=rw")) as staged:
            (wanted,) = staged.execute("PRAGMA page_size").fetchone()
        if mode == "wal" and pages and size != wanted:
            command = shlex.join(
                ["sqlite3", str(self._path), "PRAGMA journal_mode = DELETE"]
            )
            raise BackupError(
                f"{self._session.database.name}: the live file has another page size",
                [f"{size}, the backup {wanted}; in WAL mode it cannot change"],
                f"Run: {command}\nThen restore again. Nothing was changed.",
            )

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BackupError(
                f"{self._session.database.name}: SQLite refused a step of the restore",
                [f"{self._path}: {error}"],
            ) from error

    def discard(self) -> None:
        self.close()
        for path in (self._staged, self._before):
            for suffix in LEFT:
                Path(f"{path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        # The last one to close a WAL file writes the -wal back and removes it.
        if self._live is not None:
            self._live.close()
            self._live = None


exchange = SQLiteExchange  # which is what the driver offers
