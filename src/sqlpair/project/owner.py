"""What root makes in a person's project belongs to that person.

It does not lock them out: a file or folder belongs to whom its own folder belongs.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlpair.project.presence import exists


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and its parents, where they are missing."""
    missing = [path for path in (folder, *folder.parents) if not exists(path)]
    for path in reversed(missing):
        path.mkdir(mode, exist_ok=True)
        give(path)


def make_file(path: str | Path) -> None:
    """Make an empty file, 0600 whatever the umask, where none is."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # and it stays whose it is: it may be a link to somebody's file
    try:
        if os.geteuid() == 0:
            folder = Path(path).parent.stat()
            os.fchown(made, folder.st_uid, folder.st_gid)
    finally:
        os.close(made)


def give(path: Path) -> None:
    """Give what was made to the owner of its folder."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
