"""A limit on how long a dry run may keep others out.

What a running statement has locked cannot be asked of its own connection, so each
statement is taken to hold a strong lock from its start; when it has ended, the clock
runs on if the transaction does hold one, and is stopped if not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

INTERVAL = 0.1


class Limit:
    """Calls ``cancel`` from a thread once ``seconds`` are over; None is no limit."""

    def __init__(self, seconds: float | None, cancel: Callable[[], None]):
        self.seconds = seconds
        self.expired = False
        self._cancel = cancel
        self._end: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the clock, unless it runs."""
        if self.seconds is None or self._thread is not None:
            return
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._wait, args=(self.seconds, self._end), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop it; nothing is cancelled any more when this returns."""
        if self._thread is not None and self._end is not None:
            self._end.set()
            self._thread.join()
            self._thread = self._end = None

    def _wait(self, seconds: float, end: threading.Event) -> None:
        if end.wait(seconds):
            return
        self.expired = True
        # Again and again: the first may come between two statements.
        while True:
            with suppress(Exception):
                self._cancel()
            if end.wait(INTERVAL):
                return
