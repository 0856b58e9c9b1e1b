"""What a revision does to a SQLite file that the revisions below it have made.

Alembic's batch operations look at a table before they rebuild it, so they cannot be
written offline. Here they run on a file that starts empty, and SQLite tells what it
ran. What reads rows is refused: it would find others in the live database.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What reads the schema; what begins and ends a transaction.
_LEFT_OUT = re.compile(
    r"\s*(?:(?:BEGIN|COMMIT|ROLLBACK|END|SAVEPOINT|RELEASE)\b"
    r"|PRAGMA\s+(?:\w+\.)?\w+\s*(?:\(.*\))?\s*$"
    r"|SELECT\b.*\b(?:sqlite_(?:temp_)?(?:master|schema)|pragma_\w+)\b)",
    re.IGNORECASE | re.DOTALL,
)
_PRAGMA = re.compile(r"\s*PRAGMA\b", re.IGNORECASE)


class Replay:
    """A SQLite file in the working directory, migrated revision by revision."""

    def __init__(self) -> None:
        self._path = Path("replay.db")
        self._failed = ""

    def add(self, script: str) -> None:
        """Run what the revision that comes next does."""
        connection = sqlite3.connect(self._path)
        try:
            connection.executescript(script)
        except sqlite3.Error as error:
            self._failed = self._failed or f"what is below it fails: {error}"
        finally:
            connection.close()

    def lacks(self, path: Path) -> None:
        """Note that a revision was not carried over: none above it can be replayed."""
        self._failed = self._failed or f"{path.name} below it was not carried over"

    def ran(self, run: Callable[[Any], None]) -> list[str]:
        """Return the statements of ``run``, which is given SQLAlchemy's connection.

        They are run on a copy. ValueError where they depend on rows, or on what failed.
        """
        from sqlalchemy import create_engine, event

        if self._failed:
            raise ValueError(self._failed)
        copy = "copy.db"
        if self._path.exists():
            shutil.copyfile(self._path, copy)
        traced: list[str] = []
        ran: list[str] = []

        def execute(cursor: Any, statement: str, values: Any, _context: object) -> bool:
            begin = len(traced)
            cursor.execute(statement, values)
            # After the driver's BEGIN; and for each trigger, it is traced once more.
            text = next(filter(_is_change, traced[begin:]), "")
            del traced[begin:]
            if text and cursor.description and not _PRAGMA.match(text):
                raise ValueError(f"it reads rows: {text}")
            ran.append(text)
            return True

        def execute_many(
            cursor: Any, statement: str, many: Any, context: object
        ) -> bool:
            for values in many:
                execute(cursor, statement, values, context)
            return True

        engine = create_engine(f"sqlite:///{copy}")
        event.listen(engine, "do_execute", execute)
        event.listen(engine, "do_executemany", execute_many)
        try:
            with engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                raw.set_trace_callback(traced.append)
                run(connection)
        finally:
            engine.dispose()
            Path(copy).unlink(missing_ok=True)
        if beside := next(filter(_is_change, traced), ""):
            raise ValueError(f"it runs SQL beside SQLAlchemy: {beside}")
        return [*filter(None, ran)]


def _is_change(text: str) -> bool:
    return not _LEFT_OUT.match(text)
