"""A ``-- no-transaction`` file on PostgreSQL: its session, and what it leaves behind.

It needs a server connection of its own from its first statement to its last, which a
pooler does not give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.no_transaction import Alone
from sqlpair.databases.postgresql.parameters import RESET
from sqlpair.errors import ConnectError, Interrupted, LockError, SqlpairError
from sqlpair.project.statement import Role, Statement

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession


class _Index(NamedTuple):
    oid: int
    name: str
    shown: str


def assert_direct(session: PostgreSQLSession) -> None:
    """ConnectError when a pooler stands between this session and the server."""
    told = session.raw.info.backend_pid
    (row,) = session.rows("SELECT pg_backend_pid() AS pid")
    if row["pid"] != told:
        raise ConnectError(
            f"{session.database.name}: a -- no-transaction file cannot run through a"
            " connection pooler",
            [f"connected to process {told}, answered by process {row['pid']}"],
            f"Let {session.database.variable} name the server itself for this command,"
            " not the pooler. Nothing has run.",
        )


def run_alone(
    session: PostgreSQLSession, statements: Iterable[Statement], path: Path
) -> SqlpairError | None:
    """Run a file's statements, each in its own transaction."""
    assert_direct(session)
    before = {index.oid for index in _invalid(session)}
    about_indexes: list[str] = []

    def execute(statement: Statement) -> None:
        if "INDEX" in statement.words:
            about_indexes.append(statement.text)
        if statement.role is Role.OUTSIDE and "CONCURRENTLY" in statement.title:
            with _patient(session):
                session.run_one(statement, path)
        elif is_open():
            session.run_one(statement, path)
        else:
            session.retried(lambda: session.run_one(statement, path))

    is_open = session.in_transaction
    with _prepared(session):
        alone = Alone(session.database, path, execute, is_open, session.rollback)
        try:
            alone.run(statements)
        except (SqlpairError, Interrupted) as error:
            with suppress(SqlpairError):  # the connection may be what was lost
                left = [i for i in _invalid(session) if i.oid not in before]
                error.add(*(f"left behind, invalid: index {i.shown}" for i in left))
                if left:
                    error.remedy = f"{_drop(left)}\n{error.remedy}".strip()
            raise
        left = [
            index
            for index in _invalid(session)
            if index.oid not in before or _names(index, about_indexes)
        ]
        if left:
            raise SqlpairError(
                f"{session.database.name} {path.name}: an index it names is invalid",
                [f"invalid: index {index.shown}" for index in left]
                + [
                    "an earlier CREATE INDEX CONCURRENTLY failed; IF NOT EXISTS passes"
                    " over what that left behind"
                ]
                + alone.evidence(),
                _drop(left),
            )
    return None


@contextmanager
def _prepared(session: PostgreSQLSession) -> Iterator[None]:
    """Hold the work's lock, and the settings that a transaction would have had."""
    lock = session.deployment_lock
    (row,) = session.rows(f"SELECT pg_try_advisory_lock({lock.work}) AS had")
    if not row["had"]:
        raise LockError(f"{session.database.name}: another run is at work")
    try:
        session.assert_locked()
        session.execute(session.run_time.lasting())
        session.watch(lock.borrowed, session.raw.info.backend_pid)
        yield
    except BaseException:
        with suppress(SqlpairError):
            _put_back(session)
        raise
    _put_back(session)


def _put_back(session: PostgreSQLSession) -> None:
    session.rollback()
    session.execute(RESET)
    session.execute(f"SELECT pg_advisory_unlock({session.deployment_lock.work})")


@contextmanager
def _patient(session: PostgreSQLSession) -> Iterator[None]:
    # CONCURRENTLY waits for others' transactions, but keeps nobody waiting: a
    # lock_timeout would only leave an invalid index behind.
    (row,) = session.rows("SELECT current_setting('lock_timeout') AS timeout")
    session.execute("SET lock_timeout = 0")
    yield
    session.execute(f"SET lock_timeout = '{row['timeout']}'")


def _invalid(session: PostgreSQLSession) -> list[_Index]:
    # Not those of partitioned tables: they are invalid until each part has its own.
    found = session.rows(
        "SELECT c.oid, c.relname AS name, c.oid::regclass::text AS index,"
        " i.indrelid::regclass::text AS table"
        " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
        " WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY c.relname"
    )
    return [
        _Index(row["oid"], row["name"], f"{row['index']} on {row['table']}")
        for row in found
    ]


def _names(index: _Index, statements: Iterable[str]) -> bool:
    pattern = re.compile(rf"(?<!\w){re.escape(index.name)}(?!\w)", re.IGNORECASE)
    return any(pattern.search(text) for text in statements)


def _drop(indexes: Iterable[_Index]) -> str:
    names = ", ".join(index.shown.partition(" on ")[0] for index in indexes)
    return f"Drop it first: DROP INDEX CONCURRENTLY {names};"
