"""The folder of backups: who works in it, and what is in it.

What bears the name of a backup is a whole one: it is made under a name that begins
with a dot, and renamed when every byte is on the disk; it is removed the other way
round. What a killed run left under such a name goes with the next backup.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlpair.backup import manifest
from sqlpair.backup.manifest import Manifest
from sqlpair.errors import LIMITS, BackupError, LockError, of_system
from sqlpair.project.owner import give, make_folder
from sqlpair.project.presence import is_dir
from sqlpair.project.settings import Settings

PARTIAL = ".partial-"


@contextmanager
def working(folder: Path) -> Iterator[Path]:
    """Hold the folder, which is made where it is missing; LockError if it is held.

    Database locks do not do: several environments share the folder.
    """
    with writing():
        make_folder(folder, 0o700)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockError(
                "another backup or restore is at work",
                [f"it holds {folder}"],
                "Run the command again when that one has ended.",
            ) from None
        for leftover in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield folder
    finally:
        os.close(held)


@contextmanager
def writing() -> Iterator[None]:
    """Raise BackupError for a disk or folder that takes no more."""
    try:
        yield
    except OSError as error:
        where = error.filename or "the disk"
        limit = of_system(error) if error.errno in LIMITS else None
        raise limit or BackupError(
            "a file could not be written",
            [f"{where}: {error.strerror}"],
            "Make room, or let this user write there. Nothing of it was kept.",
        ) from error


def sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(partial: Path, final: Path) -> None:
    """Give a finished folder its name, durably."""
    for path in (*partial.iterdir(), partial):
        give(path)
    sync(partial)
    partial.rename(final)
    sync(final.parent)


def backups(settings: Settings) -> dict[Path, Manifest]:
    """Return the whole backups of this environment by name and size, oldest first."""
    folder = settings.backups.folder
    found: dict[Path, Manifest] = {}
    for path in sorted(folder.iterdir()) if is_dir(folder) else ():
        said = manifest.peek(path)
        if said is not None and said.environment == settings.environment:
            found[path] = said
    return found
