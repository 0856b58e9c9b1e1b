"""The PostgreSQL that is started when none is configured.

A real server on one data folder, from programs that a wheel or the machine brings
(``programs``), made and started (``launch``), found and stopped (``cluster``). This
module says who starts and stops it, and when:

- A process that starts or stops it holds the gate: an exclusive lock on
  ``<data>.lock``.
  One that uses the server holds a shared lock on the data folder meanwhile. A lock
  ends with its process, however that ends.
- The last user stops the server, no matter who started it. The gate file names the run,
  if any, that ``start`` has made to stay until ``stop``.
- A server that was not started here is used, but never stopped.

POSIX only (Linux, macOS): Unix sockets, ``flock`` and user ids carry all of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlpair.databases import kept_open
from sqlpair.databases.driver import silent
from sqlpair.databases.embedded.cluster import (
    PATIENCE,
    ServerReply,
    ask,
    clients,
    create_database,
    halt,
)
from sqlpair.databases.embedded.launch import launch
from sqlpair.databases.embedded.programs import find_binaries
from sqlpair.errors import ConnectError, LockError
from sqlpair.project.owner import make_file, make_folder
from sqlpair.project.presence import exists

__all__ = ["Server", "find_binaries", "running", "server", "start", "stop"]

_STOP_PATIENCE = 10.0  # seconds that ``stop`` waits for users to end


class Server(NamedTuple):
    """A server that runs. ``started``: by this very call."""

    dsn: str
    data: Path
    binaries: Path
    started: bool

    @property
    def url(self) -> str:
        """Its address as a program's configuration takes it; there is no password."""
        from psycopg2.extensions import parse_dsn

        told = parse_dsn(self.dsn)
        host, port = quote(told["host"], safe=""), told["port"]
        name = quote(told["dbname"], safe="")
        return f"postgresql://{told['user']}@/{name}?host={host}&port={port}"


@contextlib.contextmanager
def server(
    data: Path,
    *,
    binaries: Path | None = None,
    report: Callable[[str], None] = silent,
    create: bool = True,
    database: str = "app",
    brief: bool = False,
) -> Iterator[Server]:
    """The server on ``data``, running at least as long as the block.

    With ``create``, a missing data folder and a missing database are made. In a command
    it runs until that ends (``kept_open``), unless it is ``brief``: for this block.
    """
    data = data.resolve()
    if not create and not exists(data / "PG_VERSION"):
        raise ConnectError(
            f"there is no PostgreSQL data in {data} yet",
            remedy="Make it, and the tables in it: alembic upgrade heads",
        )
    with contextlib.ExitStack() as stack:
        with _gate(data, report):
            answer = ask(data)
            started = answer is None
            if answer is None:
                answer = _launch(data, find_binaries(binaries), report)
            # From here on its end is ours to see to, also if the next line fails.
            stack.enter_context(_use(data, report))
            if not brief:  # a command connects several times
                kept_open.keep(data, lambda: _use(data, report))
            if create:
                create_database(answer, database)
        yield Server(answer.dsn(database), data, answer.binaries, started)


def start(
    data: Path,
    *,
    binaries: Path | None = None,
    report: Callable[[str], None] = silent,
    database: str = "app",
) -> Server:
    """The server on ``data``, running until ``stop``."""
    data = data.resolve()
    use = server(data, binaries=binaries, report=report, database=database)
    with use as here, _gate(data, report) as gate:
        if answer := ask(data):
            os.ftruncate(gate, 0)
            os.pwrite(gate, answer.run, 0)
    return here


def stop(data: Path, *, report: Callable[[str], None] = silent) -> bool:
    """Stop the server on ``data``; False when there was none.

    Raises LockError while somebody uses it, ConnectError when it is not ours.
    """
    data = data.resolve()
    if ask(data) is None:
        return False
    deadline = time.monotonic() + _STOP_PATIENCE
    while True:
        with _gate(data, report):
            answer = ask(data)
            if answer is None:
                return False
            if not answer.ours:
                raise ConnectError(
                    f"the PostgreSQL in {data} was not started by this program",
                    [f"its process is {answer.pid}"],
                    f"Stop it by hand: pg_ctl -D '{data}' stop",
                )
            if not _in_use(data):
                halt(data, answer)
                return True
            if time.monotonic() > deadline:
                raise LockError(
                    f"the PostgreSQL in {data} is in use",
                    [f"connected: {name}" for name in clients(answer)],
                    "Let the commands that use it end, then try again.",
                )
        time.sleep(0.1)


def running(data: Path, *, database: str = "app") -> Server | None:
    """The server on ``data``, if it runs and accepts connections. Read only."""
    data = data.resolve()
    answer = ask(data)
    if answer is None:
        return None
    return Server(answer.dsn(database), data, answer.binaries, started=False)


def _launch(data: Path, binaries: Path, report: Callable[[str], None]) -> ServerReply:
    try:
        return launch(data, binaries, report)
    except OSError as error:  # a full disk, a folder that is not ours to write
        raise ConnectError(
            f"PostgreSQL could not be started in {data}", [str(error)]
        ) from error


@contextlib.contextmanager
def _use(data: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the shared lock; at the end stop the server if nobody else needs it."""
    using = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(using, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(using)
        if exists(data):
            with _gate(data, report) as gate:
                answer = ask(data)
                kept = answer and answer.run == os.pread(gate, 100, 0)
                if answer and answer.ours and not kept and not _in_use(data):
                    halt(data, answer)


def _in_use(data: Path) -> bool:
    probe = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not _locked(probe)
    finally:
        os.close(probe)


@contextlib.contextmanager
def _gate(data: Path, report: Callable[[str], None]) -> Iterator[int]:
    """The exclusive lock around every start and stop; yields its open file."""
    path = data.with_name(f"{data.name}.lock")
    try:
        make_folder(path.parent)
        make_file(path)
        gate = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise ConnectError(
            f"the PostgreSQL in {data} cannot be locked, so it is left alone",
            [str(error)],
            "Make that path writable, or run this as its owner.",
        ) from None
    try:
        begun = time.monotonic()
        said = False
        while not _locked(gate):
            waited = time.monotonic() - begun
            if waited > PATIENCE:
                raise LockError(
                    f"another process has held {path} for {waited:.0f} seconds",
                    remedy=f"See which one: fuser -v '{path}'",
                )
            if waited > 1 and not said:
                report(f"Waiting for another process that starts or stops {data}")
                said = True
            time.sleep(0.05)
        yield gate
    finally:
        os.close(gate)


def _locked(descriptor: int) -> bool:
    """Take the exclusive lock, if it is to be had at once."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
