"""Tables that are missing because a later migration makes them.

SQLite lets a foreign key, a view or a trigger name a table that is not there yet. Where
the files themselves leave it so at the version reached, nothing is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.project import migrations, sql_file

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.unresolved import Unresolved
    from sqlpair.project.settings import Database

# A statement that makes a table or a view of that name.
_MADE = (
    r"\bcreate\s+(?:virtual\s+)?(?:table|view)\s+(?:if\s+not\s+exists\s+)?"
    r"""(?:main\s*\.\s*)?["'`[]?{name}(?!\w)"""
)


def awaited(database: Database, ran: Path, objects: Iterable[Unresolved]) -> set[str]:
    """Return the missing tables that a file above makes, after ``ran`` was the last.

    What names them has to come from a file up to the version reached: or a rollback has
    left it behind.
    """
    reached = _reached(database, ran)
    if reached is None:
        return set()
    below, above = _texts(database, reached)
    coming: set[str] = set()
    missing: set[str] = set()
    for item in objects:
        name = item.missing().lower()
        made = re.search(_MADE.format(name=re.escape(name)), above)
        stays = re.search(rf"\b{re.escape(item.name.lower())}\b", below)
        is_table = item.problem.startswith("no such table: ")
        (coming if is_table and made and stays else missing).add(name)
    return coming - missing


def _reached(database: Database, path: Path) -> int | None:
    """Return the version at which a file of ``database`` leaves it, if it has one."""
    for item in migrations.find(database.sql, database.name):
        if path == item.up:
            return item.number
        if path == item.down:
            return item.number - 1
    return None


def _texts(database: Database, reached: int) -> tuple[str, str]:
    """Return the files up to a version, and those above it, in small letters."""
    parts: tuple[list[str], list[str]] = [], []
    for item in migrations.find(database.sql, database.name):
        parts[item.number > reached].append(sql_file.lenient(item.up).lower())
    below, above = map("\n".join, parts)
    return below, above
