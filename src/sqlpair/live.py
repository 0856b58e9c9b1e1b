"""Show on stderr how far work is, for the command line and for Alembic's.

At a terminal that is one line, drawn again several times a second; nothing of it
stays. In a pipe, a file or a CI's log it is a line each minute. What else is printed
meanwhile goes through ``cleared``, and stands above the line.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from sqlpair import progress
from sqlpair.errors import SettingsError, printable

REFRESH = 0.2  # seconds
HEARTBEAT = 60.0  # seconds, unless SQLPAIR_HEARTBEAT says otherwise
_CLEAR = "\r\x1b[2K"
_lock = threading.RLock()
_drawn: list[TextIO] = []  # where a line stands that is to be cleared


@contextmanager
def shown(stream: TextIO, say: Callable[[str], None]) -> Iterator[None]:
    """Show the tasks that are open within the block; ``say`` prints a line.

    SettingsError where the environment asks for a heartbeat of no length.
    """
    interval = _heartbeat()
    at_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    over = threading.Event()

    def draw() -> None:
        while not over.wait(REFRESH):
            _draw(stream, told(tasks))

    def beat() -> None:
        while not over.wait(interval):
            if text := told(tasks):
                say(text)

    with progress.watched() as tasks:
        show = draw if at_terminal else beat
        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(1)  # one that a silent server keeps waiting ends with us
            with cleared():
                pass


@contextmanager
def cleared() -> Iterator[None]:
    """Print within the block: the live line is gone, and stays away meanwhile."""
    with _lock:
        while _drawn:
            _write(_drawn.pop(), _CLEAR)
        yield


def told(tasks: Sequence[progress.Task]) -> str:
    """Say how far all tasks are, and how long it has taken; nothing if none is open."""
    open_tasks = tuple(tasks)
    if not open_tasks:
        return ""
    seconds = round(time.monotonic() - open_tasks[0].began)
    said = "; ".join(filter(None, map(str, open_tasks)))
    return f"{said}, {seconds // 60}:{seconds % 60:02}"


def _draw(stream: TextIO, text: str) -> None:
    with cleared():
        if text:
            _write(stream, printable(text)[: _columns(stream) - 1])
            _drawn.append(stream)


def _columns(stream: TextIO) -> int:
    """Return how wide the line may be: stdout may lead elsewhere than ``stream``."""
    with suppress(OSError):
        if columns := os.get_terminal_size(stream.fileno()).columns:
            return columns
    from shutil import get_terminal_size  # nobody else needs it so soon

    return get_terminal_size().columns


def _write(stream: TextIO, text: str) -> None:
    with suppress(OSError, ValueError):  # it is closed: nobody looks any more
        stream.write(text)
        stream.flush()


def _heartbeat() -> float:
    text = os.environ.get("SQLPAIR_HEARTBEAT", "").strip()
    with suppress(ValueError):
        if 0 < (seconds := float(text or HEARTBEAT)) <= threading.TIMEOUT_MAX:
            return seconds
    raise SettingsError(
        f"SQLPAIR_HEARTBEAT is {text!r}",
        remedy="It is how many seconds pass between two lines that tell how far a"
        " migration is: 60",
    )


def lead_nowhere(stream: TextIO) -> None:
    """Let what is written to it from now on, and what it still holds, be lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
