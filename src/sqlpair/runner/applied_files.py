"""Read what the ledger keeps of a migration's files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sqlpair.ledger.applied_files import NONE, AppliedFiles, compressed
from sqlpair.project import sql_file
from sqlpair.project.read_once import once
from sqlpair.project.revisions import module_path
from sqlpair.revision import is_pair
from sqlpair.runner import revision_modules

if TYPE_CHECKING:
    from sqlpair.project.branches import Branch
    from sqlpair.project.migrations import Migration
    from sqlpair.runner.migration import Ready


def of_ready(ready: Ready) -> AppliedFiles:
    """Return what is kept of the files of a step that runs; nothing when it undoes."""
    step, file, module = ready
    if not step.upgrade:
        return NONE
    return _read(step.branch, step.migration, file.checksum, module)


def present(branch: Branch, migration: Migration) -> AppliedFiles:
    """Return what is kept of a migration's files as they are, though nothing runs."""
    module = revision_modules.loaded(module_path(branch, migration))
    checksum = sql_file.checksum_of(migration.up)
    return _read(branch, migration, checksum, module)


def present_up_to(
    branch: Branch, position: int
) -> list[tuple[Migration, AppliedFiles]]:
    """Return the same of each migration up to ``position``."""
    return [(item, present(branch, item)) for item in branch.migrations[:position]]


def _read(
    branch: Branch, migration: Migration, checksum: str, module: ModuleType | None
) -> AppliedFiles:
    """A file that is not there has no checksum: only a downgrade needs it.

    Where the module's downgrade does more than run the file, the file alone is no
    rollback, and is not kept.
    """
    whole = is_pair(getattr(module, "downgrade", None))
    ran = getattr(module, revision_modules.CHECKSUM, None)
    if ran is None:
        source = _bytes(module_path(branch, migration))
        ran = "" if source is None else sql_file.checksum(source)
    rollback_checksum, rollback = _rollback(migration.down)
    return AppliedFiles(checksum, rollback_checksum, ran, rollback if whole else "")


@once
def _rollback(path: Path) -> tuple[str, str]:
    """Return a rollback's checksum, and its text as the ledger keeps it."""
    if (rollback := _bytes(path)) is None:
        return "", ""
    return sql_file.checksum(rollback), compressed(rollback)


def _bytes(path: Path) -> bytes | None:
    try:
        with path.open("rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        return None
