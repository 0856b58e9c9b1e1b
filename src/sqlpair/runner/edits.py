"""Applied migrations whose files were edited since."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import HistoryError
from sqlpair.ledger.tables import Applied
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.project.revisions import module_path
from sqlpair.runner.steps import BranchStatus


class FileKind(StrEnum):
    """Which of a migration's files."""

    SQL = "SQL file"
    ROLLBACK = "rollback file"
    MODULE = "revision module"


# What undoes a migration.
UNDOING = (FileKind.ROLLBACK, FileKind.MODULE)
_REMEDIES = {
    FileKind.SQL: "Restore the file and put the change in a new migration, or run:"
    " sqlpair repair",
    FileKind.ROLLBACK: "Restore the file, or accept it as it is: sqlpair repair\n"
    "To undo the migration as it was applied: sqlpair rollback --recorded",
    FileKind.MODULE: "Restore the module, or accept it as it is: sqlpair repair",
}
_GONE = (
    "Restore it from version control.\n"
    "To undo the migration as it was applied: sqlpair rollback --recorded"
)


class Edit(NamedTuple):
    """An applied migration, one of whose files is no longer what it was then.

    ``now`` is empty where the file is gone.
    """

    migration: Migration
    file: FileKind
    recorded: str
    now: str
    applied_at: str

    @property
    def checksums(self) -> str:
        """Say both."""
        now = f"the file is now {self.now[:12]}" if self.now else "the file is gone"
        return f"recorded {self.recorded[:12]} on {self.applied_at[:10]}; {now}"

    def error(self) -> HistoryError:
        """Return it as a failure, with what to do."""
        item = self.migration
        applied = "it" if self.file is FileKind.SQL else "the migration"
        happened = f"was edited after {applied} was applied" if self.now else "is gone"
        return HistoryError(
            f"{item.database} {item.stem}: the {self.file} {happened}",
            [self.checksums],
            _REMEDIES[self.file] if self.now else _GONE,
        )

    def __str__(self) -> str:
        """Name it, with both checksums."""
        item = self.migration
        return f"{item.database} {item.stem}, its {self.file}: {self.checksums}"


def edited(
    status: BranchStatus, kinds: Collection[FileKind] = tuple(FileKind)
) -> tuple[Edit, ...]:
    """Return the files of applied migrations that differ from their checksums.

    A file of which nothing was recorded does not. That the SQL file is gone, or that
    a revision module is gone or has another name, is told elsewhere.
    """
    known = {item.number: item for item in status.branch.migrations}
    found = []
    for row in status.records.applied:
        if item := known.get(row.number):
            for kind in kinds:
                recorded, path = _file(kind, status.branch, item, row)
                if not recorded or (now := _checksum(kind, path)) == recorded:
                    continue
                if now or kind is FileKind.ROLLBACK:
                    found.append(Edit(item, kind, recorded, now, row.applied_at))
    return tuple(found)


def _file(
    kind: FileKind, branch: Branch, item: Migration, row: Applied
) -> tuple[str, Path]:
    """Return the checksum that was recorded of a file, and where the file is."""
    if kind is FileKind.SQL:
        return row.checksum, item.up
    if kind is FileKind.ROLLBACK:
        return row.rollback_checksum, item.down
    recorded = row.module_checksum if item.stem == row.stem else ""
    return recorded, module_path(branch, item)


def _checksum(kind: FileKind, path: Path) -> str:
    there = kind is FileKind.SQL or exists(path)  # the branch is made of SQL files
    return sql_file.checksum_of(path) if there else ""
