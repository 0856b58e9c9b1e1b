"""What the server says while a statement runs: NOTICE, WARNING and the like.

psycopg2 keeps messages until a statement has ended, unless it is told how to wait for
one: then it reads each as it comes. How to wait is one for the whole process, so it is
told for as long as a statement runs, and nobody is told it who has told another way.
psycopg2 sends the rows of a COPY in its own way alone, so messages come behind them.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from sqlpair import signals
from sqlpair.project.repeatable import shown

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from sqlpair.databases.interface import Notice
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement

AGAIN_SECONDS = 1


class NoticeListener:
    """Hears what the server says over a connection, and passes it on."""

    def __init__(
        self, database: Database, raw: Callable[[], connection], notice: Notice
    ):
        self._name = database.name
        self._masked = database.values.masked
        self._raw = raw
        self._notice = notice
        self._running: tuple[Path, Statement, Statement] | None = None

    @contextmanager
    def open(self, path: Path, first: Statement, last: Statement) -> Iterator[None]:
        """Hear within the block, in which the statements from ``first`` on run."""
        self._running = path, first, last
        # mypy knows a list only, psycopg2 takes what can be appended to.
        self._raw().notices = self  # type: ignore[assignment]
        other = extensions.get_wait_callback()
        try:
            if other is not None or first.rows:
                yield
            else:
                with self._waiting():
                    yield
        finally:
            # What this engine runs behind the file is nobody's news.
            self._raw().notices = []

    @staticmethod
    @contextmanager
    def _waiting() -> Iterator[None]:
        with signals.deferred():
            extensions.set_wait_callback(_wait)
            try:
                yield
            finally:
                extensions.set_wait_callback(None)

    def append(self, text: str) -> None:
        """Pass on a message; psycopg2 calls this."""
        assert self._running is not None
        path, first, last = self._running
        end = last.line + (last.text.count("\n") if last.number > 1 else 0)
        lines = str(first.line) if first.line == end else f"{first.line}-{end}"
        place = f"{self._name} {shown(path)}:{lines}"
        self._notice(place, self._masked(" ".join(text.split())))


def _wait(raw: connection) -> None:
    """Wait for the answer to what was sent over ``raw``.

    An exception in here would close the connection, so no signal may raise one.
    """
    while (state := raw.poll()) != extensions.POLL_OK:
        if state == extensions.POLL_ERROR:
            raise psycopg2.OperationalError("the connection is in an unknown state")
        ready = select.poll()
        reads = state == extensions.POLL_READ
        ready.register(raw.fileno(), select.POLLIN if reads else select.POLLOUT)
        # A cancel that came before the statement has had no effect.
        if not ready.poll(AGAIN_SECONDS * 1000) and signals.is_pending():
            raw.cancel()
