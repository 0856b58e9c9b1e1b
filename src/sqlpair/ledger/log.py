"""The log: one line for each step and outcome of every run that changes something.

Lines are ``key=value`` pairs; control characters and quotes in a value are escaped,
so that no name can forge a line. A run that finds more than a megabyte begins a new
file; five old ones are kept.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.errors import SettingsError
from sqlpair.ledger import tables
from sqlpair.project.presence import is_file

if TYPE_CHECKING:
    from sqlpair.databases.interface import Report
    from sqlpair.project.settings import Settings

MAXIMUM_BYTES = 1_000_000
OLD_FILES = 5
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


class MigrationLog:
    """Writes one deployment's lines to ``logs/migration.log``.

    None of a fleet's member, whose run writes them (``Settings.apart``).
    A line that cannot be written ends no work: what has happened is in the databases,
    too. ``report`` is told, when the log is closed.
    """

    def __init__(self, settings: Settings, deployment: str, report: Report):
        self.deployment = deployment
        self._report = report
        self._lost = ""  # why the last lines were
        self._rest = b""  # what a full disk has not taken yet
        self._path = settings.log_file
        self._run = ""
        self._file: FileIO | None = None
        if str(self._path) == os.devnull:
            return
        run: dict[str, object] = {"environment": settings.environment}
        run["by"] = tables.who()
        if settings.member:
            (database,) = settings.databases
            run |= {"fleet": database.name, "member": settings.member}
        self._run = _pairs(run)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self._path)
        except OSError as error:
            raise self._unwritable(str(error.strerror)) from None

    def _unwritable(self, why: str) -> SettingsError:
        return SettingsError(
            "the log cannot be written",
            [f"{self._path}: {why}"],
            "Make it writable, or set log_file in alembic.ini. Nothing has run.",
        )

    def begin(self, outcome: str, **fields: object) -> None:
        """Write a first line; SettingsError where the log takes none."""
        self.line(outcome, **fields)
        if self._lost:
            raise self._unwritable(self._lost)

    def line(self, outcome: str, **fields: object) -> None:
        """Write one line."""
        self.lines(outcome, [fields])

    def lines(self, outcome: str, many: Iterable[dict[str, object]]) -> None:
        """Write a line for each, all in one go."""
        self._write(self._said(outcome, fields) for fields in many)

    def __enter__(self) -> MigrationLog:
        """Close the log with the block; where that raises, say how the run ended."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None:
            self.close()
        else:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Say how the run ended, or what failed once it was committed, and close."""
        outcome = "incomplete" if getattr(error, "committed", False) else "failed"
        self.line(outcome, error=str(error) or type(error).__name__)
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        if self._lost:
            self._report(f"{self._path} lacks what was done last: {self._lost}")

    def _said(self, outcome: str, fields: dict[str, object]) -> str:
        known = f"outcome={outcome} deployment={_escaped(self.deployment)}"
        return f"{known} {self._run} {_pairs(fields)}".rstrip()

    def _write(self, said: Iterable[str]) -> None:
        if self._file is None:
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        text = "".join(f"{at}Z {line}\n" for line in said)
        self._rest += text.encode("utf-8", "backslashreplace")
        try:
            self._rest = self._rest[self._file.write(self._rest) or 0 :]
            self._lost = "it took a part only" if self._rest else ""
        except OSError as error:
            self._lost = str(error.strerror)


def _opened(path: Path) -> FileIO:
    # Unbuffered and appending: lines of runs at one time stay whole.
    file = FileIO(path, "a", opener=_without_waiting)
    if os.fstat(file.fileno()).st_size < MAXIMUM_BYTES:
        return file
    with file:
        # One run does it: a second would put aside the new file, and the third lose
        # what the first has put aside.
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                _rotate(path)
    return FileIO(path, "a", opener=_without_waiting)


def _without_waiting(path: str, flags: int) -> int:
    # A named pipe that nobody reads is an error then, and one that is full as well.
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _rotate(path: Path) -> None:
    files = [*_old(path), path]
    for older, newer in pairwise(files):
        with suppress(FileNotFoundError):  # there are not that many yet
            newer.replace(older)


def _old(path: Path) -> list[Path]:
    """Return the names of old files, the oldest first."""
    return [path.with_name(f"{path.name}.{n}") for n in range(OLD_FILES, 0, -1)]


def lines(path: Path) -> Iterator[dict[str, str]]:
    """Read the log's lines, oldest first, each with its time as ``at``.

    What is no line of it, or cut short, is passed over. SettingsError where a file
    cannot be read.
    """
    for file in (*_old(path), path):
        try:
            if not is_file(file):
                continue
            text = file.open(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SettingsError(
                "the log cannot be read",
                [f"{file}: {error.strerror}"],
                "Make it readable, or set log_file in alembic.ini.",
            ) from None
        with text:
            for line in text:
                at, _, rest = line.rstrip("\n").partition(" ")
                found = {"at": at} | {
                    key: _unescaped(plain or quoted)
                    for key, quoted, plain in _FIELD.findall(rest)
                }
                if at.endswith("Z") and "outcome" in found:
                    yield found


def title(line: Mapping[str, str]) -> str:
    """Return which database a line is of; a member's name stands behind its fleet's."""
    member = (line["fleet"], line["member"]) if "fleet" in line else ()
    return "/".join(member) or line.get("database", "")


def _pairs(fields: Mapping[str, object]) -> str:
    return " ".join(f"{key}={_escaped(value)}" for key, value in fields.items())


def _escaped(value: object) -> str:
    text = str(value).encode("unicode_escape").decode("ascii").replace('"', r"\"")
    return f'"{text}"' if " " in text or not text else text


def _unescaped(text: str) -> str:
    try:
        return text.encode("ascii").decode("unicode_escape")
    except UnicodeError:
        return text
