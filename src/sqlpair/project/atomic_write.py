"""A whole file in the place of another, or the other as it was."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, content: bytes, mode: int | None = None) -> None:
    """Make ``path`` a new file with ``content``, and with ``mode`` where it is given.

    Who reads it finds the old content or the new. What another name leads to, a hard
    link, stays as it is. OSError where it cannot be written; then nothing is left.
    """
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        written.write_bytes(content)
        if mode is not None:
            written.chmod(mode)
        written.replace(path)
    except OSError as error:
        error.filename = str(path)  # a full disk names no file
        raise
    finally:
        written.unlink(missing_ok=True)
