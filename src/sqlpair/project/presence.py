"""Whether a file or folder is there. One that cannot be looked at is no answer.

From Python 3.14 on, ``Path.exists``, ``is_file`` and ``is_dir`` say no of what lies in
a folder that may not be entered. Then a log, a database or the note of an interrupted
run would count as missing, and all would seem well.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def exists(path: Path) -> bool:
    """Say whether there is anything; OSError where that cannot be found out."""
    return _mode(path) is not None


def is_file(path: Path) -> bool:
    """Say whether it is a file, or a link to one; OSError as above."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_dir(path: Path) -> bool:
    """Say whether it is a folder, or a link to one; OSError as above."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def below(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and those below; OSError where one cannot be listed.

    ``Path.rglob`` leaves out what it may not look at.
    """

    def fail(error: OSError) -> None:
        raise error

    for where, _, names in os.walk(folder, onerror=fail):
        yield from (Path(where, name) for name in names)


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 (fast)
    except ValueError:  # no file has such a name
        return None
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
