"""Several files changed together, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlpair.errors import HistoryError, SqlpairError
from sqlpair.project import atomic_write


class FileChanges:
    """Changes to files that are taken back, last one first, when one fails."""

    def __init__(
        self,
        what: str,
        remedy: str = "Put that right and run it again. Every file is as it was.",
        failure: type[SqlpairError] = HistoryError,
    ) -> None:
        """``what`` and ``remedy`` are said where one fails, by a ``failure``."""
        self._what = what
        self._remedy = remedy
        self._failure = failure
        self._undo: list[Callable[[], object]] = []
        self._at: Path | None = None

    def __enter__(self) -> FileChanges:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is None:
            return
        for step in reversed(self._undo):
            step()
        if isinstance(error, OSError | SyntaxError | UnicodeDecodeError):
            raise self._failure(
                self._what, [self._told(error)], self._remedy
            ) from error

    def _told(self, error: BaseException) -> str:
        if isinstance(error, OSError) and error.strerror:  # a full disk names no file
            return f"{error.filename or self._at}: {error.strerror}"
        return str(error)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self._at = path
        before, mode = _own(path), path.stat().st_mode & 0o777

        def restore() -> None:
            path.write_bytes(before)
            path.chmod(mode)

        path.unlink()
        self._undo.append(restore)

    def create(self, path: Path, content: bytes) -> None:
        """Write a file that is not there yet, nor a link of its name."""
        self._at = path
        with path.open("xb") as file:
            self._undo.append(path.unlink)
            file.write(content)

    def move(self, old: Path, new: Path, text: str) -> None:
        """Write ``text`` as ``new``, which must not be there, and remove ``old``."""
        self._at = new
        before = _own(old)
        with new.open("xb") as file:
            self._undo.append(new.unlink)
            file.write(text.encode("utf-8", "surrogateescape"))
        new.chmod(old.stat().st_mode & 0o777)
        old.unlink()
        self._undo.append(lambda: old.write_bytes(before))

    def replace(self, path: Path, text: str) -> None:
        """Put a new file with ``text`` in the place of one that is there."""
        self._at = path
        before = _own(path)
        atomic_write.put(path, text.encode(), path.stat().st_mode & 0o777)
        self._undo.append(lambda: path.write_bytes(before))


def _own(path: Path) -> bytes:
    """Return a file's bytes; OSError for a link, which may lead out of the project."""
    if path.is_symlink():
        raise OSError(f"{path} is a link, not a file of its own")
    return path.read_bytes()
