"""What the header of a squashed migration says: which migrations it replaces.

    -- squashed: 001_create_users 9f2c41…

A line for each, with the checksum of its SQL file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlpair.project import sql_file
from sqlpair.project.migrations import Migration

MARK = "-- squashed: "
_LINE = re.compile(r"^-- squashed: (\S+) ([0-9a-f]{64})[ \t]*\r?$", re.MULTILINE)


class ReplacedMigration(NamedTuple):
    """A migration whose files are gone, for what they made is in another one."""

    stem: str
    checksum: str

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.stem.partition("_")[0])


def header(replaced: Iterable[Migration]) -> str:
    """Return the lines for the migrations that are replaced."""
    return "".join(
        f"-- squashed: {item.stem} {sql_file.checksum_of(item.up)}\n"
        for item in replaced
    )


def read(path: Path) -> tuple[ReplacedMigration, ...]:
    """Return what a SQL file's header says; nothing where there is none."""
    found = _LINE.findall(sql_file.lenient(path))
    return tuple(ReplacedMigration(*each) for each in found)
