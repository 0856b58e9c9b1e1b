"""Whether a copy of a SQLite database is whole: SQLite reads all of it.

The copy is the database itself, so there is nothing more to try.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair import signals
from sqlpair.databases.interface import Progress, Report
from sqlpair.databases.sqlite.dump import late, opened
from sqlpair.errors import BackupError

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession
    from sqlpair.project.settings import Database


def prove_backup(
    session: SQLiteSession,
    dump: Path,
    tool: str,  # noqa: ARG001
    deadline: float,
    progress: Progress,  # noqa: ARG001
    *,
    proof: str,  # noqa: ARG001
    report: Report,  # noqa: ARG001
) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    check(session.database, dump, deadline)
    return "rows"


def check(database: Database, copy: Path, deadline: float) -> None:
    """Let SQLite check every page, index and constraint of ``copy``."""
    # Immutable: nothing is made beside it, no -wal and no lock.
    with closing(opened(copy, "mode=ro&immutable=1")) as raw:
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), raw.interrupt)
        timer.start()
        try:
            with signals.cancelling(raw.interrupt):
                found = [row[0] for row in raw.execute("PRAGMA integrity_check(10)")]
        except sqlite3.Error as error:
            found = [str(error)]
        finally:
            timer.cancel()
            timer.join()
    if time.monotonic() > deadline:
        raise late(database)
    if found != ["ok"]:
        raise BackupError(
            f"{database.name}: the database is damaged",
            found,
            "What integrity_check found is in the copy, and so in its original.",
        )
