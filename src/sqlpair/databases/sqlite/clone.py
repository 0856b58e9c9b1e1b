"""A SQLite database taken along: restored from a dump, and written out as a script."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.sqlite.session import SQLiteSession, connect
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session


@contextmanager
def copied(session: Session, report: Report) -> Iterator[SQLiteSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    database = session.database
    with temporary.folder() as folder:
        address = folder / "restored.db"
        _restore(Path(database.address), address)
        here = database._replace(address=str(address))
        copy = connect(here, read_only=False, report=report)
        assert copy is not None
        with closing(copy):
            copy.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;")
            yield copy


def _restore(source: Path, target: Path) -> None:
    """Dump and load, as ``sqlite3 source .dump | sqlite3 target`` does."""
    try:
        with (
            closing(sqlite3.connect(source)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            new.executescript("\n".join(old.iterdump()))
    except sqlite3.Error as error:
        raise SqlpairError(
            "the scratch database cannot be restored from its dump", [str(error)]
        ) from error


def script(session: SQLiteSession) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    return "\n".join(session.raw.iterdump())
