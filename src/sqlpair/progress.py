"""How far long work is, for anyone who waits.

Work opens a ``task`` and notes in it how far it has come, which costs an assignment.
A task calls nobody: who shows progress (``live.py``) opens a block of ``watched``, and
looks at the open tasks from a thread of its own whenever it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

Look = Callable[[], str]
# A name, how much is done, and of how much where that is known.
Note = Callable[[str, int, int | None], None]
LOOK_SECONDS = 1.0  # between two looks
_PERCENT = 100
_MEGABYTE = 1e6


class Task:
    """Something that takes a while: how much of it is done, and of how much.

    ``unit`` is what is counted, statement or migration for example; of those ``done``
    is the one at work. Of bytes and of things without a name ``done`` are done.
    A look asks the engine how far what runs at the moment is.
    """

    def __init__(self, what: str, total: int | None = None, unit: str = ""):
        self.what = what
        self.done = 0
        self.total = total
        self.unit = unit
        self.began = time.monotonic()
        self._look: Look | None = None
        self._seen = ""
        self._next_look = 0.0

    def advance(self, number: int, look: Look | None) -> None:
        """Note that it is ``number`` further, and whom to ask meanwhile."""
        self.done += number
        self._look, self._seen = look, ""
        self._next_look = time.monotonic() + LOOK_SECONDS

    def __str__(self) -> str:
        """Say how far it is."""
        return ", ".join(filter(None, (self.what, self._amount(), self._looked())))

    def _amount(self) -> str:
        if self.unit == "bytes":
            done = f"{self.done / _MEGABYTE:,.1f}"
            if not self.total:
                return f"{done} MB"
            percent = min(_PERCENT, _PERCENT * self.done // self.total)
            return f"{done} of {self.total / _MEGABYTE:,.1f} MB ({percent} %)"
        if self.total is None:
            return f"{self.unit} {self.done:,}".strip() if self.done else ""
        return f"{self.unit} {self.done:,} of {self.total:,}".strip()

    def _looked(self) -> str:
        if self._look and time.monotonic() > self._next_look:
            self._seen = self._look()
            self._next_look = time.monotonic() + LOOK_SECONDS
        return self._seen


_watched: ContextVar[list[Task] | None] = ContextVar("sqlpair_tasks", default=None)


@contextmanager
def watched() -> Iterator[list[Task]]:
    """Collect the tasks that are open at any moment within the block, outermost first.

    Read it from any thread.
    """
    tasks: list[Task] = []
    token = _watched.set(tasks)
    try:
        yield tasks
    finally:
        _watched.reset(token)


@contextmanager
def task(what: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
    """Let the block be a task; see ``Task``."""
    opened = Task(what, total, unit)
    tasks = _watched.get()
    if tasks is None:
        yield opened
        return
    tasks.append(opened)
    try:
        yield opened
    finally:
        tasks.remove(opened)


def advance(number: int = 1, look: Look | None = None) -> None:
    """Note that the innermost task is ``number`` further, and whom to ask meanwhile."""
    tasks = _watched.get()
    if tasks:
        tasks[-1].advance(number, look)


def unseen(_what: str, _done: int, _total: int | None) -> None:
    """Be a note that nobody sees."""


@contextmanager
def meter(unit: str = "") -> Iterator[Note]:
    """Yield what notes how far several tasks are: name, done, and how much there is.

    It may be called from any thread. A task is over when its name is not told of any
    more and the block ends.
    """
    with ExitStack() as open_tasks:
        tasks: dict[str, Task] = {}

        def note(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = Task(what, total, unit)
                if watching is not None:
                    watching.append(tasks[what])
                    open_tasks.callback(watching.remove, tasks[what])
            tasks[what].done, tasks[what].total = done, total

        watching = _watched.get()
        yield note


def duration(milliseconds: int | None) -> str:
    """Return a time as a person reads it."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"
