"""The loop over a fleet's members: who is next, and when it ends.

Members go in their order, several at once, and each by itself: one that fails is told
and does not stop the others, unless so many do. A signal lets those at work end with
the member they are at, and begins no other. The same command again does what is left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from itertools import islice
from typing import NamedTuple

from sqlpair import progress, signals
from sqlpair.errors import Interrupted, SqlpairError
from sqlpair.fleet.executors import Chunk, Workers, default_jobs, open_workers
from sqlpair.fleet.members import Member
from sqlpair.fleet.work import Job, MemberResult

LOOK_SECONDS = 0.2  # between two looks for a signal
BASE = "base"
FEW = 20  # members a process
# Before each attempt, in seconds. What forks processes seems to be there until it is
# dead altogether, and refuses.
PAUSES = (0, 0.1, 1)
LOST = "the cluster's scheduler is gone, or each worker that could do it"
ByHost = dict[str, Iterator[Chunk]]
Tell = Callable[[MemberResult], None]


class FleetOptions(NamedTuple):
    """What a command asks of the loop; no ``jobs`` are as many as are worth it."""

    jobs: int = 0
    scheduler: str = ""
    stop_after: int | None = None
    canary: int = 0


class FleetRun:
    """One run over the members of one fleet, and what is known of it.

    Nothing is kept of a member that is well but where it is.
    """

    def __init__(self, fleet: str, total: int):
        self.fleet = fleet
        self.total = total
        self.heads: Counter[tuple[int, str]] = Counter()
        self.moved = 0
        self.deployed = 0
        self.ran = 0
        self.failures: list[MemberResult] = []
        self.unknown = 0
        self.done = 0
        self.why_stopped = ""
        self.interrupted: Interrupted | None = None

    def note(self, result: MemberResult) -> None:
        """Count one member."""
        self.done += 1
        if result.error:
            self.failures.append(result)
        if result.number is None:
            self.unknown += 1
        else:
            self.heads[result.number, result.head] += 1
        self.moved += bool(result.ran)
        self.deployed += bool(result.deployment)
        self.ran += len(result.ran)

    @property
    def left(self) -> int:
        """How many were not so much as looked at."""
        return self.total - self.done

    @property
    def at_base(self) -> int:
        """How many have no migration at all."""
        return sum(many for (_, head), many in self.heads.items() if head == BASE)

    @property
    def lowest(self) -> int | None:
        """The number that every member has; None where one is not known."""
        if self.unknown or self.left:
            return None
        return min((number for number, _ in self.heads), default=None)


def run(
    fleet: str, job: Job, members: Sequence[Member], options: FleetOptions, tell: Tell
) -> FleetRun:
    """Do the job on ``members``; ``tell`` gets each result as it comes.

    Where a signal came it returns when those at work have ended: the caller, who has
    told all of it then, raises it.
    """
    found = FleetRun(fleet, len(members))
    first, rest = members[: options.canary], members[options.canary :]
    with progress.task(fleet, len(members), "member") as task:

        def note(result: MemberResult) -> None:
            task.done += 1
            found.note(result)
            tell(result)

        if first:
            with_care = options._replace(jobs=1, stop_after=1)
            _Loop(job, with_care, note, found).run(first)
            if found.failures:
                found.why_stopped = f"one of the first {len(first)} failed (--canary)"
        if not found.why_stopped:
            _Loop(job, options, note, found).run(rest)
    return found


def raise_signal(fleets: Iterable[FleetRun]) -> None:
    """Raise Interrupted where a signal has ended a run over one of ``fleets``."""
    for fleet in fleets:
        if fleet.interrupted:
            raise fleet.interrupted
    signals.raise_pending()


class _Loop:
    """The members that are at work, and those that follow."""

    def __init__(self, job: Job, options: FleetOptions, note: Tell, found: FleetRun):
        self._job = job
        self._options = options
        self._note = note
        self._found = found

    def run(self, members: Sequence[Member]) -> None:
        """Do all of them. What a process had in hand when it died is done again."""
        options = self._options
        worth = min(default_jobs(), len(members) // FEW)  # to start one takes longer
        jobs = min(options.jobs or worth, len(members)) or 1
        with signals.shielded():
            workers = open_workers(jobs, options.scheduler)
            size = min(workers.chunk, len(members) // (2 * workers.at_once))
            # What fails in a chunk is known when all of it is done.
            chunks = _chunks(members, 1 if options.stop_after else max(1, size))
            while True:
                try:
                    suspects = self._rounds(chunks, workers)
                finally:
                    workers.close()
                if not suspects:
                    return
                # Each by itself, so that it is known which of them it was.
                for member in suspects:
                    self._alone(member)
                workers = open_workers(jobs, options.scheduler)

    def _alone(self, member: Member) -> None:
        """Try a member again, and later: what forks processes may just have died."""
        for pause in PAUSES:
            time.sleep(pause)
            if self._found.why_stopped:
                return
            workers = open_workers(2, self._options.scheduler)
            try:
                if not self._rounds(_chunks([member], 1), workers):
                    return
            finally:
                workers.close()
        why = f"the process that worked on it died, {len(PAUSES) + 1} times"
        self._note(_lost(member, why))

    def _rounds(self, chunks: ByHost, workers: Workers) -> list[Member]:
        """Keep the workers busy; return what those that died had in hand."""
        pending: dict[Future[list[MemberResult]], Chunk] = {}
        suspects: list[Member] = []
        stopping = False
        while True:
            if not (self._found.why_stopped or suspects):
                suspects += self._submit(chunks, workers, pending)
            if not pending:
                return suspects
            done, _ = wait(pending, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                suspects += self._take(future, pending.pop(future))
            if not self._found.why_stopped and self._reason():
                self._found.why_stopped = self._reason()
                stopping = True
            if stopping:  # and again: the last worker of a cluster may die meanwhile
                workers.stop()  # those that wait for their turn come back at once

    def _submit(
        self,
        chunks: ByHost,
        workers: Workers,
        pending: dict[Future[list[MemberResult]], Chunk],
    ) -> Chunk:
        """Give the workers of each host what keeps them busy; return what broke them.

        A host whose workers are gone takes no other one's turn.
        """
        for host, own in chunks.items():
            busy = sum(chunk[0].host == host for chunk in pending.values())
            for chunk in islice(own, max(0, workers.at_once - busy)):
                try:
                    pending[workers.submit(self._job, chunk)] = chunk
                except (BrokenExecutor, EOFError, OSError):
                    return chunk  # OSError: what forks processes has died
        return ()

    def _take(self, future: Future[list[MemberResult]], chunk: Chunk) -> Chunk:
        """Note the results of a chunk; return it where its process died."""
        try:
            results = future.result()
        except CancelledError:  # by the cluster: nothing here takes a chunk back
            self._found.why_stopped = self._found.why_stopped or LOST
            results = [_lost(member, LOST) for member in chunk]
        except Interrupted as error:
            self._found.interrupted = error
            return ()
        except BrokenExecutor:
            return chunk
        except SqlpairError:
            raise
        except Exception as error:  # noqa: BLE001 - of a worker, whatever it was
            why = f"{type(error).__name__}: {error}"
            results = [_lost(member, why) for member in chunk]
        for result in results:
            self._note(result)
        return ()

    def _reason(self) -> str:
        if signals.is_pending() or self._found.interrupted:
            return "a signal came"
        failed, most = len(self._found.failures), self._options.stop_after
        if most is not None and failed >= most:
            return f"{failed} failed (--stop-after {most})"
        return ""


def _lost(member: Member, why: str) -> MemberResult:
    what = f"{member.database.name}: {why}"
    return MemberResult(member.title, member.name, None, "", error=what)


def _chunks(members: Sequence[Member], size: int) -> ByHost:
    hosts: dict[str, list[Member]] = {}
    for member in members:
        hosts.setdefault(member.host, []).append(member)
    return {host: _cut(own, size) for host, own in hosts.items()}


def _cut(members: Sequence[Member], size: int) -> Iterator[Chunk]:
    for first in range(0, len(members), size):
        yield tuple(members[first : first + size])
