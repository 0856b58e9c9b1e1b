"""Who runs the members: this process, some of its own, or a Dask cluster.

Each is a ``concurrent.futures.Executor`` (https://peps.python.org/pep-3148/), and no
more is asked of it: a task is a chunk of members, its result a list. What a process had
in hand when it died is done again: a member is whole or untouched, and its ledger says
which.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlpair import ids, signals
from sqlpair.databases import kept_open
from sqlpair.errors import ConnectError, Interrupted, SettingsError
from sqlpair.fleet.members import refuse_elsewhere
from sqlpair.fleet.work import Job, MemberResult, work

if TYPE_CHECKING:
    from sqlpair.fleet.members import Member

Chunk = tuple["Member", ...]
# Members in one task: enough that handing it over takes no time beside the work.
CHUNK = 8
DISTRIBUTED_CHUNK = 32
# How often Dask gives a chunk to another worker when one dies with it.
RETRIES = 3
ASK_SECONDS = 0.2  # between two questions of a worker, whether it is to stop
# The threads that an executor has here; and each process, which has a second thread.
OF_EXECUTOR, OF_PROCESS = 2, 2
PRELOADED = "sqlpair.fleet.preloaded"


class Workers(NamedTuple):
    """An executor, and what the loop over the members needs to know of it.

    ``at_once`` tasks keep it busy. ``submit`` has a job done on a chunk; ``stop`` lets
    those at work end with the member they are at; ``close`` waits for them.
    """

    at_once: int
    chunk: int
    submit: Callable[[Job, Chunk], Future[list[MemberResult]]]
    stop: Callable[[], None]
    close: Callable[[], None]


def open_workers(jobs: int, scheduler: str = "") -> Workers:
    """Return who runs the members: a cluster's ``scheduler``, or ``jobs`` processes.

    One job is done in this process.
    """
    if scheduler:
        return _cluster(scheduler)
    return _here() if jobs == 1 else _processes(jobs)


def default_jobs() -> int:
    """Return one more than there are processors.

    While one job waits for a disk or a server, another has work for the processor.
    """
    return processors() + 1


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


class _Inline(Executor):
    """Runs a task when it is submitted."""

    def submit(  # type: ignore[override]
        self, task: Callable[..., Any], /, *args: Any
    ) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(task(*args))
        except Interrupted as error:
            future.set_exception(error)
        return future


def _here() -> Workers:
    executor = _Inline()
    return Workers(
        at_once=1,
        chunk=1,
        submit=lambda job, members: executor.submit(
            work, job, _local(members), signals.is_pending
        ),
        stop=lambda: None,
        close=lambda: None,
    )


# -- processes -------------------------------------------------------------------------

_stop: Event | None = None
_at_work = threading.Lock()


def _processes(jobs: int) -> Workers:
    # Not by a fork of this process: it has threads, whose locks a fork would copy as
    # they are. What is forked has imported all that they need, and done nothing yet.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    try:
        # Signals are for this process: what forks the others begins with them blocked.
        resource_tracker.ensure_running()  # begun there, it would let them through
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
        try:
            with _without_main():
                forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _try_threads(OF_EXECUTOR + OF_PROCESS * jobs)
        stop = context.Event()
        leave, leaving = context.Pipe(duplex=False)
    except (OSError, RuntimeError) as error:  # without /dev/shm, say
        raise SettingsError(
            f"the system does not let {jobs} processes be begun",
            [error.strerror or "" if isinstance(error, OSError) else str(error)],
            "One member after the other: --jobs 1, or alembic -x jobs=1 upgrade heads",
        ) from error
    executor = ProcessPoolExecutor(
        jobs,
        mp_context=context,
        initializer=_begin,
        initargs=(stop, leave, dict(os.environ)),
    )

    def close() -> None:
        # Where one was killed, those that wait for a task may wait for a lock that it
        # had, and the executor waits for them: they are to leave by themselves.
        leaving.close()
        executor.shutdown(wait=True, cancel_futures=True)
        leave.close()

    def submit(job: Job, members: Chunk) -> Future[list[MemberResult]]:
        with _without_main():  # it may begin a process
            return executor.submit(_in_process, job, _local(members))

    return Workers(
        at_once=2 * jobs,
        chunk=CHUNK,
        submit=submit,
        stop=stop.set,
        close=close,
    )


def _try_threads(number: int) -> None:
    """Begin and end that many threads; RuntimeError where the system refuses one.

    It counts threads and processes alike. What it refuses the executor later is never
    told: a task would wait for ever for who was to do it.
    """
    over = threading.Event()
    begun = []
    try:
        for _ in range(number):
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            begun.append(thread)
    finally:
        over.set()
        for thread in begun:
            thread.join()


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a process that is begun within the block not run the program's main module.

    A script that calls Alembic may well have no guard, and would migrate once more.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(stop: Event, leave: Connection, environ: dict[str, str]) -> None:
    """Begin a process: its parent alone is told of signals, and tells it to stop."""
    global _stop
    _stop = stop
    os.environ.clear()  # those of the first run of a program that runs several
    os.environ.update(environ)
    kept_open.to_the_end().__enter__()  # this process's
    for number in signals.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave, args=(leave,), daemon=True).start()


def _leave(leave: Connection) -> None:
    """End when the parent closes the pipe, or was killed, though not amid a member."""
    wait([leave])
    with _at_work:
        os._exit(1)


def _in_process(job: Job, members: Chunk) -> list[MemberResult]:
    assert _stop is not None
    done = []
    for member in members:
        with _at_work:
            done += work(job, (member,), _stop.is_set)
    return done


def _local(members: Chunk) -> Chunk:
    for member in members:
        refuse_elsewhere(member)
    return members


# -- a cluster -------------------------------------------------------------------------


def _cluster(scheduler: str) -> Workers:
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise SettingsError(
            "--scheduler needs Dask's distributed",
            remedy="Install it here and on the workers: pip install 'sqlpair[fleet]'",
        ) from None
    # What goes wrong is told once, as any failure: not by its tracebacks, too.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client: Any = distributed.Client(scheduler, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectError(
            f"the scheduler {scheduler} cannot be reached",
            [str(error)],
            "Start one with: dask scheduler, and workers with:"
            f" dask worker {scheduler} --nthreads 1",
        ) from None
    executor = client.get_executor(pure=False, retries=RETRIES)
    stopped = distributed.Event(f"sqlpair-{ids.new_id()}", client=client)
    submitted: dict[Future[list[MemberResult]], str] = {}

    def workers(host: str = "") -> int:
        found = client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(host in ("", each["host"], str(each["name"])) for each in found)

    def submit(job: Job, members: Chunk) -> Future[list[MemberResult]]:
        host = members[0].host
        where = {"workers": [host]} if host else {}
        future: Future[list[MemberResult]]
        try:
            future = executor.submit(on_worker, job, members, stopped.name, **where)
        except Exception:  # noqa: BLE001 - of a client whose scheduler has gone
            future = Future()
            future.set_exception(CancelledError())
        submitted[future] = host
        future.add_done_callback(submitted.pop)
        return future

    def stop() -> None:
        with suppress(Exception):  # the scheduler may be gone
            stopped.set()
            for future, host in [*submitted.items()]:
                if not workers(host):  # nobody is there to give it back
                    future.cancel()

    def close() -> None:
        with suppress(Exception):  # likewise
            executor.shutdown(wait=False)
        client.close()

    return Workers(
        at_once=3 * max(1, workers()),
        chunk=DISTRIBUTED_CHUNK,
        submit=submit,
        stop=stop,
        close=close,
    )


def on_worker(job: Job, members: Chunk, stop: str) -> list[MemberResult]:
    """Do the job on a worker of a cluster, one chunk at a time in each process.

    Once the event called ``stop`` is set it ends with the member that it is at.
    """
    event: Any = import_module("distributed").Event(stop)
    asked = 0.0

    def is_stopped() -> bool:
        nonlocal asked
        if time.monotonic() - asked < ASK_SECONDS:
            return False
        answer = bool(event.is_set())
        asked = time.monotonic()
        return answer

    with _at_work, kept_open.to_the_end():
        return work(job, members, is_stopped)
