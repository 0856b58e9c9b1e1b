"""An empty SQLite database in a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.sqlite.session import SQLiteSession, connect
from sqlpair.project.settings import Database


@contextmanager
def scratch(
    database: Database,
    files: Sequence[Path],  # noqa: ARG001
    report: Report,
) -> Iterator[SQLiteSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    with temporary.folder() as folder:
        here = database._replace(address=str(folder / "scratch.db"), fleet=None)
        session = connect(here, read_only=False, report=report)
        assert session is not None
        session.alone = True
        with closing(session):
            yield session


def scratch_identity(
    database: Database,  # noqa: ARG001
    files: Sequence[Path],  # noqa: ARG001
    report: Report,  # noqa: ARG001
) -> Sequence[object]:
    """See ``sqlpair.databases.interface.Driver``."""
    with closing(sqlite3.connect(":memory:")) as raw:
        options = raw.execute("PRAGMA compile_options").fetchall()
    return [sqlite3.sqlite_version, options]


def is_shared(text: str) -> bool:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``: a file has no server."""
    return False
