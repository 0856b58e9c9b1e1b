"""Queries and statements over one PostgreSQL connection.

What the server refuses becomes a message for a person, with who was in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
from psycopg2 import extensions

from sqlpair import progress
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql import lock_holders
from sqlpair.databases.postgresql.blockers import Watch
from sqlpair.databases.postgresql.failure import (
    LOCK_NOT_AVAILABLE,
    is_lost,
    refused,
    translate,
)
from sqlpair.databases.postgresql.notices import NoticeListener
from sqlpair.databases.postgresql.parameters import path_of
from sqlpair.databases.retry import retried
from sqlpair.errors import ConnectError, SqlpairError
from sqlpair.project.variables import quoting, sent

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

    from sqlpair.databases.postgresql.connection import Address
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement


# What a role or a database may have set otherwise, and what is written then.
READ = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    " SET LOCAL standard_conforming_strings = on; SET LOCAL datestyle = 'ISO';"
    " SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'"
)
# One query, and it is over; of several statements, a server makes one transaction.
READ_ONCE = READ.replace("BEGIN", "SET TRANSACTION")
# psycopg2 makes values of these of what PostgreSQL writes, and not of every style, nor
# of every year: dates, times and intervals, bytea, and arrays of them.
_AS_TEXT = extensions.new_type(
    (1082, 1083, 1114, 1184, 1266, 1186, 17, 1182, 1183, 1115, 1185, 1270, 1187, 1001),
    "AS_TEXT",
    lambda text, _cursor: text,
)
DECLARE = "DECLARE sqlpair_rows NO SCROLL CURSOR FOR "
ROWS_AT_ONCE = 2000
T = TypeVar("T")
# What a cursor can be declared for; a query in brackets has no word at all.
QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


class Queries:
    """One connection in autocommit; with ``read_only`` it changes nothing.

    What only reads leaves no setting behind: a pooler would hand it on to the client
    that comes next.
    """

    def __init__(self, address: Address, *, read_only: bool):
        self.database: Database = address.database
        self.read_only = read_only
        self._address = address
        self.raw: connection = address.open()
        self.report: Report = lambda _line: None
        self.as_new = read_only  # but for what a project's own text may do
        self._watch: Watch | None = None
        self.listener: NoticeListener | None = None

    def rows(self, sql: str, *, once: bool = False) -> list[dict[str, Any]]:
        """Return the result of one query, a dict for each row."""
        once = once or self.read_only
        return self._result(sql, lambda cursor: list(dicts(cursor)), once=once)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the result of one statement, a tuple for each row, if it has any."""
        return self._result(
            sql, lambda it: it.fetchall() if it.description else [], once=self.read_only
        )

    def _result(self, sql: str, take: Callable[[cursor], T], *, once: bool) -> T:
        """Return what a query gives; ``once``, a round trip is its transaction."""

        def attempt(before: str = "") -> T:
            with self.guarded() as cursor:
                cursor.execute(before + sql)
                return take(cursor)

        if not once or self.in_transaction():
            return attempt()
        return self._reopened(lambda: attempt(f"{READ_ONCE}{self._limits()};"))

    def _reopened(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except ConnectError:  # it idled longer than the server lets it
            if not (self.read_only and self.raw.closed):
                raise
            self.raw = self._address.open()
            return attempt()

    def stream(self, sql: str) -> Iterator[dict[str, Any]]:
        """Return the rows of one query as they come, within a snapshot."""
        self.as_new = False
        with self.guarded() as cursor:
            yield from _streamed(cursor, sql)

    def execute(self, sql: str) -> None:
        """Run statements of the engine's own, if there are any."""
        if sql:
            with self.guarded() as cursor:
                cursor.execute(sql)

    @contextmanager
    def guarded(self, doing: str = "") -> Iterator[cursor]:
        """Yield a cursor; what PostgreSQL refuses becomes a SqlpairError."""
        try:
            with reading(self.raw) as cursor, self._watched():
                yield cursor
        except psycopg2.Error as error:
            failure = refused(self.database, error, doing)
            failure.add(*self.blockers(error))
            raise failure from error

    def in_transaction(self) -> bool:
        """Say whether a transaction is open, aborted ones included."""
        status = self.raw.info.transaction_status
        return bool(status != extensions.TRANSACTION_STATUS_IDLE)

    @contextmanager
    def snapshot(self, *, writable: bool = False) -> Iterator[None]:
        """A transaction that sees one state of the database, and is rolled back.

        Unless it is ``writable`` nothing can be written in it. Within a transaction,
        that one.
        """
        if self.in_transaction():
            yield
            return
        self.begin_reading(writable=writable)
        try:
            yield
        finally:
            self.rollback()

    def begin_reading(self, *, writable: bool = False) -> None:
        """Begin a transaction that writes nothing and waits for no lock for long."""
        begin = READ + self._limits()
        if writable:
            begin = begin.replace(" READ ONLY", " READ WRITE")
        self._reopened(lambda: self.execute(begin))

    def _limits(self) -> str:
        limits = f"; SET LOCAL lock_timeout = {self.database.lock_timeout * 1000:.0f}"
        if self.database.search_path:
            limits += f"; SET LOCAL search_path = {path_of(self.database)}"
        return limits

    def rollback(self) -> None:
        """Undo the open transaction, if there is one; never raises."""
        self.unwatch()
        with suppress(SqlpairError, psycopg2.Error):
            for _ in range(2):  # a cancelled statement's cancel may come late
                if not self.raw.closed and self.in_transaction():
                    with suppress(SqlpairError):
                        self.execute("ROLLBACK")

    def run_one(self, statement: Statement, path: Path, then: str = "") -> int:
        """Run one statement of the file ``path``; return how many rows, or -1.

        In the same round trip run ``then``, statements of the engine's own; the rows
        are theirs then, but for a COPY's.
        """
        statement, given = self.filled(statement), statement
        text = f"{statement.text};{then}" if then else statement.text
        progress.advance(look=self._look)
        try:
            with self._running(path, statement, statement) as cursor:
                if statement.rows:
                    return _copied(cursor, statement, then)
                cursor.execute(text)
                return cursor.rowcount
        except psycopg2.Error as error:
            raise translate(
                self.database, path, given, error, self.blockers(error)
            ) from quoting(error, given)

    def filled(self, statement: Statement) -> Statement:
        """Return a statement with the values of its variables."""
        text = sent(statement, self.database.values, backslashes=True)
        return statement._replace(text=text)

    def run_batch(
        self, statements: Sequence[Statement], path: Path, then: str = ""
    ) -> None:
        """Run statements of the file ``path`` that share a batch, and ``then``."""
        from sqlpair.databases.postgresql import batch

        number = sum(statement.number for statement in statements)
        self.execute(batch.BEGIN)  # apart: what cannot be parsed begins nothing
        progress.advance(number, self._look)
        try:
            with self._running(path, statements[0], statements[-1]) as cursor:
                cursor.execute(batch.together(map(self.filled, statements)) + then)
        except psycopg2.Error as error:
            if is_lost(error):
                first, *_, last = batch.singles(statements)
                which = f"it, or a statement after it up to line {last.line}"
                raise translate(self.database, path, first, error, [which]) from error
            self.execute(batch.UNDO)
            progress.advance(-number)
            for statement in batch.singles(statements):
                self.run_one(statement, path)
            self.execute(f"{batch.END}; {then}")

    @contextmanager
    def _running(
        self, path: Path, first: Statement, last: Statement
    ) -> Iterator[cursor]:
        self.as_new = False
        hearing: AbstractContextManager[None] = nullcontext()
        if self.listener is not None:
            hearing = self.listener.open(path, first, last)
        with hearing, self.raw.cursor() as cursor, self._watched():
            yield cursor

    def _look(self) -> str:
        return self._watch.progress() if self._watch else ""

    def retried(self, attempt: Callable[[], object]) -> None:
        """Call ``attempt`` again while it fails for want of a lock."""
        retried(attempt, self.database.lock_timeout, self.report)

    def watch(
        self, borrow: Callable[[], AbstractContextManager[connection]], pid: int
    ) -> None:
        """Note who blocks the server process ``pid``; ``borrow`` lends a connection."""

        def notice(blockers: list[str]) -> None:
            self.report(f"{self.database.name}: waiting, {'; '.join(blockers)}")

        if self._watch is None:
            self._watch = Watch(borrow, self.database.lock_timeout, notice)
        self._watch.pid = pid

    def unwatch(self) -> None:
        """Stop that, until the next time."""
        if self._watch is not None:
            self._watch.pid = 0

    def stop_watching(self) -> None:
        """Stop that for good."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _watched(self) -> AbstractContextManager[None]:
        return self._watch.statement() if self._watch else nullcontext()

    def blockers(self, error: psycopg2.Error) -> list[str]:
        """Say who held the lock for want of which a statement failed."""
        if error.pgcode != LOCK_NOT_AVAILABLE:
            return []
        if self._watch is None:
            return self.readers_blocked_by()
        return self._watch.blockers

    def readers_blocked_by(self) -> list[str]:
        """Say who keeps others from reading tables of the database."""
        return lock_holders.of_readers(self._address)


def reading(raw: connection) -> cursor:
    """Return a cursor that takes what PostgreSQL writes of times as it is written."""
    cursor = raw.cursor()
    extensions.register_type(_AS_TEXT, cursor)
    return cursor


def _streamed(cursor: cursor, sql: str) -> Iterator[dict[str, Any]]:
    # Not a cursor of psycopg2's: that one wants a transaction of psycopg2's.
    cursor.execute(DECLARE + sql)
    while True:
        cursor.execute(f"FETCH {ROWS_AT_ONCE} FROM sqlpair_rows")
        if not cursor.rowcount:
            break
        yield from dicts(cursor)
    cursor.execute("CLOSE sqlpair_rows")


def _copied(cursor: cursor, statement: Statement, then: str) -> int:
    """Send a COPY and its rows, then ``then``; return how many rows."""
    _, _, rows = statement.rows.partition("\n")
    waiting = extensions.get_wait_callback()
    extensions.set_wait_callback(None)  # another program's: psycopg2 copies without
    try:
        cursor.copy_expert(statement.text, BytesIO(rows.encode()))
    finally:
        extensions.set_wait_callback(waiting)
    copied = cursor.rowcount
    if then:
        cursor.execute(then)
    return copied


def dicts(cursor: cursor) -> Iterator[dict[str, Any]]:
    """Return what the last query found, a dict for each row."""
    if cursor.description is None:
        return
    names = [column.name for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def query(
    session: Queries, statement: Statement, path: Path
) -> Iterator[dict[str, Any]]:
    """See ``sqlpair.databases.interface.Driver``."""
    text = session.filled(statement).text
    session.as_new = False
    try:
        with reading(session.raw) as cursor:
            if not statement.words or statement.words[0] in QUERIES:
                yield from _streamed(cursor, text)
            else:  # EXPLAIN, SHOW, DO
                cursor.execute(text)
                yield from dicts(cursor)
    except psycopg2.Error as error:
        sent = (error.cursor.query or b"") if error.cursor else b""
        before = len(DECLARE) if sent.startswith(DECLARE.encode()) else 0
        raise translate(
            session.database,
            path,
            statement,
            error,
            session.blockers(error),
            before=before,
        ) from quoting(error, statement)
