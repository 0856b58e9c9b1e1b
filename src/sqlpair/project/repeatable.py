"""Repeatable files: views, functions, triggers, grants; edited, not replayed.

``sql/<database>/repeatable/NAME.sql`` runs behind the numbered migrations, in the order
of the names, whenever its text is another one than the one that ran last. It has no
rollback of its own: the texts that ran are in the ledger.

Where it takes part in a deployment, it is a ``Migration`` whose number is the version
that it runs at, and ``BASE`` where no migration is applied.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlpair.errors import SqlFileError
from sqlpair.project.migrations import REPEATABLE, Migration, sql_files
from sqlpair.project.read_once import once

BASE = -1
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}\.sql")
_COMPANION = re.compile(r".*_(rollback|verify)\.sql")


@once
def find(folder: Path, database: str) -> tuple[str, ...]:
    """Return the names of a database's repeatable files, in the order they run.

    ``folder`` is that of its migrations.
    """
    own = folder / REPEATABLE
    names = sql_files(own, database, besides=())
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise SqlFileError(
                f"{database}: {name!a} is not a valid name for a repeatable file",
                [f"in {own}"],
                "Name it NAME.sql (letters, digits, _ and -), or move it away.",
            )
        if match := _COMPANION.fullmatch(name):
            raise SqlFileError(
                f"{database} {REPEATABLE}/{name}: a repeatable file has no"
                f" _{match[1]}.sql",
                [f"in {own}"],
                "Take it away: on a rollback, the text that ran before it runs again.",
            )
    return tuple(name.removesuffix(".sql") for name in names)


def migration(folder: Path, database: str, name: str, version: int) -> Migration:
    """Return a repeatable file as it takes part in a deployment."""
    return Migration(database, version, f"{REPEATABLE}/{name}", folder)


def shown(path: Path) -> str:
    """Return a SQL file's name as messages have it: with its folder, if repeatable."""
    name = path.name
    return f"{REPEATABLE}/{name}" if _is_repeatable(path) else name


def place(path: Path) -> str:
    """Return what messages call a SQL file: its database, and its name."""
    return f"{owner(path)} {shown(path)}"


def owner(path: Path) -> str:
    """Return the name of the database whose SQL file ``path`` is."""
    return (path.parents[1] if _is_repeatable(path) else path.parent).name


def _is_repeatable(path: Path) -> bool:
    # A database may be called that, too; its folder is in sql/.
    return path.parent.name == REPEATABLE and path.parents[1].name != "sql"
