"""An empty SQLite database in a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.scratch import EmptyDatabase
from sqlpair.databases.sqlite.session import SQLiteSession, connect
from sqlpair.project.settings import Database


class SQLiteScratch(EmptyDatabase[SQLiteSession]):
    """See ``sqlpair.databases.scratch.EmptyDatabase``."""

    def __init__(
        self,
        database: Database,
        files: Sequence[Path],  # noqa: ARG002
        report: Report,
        live: SQLiteSession | None = None,  # noqa: ARG002
    ):
        super().__init__()
        self._database, self._report = database, report

    def identity(self) -> Sequence[object]:
        """Tell what it would be: its engine."""
        with closing(sqlite3.connect(":memory:")) as raw:
            options = raw.execute("PRAGMA compile_options").fetchall()
        return [sqlite3.sqlite_version, options]

    @contextmanager
    def made(self) -> Iterator[SQLiteSession]:
        """See ``sqlpair.databases.scratch.EmptyDatabase``."""
        with temporary.folder() as folder:
            here = self._database._replace(
                address=str(folder / "scratch.db"), fleet=None
            )
            session = connect(here, read_only=False, report=self._report)
            assert session is not None
            session.alone = True
            with closing(session):
                yield session


scratch = SQLiteScratch


def is_shared(text: str) -> bool:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``: a file has no server."""
    return False
