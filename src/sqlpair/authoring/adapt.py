"""Adapt: write into SQL files the header lines without which they cannot run.

For a history that was written for another tool. No statement is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.errors import SqlFileError
from sqlpair.project import atomic_write, sql_file
from sqlpair.project.branches import branches
from sqlpair.project.presence import exists
from sqlpair.project.settings import Settings
from sqlpair.project.statement import Split

_BOM = b"\xef\xbb\xbf"


class Adapted(NamedTuple):
    """A file, the header line it was given, and why it needed one."""

    path: Path
    header: str
    why: str


def adapt(settings: Settings) -> tuple[list[Adapted], list[SqlFileError]]:
    """Give each SQL file the header it needs; return those, and what no header helps.

    A file with another fault keeps its bytes.
    """
    adapted: list[Adapted] = []
    faults: list[SqlFileError] = []
    for branch in branches(settings):
        split = driver_of(branch.database).split
        for path in (p for item in branch.migrations for p in (item.up, item.down)):
            if not exists(path):
                continue  # only a downgrade needs it
            try:
                sql_file.read(path, split)
            except SqlFileError as fault:
                content, added = runnable(path.read_bytes(), fault, path, split)
                if content is None:
                    faults.append(fault)
                    continue
                atomic_write.put(path, content, path.stat().st_mode & 0o777)
                adapted += (Adapted(path, it.header, it.what) for it in added)
    return adapted, faults


def runnable(
    content: bytes, fault: SqlFileError, path: Path, split: Split
) -> tuple[bytes | None, list[SqlFileError]]:
    """Return a file with the headers it needs, and why; None where none helps."""
    found = [fault]
    while found[-1].header and found[-1].header not in [it.header for it in found[:-1]]:
        content = with_header(content, found[-1].header)
        try:
            sql_file.parse(content, path, split)
        except SqlFileError as another:
            found.append(another)
        else:
            return content, found
    return None, []


def with_header(content: bytes, header: str) -> bytes:
    """Return a file's bytes with the line ``header`` above them."""
    mark = _BOM if content.startswith(_BOM) else b""
    first, line_end, _ = content.partition(b"\n")
    end = b"\r\n" if line_end and first.endswith(b"\r") else b"\n"
    return mark + header.encode() + end + content.removeprefix(_BOM)
