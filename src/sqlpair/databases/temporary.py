"""Private temporary folders that do not outlive their process for long.

One that a killed process left is removed by the next that asks for one: its lock
ended with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "sqlpair-scratch-"
_YOUNG = 60.0  # seconds in which a folder may not have its lock yet
_MEMORY = Path("/dev/shm")  # noqa: S108 - a fresh 0700 folder in it
_ENOUGH = 2**30  # bytes; what goes there is a schema, without rows


@contextmanager
def folder(abandon: Callable[[Path], object] = lambda _folder: None) -> Iterator[Path]:
    """A new 0700 folder, gone with the block.

    ``abandon`` is called with one that a killed process left, before it is removed.
    """
    parent = _parent()
    for left in parent.glob(f"{PREFIX}*"):
        _remove(left, abandon)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = _open(path)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _parent() -> Path:
    """Where the machine has memory to spare, nothing of it goes to a disk."""
    if (
        "TMPDIR" not in os.environ
        and os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free > _ENOUGH
    ):
        return _MEMORY
    return Path(tempfile.gettempdir())


def _remove(path: Path, abandon: Callable[[Path], object]) -> None:
    with suppress(OSError):  # another's, or gone meanwhile
        found = path.lstat()
        if found.st_uid != os.geteuid() or time.time() - found.st_ctime < _YOUNG:
            return
        lock = _open(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            abandon(path)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
