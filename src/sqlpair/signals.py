"""SIGINT, SIGTERM, SIGHUP: stop the statement that runs, roll back, exit 130, 143, 129.

Python calls a signal handler only between two of its own instructions, and a
statement that a server works on is none. So the signal is also written to a pipe,
and a thread that reads it tells the databases to stop.

Only a command line handles signals (``handled``); a program that calls sqlpair keeps
its own handlers. A second signal ends the process at once, which loses nothing: what
was open is rolled back by the databases themselves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import FrameType

from sqlpair.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Cancel = Callable[[], None]

_cancels: set[Cancel] = set()
# Of those, what the work that is being done here has begun.
_own: ContextVar[set[Cancel] | None] = ContextVar("sqlpair_cancels", default=None)
# Whether what another thread has begun is still wanted.
_unwanted: ContextVar[threading.Event | None] = ContextVar(
    "sqlpair_unwanted", default=None
)
# Threads may be at work side by side.
_counting = threading.Lock()
_shields = 0
_deferrals = 0
_pending = 0


@contextmanager
def cancelling(cancel: Cancel) -> Iterator[None]:
    """Call ``cancel``, from another thread, when a signal comes within the block."""
    own = _own.get()
    for known in (_cancels, own):
        if known is not None:
            known.add(cancel)
    try:
        yield
    finally:
        for known in (_cancels, own):
            if known is not None:
                known.discard(cancel)


@contextmanager
def apart() -> Iterator[None]:
    """Let ``cancel`` within the block stop what the block began, and nothing else."""
    token = _own.set(set())
    try:
        yield
    finally:
        _own.reset(token)


@contextmanager
def unwanted_with(event: threading.Event) -> Iterator[None]:
    """Let what begins in the block be unwanted as soon as ``event`` is set."""
    token = _unwanted.set(event)
    try:
        yield
    finally:
        _unwanted.reset(token)


def raise_unwanted() -> None:
    """Raise Interrupted where what runs here is not wanted any more.

    For work that goes on after a statement has failed: that may be ``cancel``'s doing.
    """
    event = _unwanted.get()
    if event is not None and event.is_set():
        raise Interrupted("not wanted any more", signal.SIGTERM)


@contextmanager
def shielded() -> Iterator[None]:
    """Let no signal interrupt the block; ``raise_pending`` raises one that came."""
    global _shields
    with _counting:
        _shields += 1
    try:
        yield
    finally:
        with _counting:
            _shields -= 1


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal stop what the databases do at once, and be raised after the block.

    For code that no exception may leave between two instructions.
    """
    global _deferrals
    with _counting:
        _deferrals += 1
    try:
        yield
    finally:
        with _counting:
            _deferrals -= 1
        if not _shields and not _deferrals:
            raise_pending()


def is_pending() -> bool:
    """Say whether a signal has come that was not raised yet."""
    return bool(_pending)


def raise_pending() -> None:
    """Raise Interrupted when a signal came within a shielded block."""
    if _pending:
        _raise(_pending)


@contextmanager
def handled() -> Iterator[None]:
    """Turn the signals into ``Interrupted`` within the block.

    Does nothing outside the main thread, where no handler can be set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _pending
    _pending = 0
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_cancel_all, args=(reading,), daemon=True)
    thread.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {
        number: signal.signal(number, _handler)
        for number in SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN  # as nohup has it
    }
    try:
        yield
    finally:
        _pending = 0  # one that came too late is not for who deploys next
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)
        thread.join()
        os.close(reading)


def _handler(number: int, _frame: FrameType | None) -> None:
    global _pending
    _pending = number
    for each in SIGNALS:
        if signal.getsignal(each) is _handler:
            last = signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL
            signal.signal(each, last)
    if not _shields and not _deferrals:
        _raise(number)


def _raise(number: int) -> None:
    global _pending
    _pending = 0
    raise Interrupted(f"interrupted by {signal.Signals(number).name}", number)


def cancel() -> None:
    """Stop what runs now within a ``cancelling`` block, of whichever thread.

    Within ``apart``, of those blocks that began in it.
    """
    own = _own.get()
    _call(_cancels if own is None else own)


def _call(cancels: set[Cancel]) -> None:
    for each in tuple(cancels):
        with suppress(Exception):
            each()


def _cancel_all(reading: int) -> None:
    while os.read(reading, 1):
        if not _shields:
            _call(_cancels)
