"""A ``-- no-transaction`` file on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.no_transaction import Alone
from sqlpair.databases.sqlite.connection import keep_journal

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession
    from sqlpair.errors import SqlpairError
    from sqlpair.project.statement import Statement


def assert_direct(session: SQLiteSession) -> None:
    """Do nothing: nobody stands between this process and the file."""


def run_alone(
    session: SQLiteSession, statements: Iterable[Statement], path: Path
) -> SqlpairError | None:
    """Run a file's statements outside a transaction; return what it left broken."""

    def execute(statement: Statement) -> None:
        # VACUUM attaches the file it writes.
        vacuum = int(statement.words[:1] == ("VACUUM",))
        session.raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, vacuum)
        try:
            session.run_one(statement, path)
        finally:
            session.raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

    def is_open() -> bool:
        return session.raw.in_transaction

    session.deployment_lock.assert_held()
    with session.guarded():
        session.restore()
        session.references.count(session.raw)
    Alone(session.database, path, execute, is_open, session.rollback).run(statements)
    with session.guarded():
        keep_journal(session.raw, session.database)  # it may have done without one
        return session.references.left(session.raw, path)
