"""A dump of a SQLite database: a copy of its file, made by the backup API.

The API copies the database page by page, which keeps rowids and settings as they
are (VACUUM INTO would renumber). It reads over a connection that has a read
transaction: all pages are then of one moment, later commits neither disturb the copy
nor start it again, and in WAL mode the writers are not held up.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote

from sqlpair.databases.interface import Dumped, Progress
from sqlpair.errors import BackupError

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession
    from sqlpair.project.settings import Database

DUMP_SUFFIX = ".db"
PAGES = 256  # between two looks at the clock
TOOL = f"SQLite {sqlite3.sqlite_version}"


def dump(
    session: SQLiteSession, target: Path, deadline: float, progress: Progress
) -> Dumped:
    """Copy the database; see ``sqlpair.databases.interface.Driver``."""
    database = session.database
    try:
        with (
            closing(opened(Path(database.address), "mode=ro")) as source,
            closing(opened(target, "mode=rw")) as copy,
        ):
            # A copy that is not whole is thrown away, and the caller syncs one that is.
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute("PRAGMA journal_mode = OFF")
            source.execute(f"PRAGMA busy_timeout = {database.lock_timeout * 1000:.0f}")
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            transfer(database, source, copy, deadline, progress)
    except sqlite3.Error as error:
        raise BackupError(
            f"{database.name}: the database cannot be copied", [str(error)]
        ) from error
    return Dumped(sqlite3.sqlite_version, TOOL)


def opened(path: Path, options: str) -> sqlite3.Connection:
    """Open a file by URI, its transactions ours alone."""
    uri = f"file:{url_quote(os.fsencode(path))}?{options}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def transfer(
    database: Database,
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    deadline: float,
    progress: Progress,
) -> None:
    """Overwrite ``target`` with ``source`` in one transaction, or leave it as it is."""
    size = source.execute("PRAGMA page_size").fetchone()[0]

    def step(_status: int, remaining: int, total: int) -> None:
        progress((total - remaining) * size, total * size)
        if time.monotonic() > deadline:
            raise late(database)

    source.backup(target, pages=PAGES, progress=step)


def late(database: Database) -> BackupError:
    """Return the error for work that was not done by its deadline."""
    return BackupError(
        f"{database.name}: copying the database did not end in time",
        remedy="Raise backup_timeout in alembic.ini.",
    )
