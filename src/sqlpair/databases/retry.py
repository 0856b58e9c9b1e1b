"""Trying again what may well go through a moment later.

The pauses are as long as the attempts: anyone who queued behind a lock that we waited
for gets through in between. They are random, so that two runs do not meet again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlpair.databases.interface import Report
from sqlpair.errors import SqlpairError

ATTEMPTS = 5
T = TypeVar("T")


def retried(attempt: Callable[[], T], longest: float, report: Report) -> T:
    """Return what ``attempt`` returns, called until it fails for good.

    A pause is half to one and a half times as long as the attempt was, or as
    ``longest`` seconds where that is less. The last error tells how often it was tried.
    """
    number = 1
    while True:
        began = time.monotonic()
        try:
            return attempt()
        except SqlpairError as error:
            if not error.retry:
                raise
            if number == ATTEMPTS:
                error.add(f"tried {ATTEMPTS} times")
                raise
            first = error.what
        report(f"{first}; trying again ({number} of {ATTEMPTS})")
        pause = min(longest, time.monotonic() - began)
        wait(0.5 * pause, 1.5 * pause)
        number += 1


def wait(least: float, most: float) -> None:
    """Sleep for a random time between two, in seconds."""
    import random  # hardly ever needed, and slow to import

    time.sleep(random.uniform(least, most))  # noqa: S311
