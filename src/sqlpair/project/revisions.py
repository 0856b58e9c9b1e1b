"""Revision modules: Alembic's files, one for each SQL pair, and nothing of their own.

They are written from the project's ``script.py.mako`` and loaded only when their
migration runs. A branch is what its SQL files say; a module that says otherwise is
refused before anything runs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import HistoryError
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import is_dir
from sqlpair.project.read_once import once

_TEXT = r'"([^"\\\x00-\x1f\x7f]*)"'
_WRITTEN = re.compile(
    f'""{_TEXT}""\n\n'
    "from sqlpair\\.revision import pair\n\n"
    f"revision = {_TEXT}\n"
    f"down_revision = (?:None|{_TEXT})\n"
    f"branch_labels = (?:None|{_TEXT})\n"
    "depends_on = None\n\n"
    f"upgrade, downgrade = pair\\({_TEXT}\\)\n"
)


class PlainModule(NamedTuple):
    """What a module says that is to the letter what ``sqlpair revisions`` writes."""

    title: str
    revision: str
    down_revision: str | None
    branch_labels: str | None
    sql: str


def written(source: bytes) -> PlainModule | None:
    """Read such a module, which takes no compiling; None where it is any other."""
    try:
        found = _WRITTEN.fullmatch(source.decode())
    except UnicodeDecodeError:
        return None
    return PlainModule(*found.groups()) if found else None


def module_path(branch: Branch, item: Migration) -> Path:
    """Return where the revision module of ``item`` stands."""
    return branch.database.versions / f"{item.stem}.py"


def missing(branch: Branch) -> tuple[Migration, ...]:
    """Return the migrations that have no revision module yet.

    HistoryError for a module whose SQL is not there.
    """
    stems = {item.stem for item in branch.migrations}
    modules = _modules(branch.database.versions)
    orphans = sorted(modules - stems)
    if orphans:
        raise HistoryError(
            f"{branch.name} {orphans[0]}: the revision has no SQL file",
            [
                f"{name}.py is there, sql/{branch.name}/{name}.sql is not"
                for name in orphans
            ],
            "Restore the SQL file, or remove the module. Nothing has run.",
        )
    return tuple(item for item in branch.migrations if item.stem not in modules)


@once
def _modules(folder: Path) -> frozenset[str]:
    names = os.listdir(folder) if is_dir(folder) else []  # noqa: PTH208 (fast)
    return frozenset(
        name.removesuffix(".py")
        for name in names
        if name.endswith(".py") and not name.startswith(("__", ".#"))
    )


def require(branch: Branch) -> None:
    """Raise HistoryError unless every migration has its revision module."""
    without = missing(branch)
    if without:
        raise HistoryError(
            f"{branch.name} {without[0].stem}: the SQL file has no revision module",
            [f"{len(without)} of {len(branch.migrations)} have none"],
            "Run: sqlpair revisions",
        )
