"""What a revision does to a database that the revisions below it have made.

Alembic's batch operations look at a table before they rebuild it, and others ask what
is there, so they cannot be written offline. Here they run on a database that starts
empty, and what they run is recorded. What reads rows is refused: it would find others
in the live database.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from sqlpair.databases.postgresql.split import split
from sqlpair.project.presence import exists

# What reads the schema; what begins and ends a transaction.
_LEFT_OUT = re.compile(
    r"\s*(?:(?:BEGIN|COMMIT|ROLLBACK|END|SAVEPOINT|RELEASE)\b"
    r"|PRAGMA\s+(?:\w+\.)?\w+\s*(?:\(.*\))?\s*$"
    r"|SELECT\b.*\b(?:sqlite_(?:temp_)?(?:master|schema)|pragma_\w+)\b)",
    re.IGNORECASE | re.DOTALL,
)
_PRAGMA = re.compile(r"\s*PRAGMA\b", re.IGNORECASE)


# What asks for the schema, the server or its settings.
_ASKS = re.compile(
    r"\s*(?:SHOW\b|(?:RELEASE\s+)?SAVEPOINT\b"
    r"|SELECT\s+(?:pg_catalog\.)?(?:version|current_(?:schema|database))\(\)\s*$"
    r"|(?:SELECT|WITH)\b.*\b(?:FROM|JOIN)\s+(?:pg_\w+|information_schema)\b)",
    re.IGNORECASE | re.DOTALL,
)


class Replay(ABC):
    """A database that is migrated revision by revision.

    ``failed`` says why none can be replayed any more.
    """

    def __init__(self) -> None:
        self.failed = ""

    def add(self, script: str) -> None:
        """Run what the revision that comes next does."""
        try:
            self._run(script)
        except (psycopg2.Error, sqlite3.Error) as error:
            self.failed = self.failed or f"what is below it fails: {error}"

    def lacks(self, path: Path) -> None:
        """Note that a revision was not carried over: none above it can be replayed."""
        self.failed = self.failed or f"{path.name} below it was not carried over"

    @abstractmethod
    def ran(self, run: Callable[[Any], None]) -> list[str]:
        """Return the statements of ``run``, which is given SQLAlchemy's connection.

        Nothing of them stays. ValueError where they depend on rows.
        """

    @abstractmethod
    def _run(self, script: str) -> None:
        """Run a script, for good."""


class SQLiteReplay(Replay):
    """A SQLite file in the working directory; ``ran`` has a copy of it."""

    _path = Path("replay.db")

    def _run(self, script: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(script)

    def ran(self, run: Callable[[Any], None]) -> list[str]:
        from sqlalchemy import create_engine, event

        copy = "copy.db"
        if exists(self._path):
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


class PostgreSQLReplay(Replay):
    """A scratch database; what ``ran`` runs is rolled back."""

    def __init__(self, dsn: str):
        super().__init__()
        self._dsn = dsn

    def _run(self, script: str) -> None:
        with closing(psycopg2.connect(self._dsn)) as raw:
            raw.autocommit = True  # an index may be built concurrently
            with raw.cursor() as cursor:
                for statement in split(script):
                    cursor.execute(statement.text)

    def ran(self, run: Callable[[Any], None]) -> list[str]:
        from sqlalchemy import create_engine

        with closing(_Connection(self._dsn)) as raw:
            engine = create_engine("postgresql+psycopg2://", creator=lambda: raw)
            with engine.connect() as connection:
                run(connection)
                connection.rollback()
            return raw.ran


class _Connection(psycopg2.extensions.connection):
    """Records what its cursors run, and commits nothing."""

    def __init__(self, dsn: str):
        super().__init__(dsn)
        self.cursor_factory = _Cursor
        self.ran: list[str] = []

    def commit(self) -> None:
        raise ValueError("it commits")


class _Cursor(psycopg2.extensions.cursor):
    """Sends what it is given with its values in it."""

    def execute(self, query: Any, values: Any = None) -> None:
        if self.connection.autocommit:
            raise ValueError("it runs outside of a transaction")
        super().execute(query, values)
        text = (self.query or b"").decode().strip()
        if _ASKS.match(text):
            return
        if self.description or self.name:
            raise ValueError(f"it reads rows: {text}")
        if text.upper().startswith("ROLLBACK"):
            raise ValueError("it rolls back what it ran")
        self.connection.ran.append(text)  # type: ignore[attr-defined]

    def executemany(self, query: Any, many: Any) -> None:
        for values in many:
            self.execute(query, values)

    def _refused(self, *_: Any, **__: Any) -> None:
        raise ValueError("it copies rows, or calls a routine, beside SQLAlchemy")

    callproc = copy_expert = copy_from = copy_to = _refused


def _is_change(text: str) -> bool:
    return not _LEFT_OUT.match(text)
