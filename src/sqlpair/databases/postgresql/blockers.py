"""Who a statement waits for, noted while it waits: afterwards nobody can tell.

A thread looks, over the idle connection that holds the deployment lock, whenever a
statement has been running for a while. It lives as long as the session: to start one
for each transaction would take longer than many a transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2

from sqlpair.databases.postgresql import lock_holders

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

Found = TypeVar("Found")

# https://www.postgresql.org/docs/current/progress-reporting.html
PROGRESS = """
SELECT phase,
       CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
       CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = {pid}
UNION ALL
SELECT 'vacuum: ' || phase, heap_blks_scanned, heap_blks_total
FROM pg_catalog.pg_stat_progress_vacuum WHERE pid = {pid}
UNION ALL
SELECT lower(command) || ': ' || phase, heap_blks_scanned, heap_blks_total
FROM pg_catalog.pg_stat_progress_cluster WHERE pid = {pid}
UNION ALL
SELECT lower(command), bytes_processed, bytes_total
FROM pg_catalog.pg_stat_progress_copy WHERE pid = {pid}
"""


class Watch:
    """Looks at who blocks the server process ``pid``; at nothing while that is 0.

    ``borrow`` lends the connection to look over. ``notice`` is called once for a
    statement that waits longer than ``patience`` seconds, as one does that no timeout
    ends.
    """

    def __init__(
        self,
        borrow: Callable[[], AbstractContextManager[connection]],
        patience: float,
        notice: Callable[[list[str]], None],
    ):
        self.pid = 0
        self.blockers: list[str] = []
        self._borrow = borrow
        self._interval = min(patience / 4, 1)
        self._patience = patience * 1.5
        self._notice = notice
        self._noticed = 0.0
        self._since: float | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Look while the block runs; ``blockers`` are the last ones seen."""
        self.blockers = []
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def stop(self) -> None:
        """End the thread; one that a silent server keeps waiting ends with us."""
        self._end.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not self._end.wait(self._interval):
            since, pid = self._since, self.pid
            if not pid or since is None or time.monotonic() - since < self._interval:
                continue
            with suppress(psycopg2.Error):
                seen = self._look(pid)
                if not seen or since != self._since:
                    continue
                self.blockers = seen
                waited = time.monotonic() - since
                if waited > self._patience and self._noticed != since:
                    self._noticed = since
                    self._notice(seen)

    def progress(self) -> str:
        """Say how far the statement is that runs, where the server tells."""
        if not self.pid:
            return ""

        def ask(cursor: cursor) -> list[tuple[Any, ...]]:
            cursor.execute(PROGRESS.format(pid=self.pid))
            return cursor.fetchall()

        with suppress(psycopg2.Error):
            for said, done, total in self._ask(ask):
                return f"{said} {100 * done // total} %" if total else str(said)
        return ""

    def _look(self, pid: int) -> list[str]:
        return self._ask(lambda cursor: lock_holders.of_process(cursor, pid))

    def _ask(self, look: Callable[[cursor], Found]) -> Found:
        # In a savepoint: an error outside one would end the transaction that holds
        # the lock. Without clearing, the activity is what it was at the first look.
        with self._borrow() as connection, connection.cursor() as cursor:
            try:
                cursor.execute("SAVEPOINT look; SELECT pg_stat_clear_snapshot()")
                return look(cursor)
            finally:
                cursor.execute("ROLLBACK TO look; RELEASE look")
