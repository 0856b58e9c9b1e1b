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
    adapted, faults = [], []
    for branch in branches(settings):
        split = driver_of(branch.database).split
        for path in (p for item in branch.migrations for p in (item.up, item.down)):
            if not path.exists():
                continue  # only a downgrade needs it
            try:
                sql_file.read(path, split)
            except SqlFileError as fault:
                if fault.header and _add(path, fault.header, split):
                    adapted.append(Adapted(path, fault.header, fault.what))
                else:
                    faults.append(fault)
    return adapted, faults


def _add(path: Path, header: str, split: Split) -> bool:
    """Put ``header`` above the text; False, and nothing done, if that is no help."""
    content = with_header(path.read_bytes(), header)
    try:
        sql_file.parse(content, path, split)
    except SqlFileError:
        return False
    atomic_write.put(path, content, path.stat().st_mode & 0o777)
    return True


def with_header(content: bytes, header: str) -> bytes:
    """Return a file's bytes with the line ``header`` above them."""
    mark = _BOM if content.startswith(_BOM) else b""
    first, line_end, _ = content.partition(b"\n")
    end = b"\r\n" if line_end and first.endswith(b"\r") else b"\n"
    return mark + header.encode() + end + content.removeprefix(_BOM)
