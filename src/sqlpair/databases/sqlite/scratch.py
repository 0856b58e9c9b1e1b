"""An empty SQLite database in a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.sqlite.session import SQLiteSession, connect
from sqlpair.project.settings import Database


class SQLiteScratch(AbstractContextManager[SQLiteSession]):
    """See ``sqlpair.databases.scratch.EmptyDatabase``."""

    def __init__(
        self,
        database: Database,
        files: Sequence[Path],  # noqa: ARG002
        report: Report,
        live: SQLiteSession | None = None,  # noqa: ARG002
    ):
        self._database, self._report = database, report
        self._made = ExitStack()

    def identity(self) -> Sequence[object]:
        """Tell what it would be: its engine."""
        with closing(sqlite3.connect(":memory:")) as raw:
            options = raw.execute("PRAGMA compile_options").fetchall()
        return [sqlite3.sqlite_version, options]

    def __enter__(self) -> SQLiteSession:
        """Make it."""
        with ExitStack() as resources:
            folder = resources.enter_context(temporary.folder())
            here = self._database._replace(
                address=str(folder / "scratch.db"), fleet=None
            )
            session = connect(here, read_only=False, report=self._report)
            assert session is not None
            session.alone = True
            resources.enter_context(closing(session))
            self._made = resources.pop_all()
        return session

    def __exit__(self, *failure: Any) -> None:
        """Remove it."""
        self._made.__exit__(*failure)


scratch = SQLiteScratch


def is_shared(text: str) -> bool:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``: a file has no server."""
    return False
