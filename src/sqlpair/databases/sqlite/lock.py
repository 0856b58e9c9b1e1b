"""The deployment lock of a SQLite database: a lock on a file beside it.

BEGIN IMMEDIATE covers one transaction, a deployment may be several. The file stays:
removing it would let two runs hold two locks of one name. It says who holds it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.retry import wait
from sqlpair.errors import ConnectError, LockError
from sqlpair.project.owner import make_file

if TYPE_CHECKING:
    from sqlpair.databases.interface import Report
    from sqlpair.project.settings import Database

POLL_SECONDS = (0.05, 0.3)


class DeploymentLock:
    """See above; ends with the process, however that ends."""

    def __init__(self, database: Database):
        self._database = database
        self._path = f"{database.address}.lock"
        self._file: int | None = None

    def take(self, report: Report) -> None:
        """Wait for the lock and hold it; LockError after ``lock_wait`` seconds."""
        name = self._database.name
        deadline = time.monotonic() + self._database.lock_wait
        said = False
        while not self._try():
            holder = self._holder()
            if holder and not said:
                report(f"{name}: waiting for another deployment, {holder}")
                said = True
            if time.monotonic() > deadline:
                raise LockError(
                    f"{name}: another deployment holds the lock",
                    [holder or "it does not say who it is", self._path],
                    f"Waited {self._database.lock_wait:g} s (lock_wait). Let it end.",
                )
            wait(*POLL_SECONDS)

    def _try(self) -> bool:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        if not self._is_named(file):  # somebody removed it in between
            os.close(file)
            return False
        self._file = file
        with suppress(OSError):  # a full disk, of which a backup may well be made
            os.ftruncate(file, 0)
            os.pwrite(file, f"pid {os.getpid()} (sqlpair)\n".encode(), 0)
        return True

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            make_file(self._path)
            file = os.open(self._path, flags | os.O_CREAT, 0o600)
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                # To write into it would be to write into what another named so.
                os.close(file)
                raise OSError(0, "it is another file, too: a link, or no regular one")
        except OSError as error:
            raise ConnectError(
                f"{self._database.name}: cannot open the lock file",
                [f"{self._path}: {error.strerror}"],
                "Let this user write to the database's folder.",
            ) from None
        return file

    def _holder(self) -> str:
        try:
            return Path(self._path).read_text("utf-8", "replace")[:100].strip()
        except OSError:
            return ""

    def _is_named(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path))  # noqa: PTH116
        except OSError:
            return False

    @property
    def held(self) -> bool:
        """Whether this run holds it."""
        return self._file is not None and self._is_named(self._file)

    def assert_held(self) -> None:
        """LockError if the lock was lost."""
        if not self.held:
            raise LockError(
                f"{self._database.name}: the deployment lock was lost",
                [f"{self._path} was removed or replaced"],
                "What was not committed by then is rolled back. Leave that file, and"
                " run the command again.",
            )

    def close(self) -> None:
        """Free the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
