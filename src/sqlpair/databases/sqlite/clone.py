"""A copy of a SQLite scratch database, made and restored as a backup is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.sqlite.dump import dump
from sqlpair.databases.sqlite.session import SQLiteSession, connect
from sqlpair.project.presence import exists

PATIENCE = 600  # seconds for one copy


@contextmanager
def copied(
    session: SQLiteSession,
    report: Report,
    files: Sequence[Path] = (),  # noqa: ARG001
) -> Iterator[SQLiteSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    with temporary.folder() as folder:
        address = folder / "restored.db"
        if exists(Path(session.database.address)):
            address.touch()
            dump(session, address, time.monotonic() + PATIENCE, lambda *_: None)
        here = session.database._replace(address=str(address))
        copy = connect(here, read_only=False, report=report)
        assert copy is not None
        copy.alone = True
        with closing(copy):
            yield copy
