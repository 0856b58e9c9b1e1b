"""Connections to the server that fleets of schemas keep from one member to the next.

To connect takes many times as long as to move a schema. So where a member is a schema,
what it has done with is put back as new, and waits for the next member of the same
process: nothing of one is there for another. Any other database's are closed, for who
drops or exchanges a database waits for them.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from sqlpair.databases import kept_open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection

    from sqlpair.project.settings import Database

# A server process remembers each table that it has seen, and grows.
MOST_USES = 500
FRESH_SECONDS = 1.0  # an older one may have been closed by the server meanwhile


class ConnectionPool:
    """Those that nobody uses, by their address, and how often each was used."""

    def __init__(self) -> None:
        self._idle: dict[object, list[tuple[connection, int, float]]] = {}
        self._uses: dict[connection, int] = {}

    def take(self, address: object) -> connection | None:
        """Return one, as good as new; None where a new one is needed."""
        idle = self._idle.get(address, [])
        while idle:
            raw, uses, since = idle.pop()
            if time.monotonic() - since < FRESH_SECONDS or _answers(raw):
                self._uses[raw] = uses + 1
                return raw
            raw.close()
        return None

    def put(self, address: object, raw: connection, *, as_new: bool) -> bool:
        """Put one back, once it is as new; False where it is no longer good."""
        uses = self._uses.pop(raw, 0)
        if uses >= MOST_USES or not _reset(raw, as_new=as_new):
            return False
        idle = self._idle.setdefault(address, [])
        idle.append((raw, uses, time.monotonic()))
        return True

    def close(self) -> None:
        """Close them."""
        for idle in self._idle.values():
            for raw, *_ in idle:
                with suppress(psycopg2.Error):
                    raw.close()
        self._idle.clear()


def pool_of(database: Database) -> ConnectionPool | None:
    """Return the pool of this process; None where the database's are not kept."""
    if not (database.member and database.search_path):
        return None
    return kept_open.keep(ConnectionPool, _opened)


@contextmanager
def _opened() -> Iterator[ConnectionPool]:
    with closing(ConnectionPool()) as idle:
        yield idle


def _answers(raw: connection) -> bool:
    with suppress(psycopg2.Error), raw.cursor() as cursor:
        cursor.execute("SELECT 1")
        return True
    return False


def _reset(raw: connection, *, as_new: bool) -> bool:
    """Let nothing of what was done over a connection be left."""
    if raw.closed:
        return False
    with suppress(psycopg2.Error), raw.cursor() as cursor:
        if raw.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            cursor.execute("ROLLBACK")
        if not as_new:
            cursor.execute("DISCARD ALL")
        raw.notices = []
        # RESET ALL forgets what was negotiated at the start, behind a pooler.
        return raw.info.parameter_status("client_encoding") == "UTF8"
    return False
