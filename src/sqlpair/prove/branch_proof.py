"""The wanted migrations of one database, tried in their order, each on rows.

They run upwards in one scratch database. Before each trial its tables get rows, and
the trial is on a copy, restored from a backup: a rollback that fails ruins nothing,
and the next migration is tried all the same. Meanwhile, in a thread of its own, the
scratch database goes on to the next version, and the next copy is made of it; in
another one the copy before is dropped. A copy would share what reaches beyond a
database (roles), so such a migration is tried in the scratch database itself.

Where that is no longer what upgrades alone would make of it, and where a migration
fails on generated rows, another is built up to the next trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Event
from typing import NamedTuple

from sqlpair import signals
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import SqlpairError
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.prove.compare import State, row_differences, schema_differences
from sqlpair.prove.database import Pair, ScratchDatabase, read
from sqlpair.prove.rows import Filler
from sqlpair.prove.seed import Seed
from sqlpair.prove.trial import Reason, Trial, UpError, Verdict
from sqlpair.runner.migration import Ready

CANCEL_SECONDS = 1.0  # between two requests to end a statement


class Prepared(NamedTuple):
    """What the trial of the next migration begins with.

    ``copy`` is in the state ``copied``; without one, there is no backup that can be
    restored. ``seed`` and ``filler`` know what was done to its rows. ``notes`` and
    ``differs`` are to be told: tables without rows, and how the copy differs.
    """

    seed: Seed
    filler: Filler
    copy: ScratchDatabase | None
    copied: State
    notes: Sequence[str]
    differs: Sequence[str]
    close: Callable[[], None]


class BranchProof:
    """See above. A migration's position is how many are below it.

    ``watch`` is called with what is done at the moment.
    """

    def __init__(
        self,
        branch: Branch,
        wanted: Sequence[Migration],
        report: Report,
        watch: Callable[[str], None],
    ):
        self._branch = branch
        self._driver = driver_of(branch.database)
        self._report = report
        self._watch = watch
        self._wanted = {item.number for item in wanted}
        self._files: list[Path] = []
        self._next = 0  # the position up to which everything was tried
        self._unfillable: set[str] = set()  # what was said of tables without rows
        self._refused: dict[int, SqlpairError] = {}  # by position: on generated rows

    def verdicts(self) -> Iterator[Verdict]:
        """Try every wanted migration, lowest number first."""
        if not self._wanted:
            return
        last = max(self._wanted)
        pairs = [p for p in read(self._branch) if p.migration.number <= last]
        halves = [half for pair in pairs for half in (pair.up, pair.down)]
        self._files = [h.file.path for h in halves if isinstance(h, Ready)]
        database = self._branch.database
        with self._driver.scratch(database, self._files, self._report) as unused:
            while self._next < len(pairs):
                with (
                    self._driver.copied(unused, self._report, self._files) as session,
                    ThreadPoolExecutor(2) as background,
                ):
                    self._start(ScratchDatabase(session, self._report), background)
                    try:
                        yield from self._run(pairs)
                    finally:
                        self._drop_copy()
                        self._await_dropped()

    def _start(self, database: ScratchDatabase, background: Executor) -> None:
        """Begin at base, in another scratch database."""
        self._database = database
        self._background = background
        self._seed = Seed(self._branch)
        self._filler = Filler()
        self._filled = False
        self._not_applied: list[str] = []
        self._prepared: Prepared | None = None
        self._dropped: Future[None] | None = None  # the copy before
        self._not_restored: set[str] = set()  # what is known to differ

    def _run(self, pairs: Sequence[Pair]) -> Iterator[Verdict]:
        """Apply the migrations from base on, trying those that were not tried yet.

        Ends after the last, or where another scratch database is needed.
        """
        for position, pair in enumerate(pairs):
            if position < self._next or pair.migration.number not in self._wanted:
                usable = self._pass(pair, position)
            else:
                trial = Trial(pair)
                usable = self._try(trial, position)
                if self._next > position:
                    if position + 1 == len(self._branch.migrations):
                        trial.problem(Reason.SEED, "seed.sql", self._seed.problems())
                    yield trial.verdict()
            if not usable:
                return

    def _pass(self, pair: Pair, position: int) -> bool:
        """Apply a migration that is not to be tried; say whether to go on."""
        self._watch(f"{self._branch.name}: building version {pair.migration.number:03}")
        self._drop_copy()
        try:
            self._up(pair.up)
        except UpError:
            if self._filled:  # again, without generated rows
                self._next = position
                return False
            self._not_applied.append(pair.migration.stem)
        self._seed.run(self._database.session)
        self._next = max(self._next, position + 1)
        return True

    def _try(self, trial: Trial, position: int) -> bool:
        """Try a migration; say whether the scratch database is good for the next.

        Where ``_next`` is still its position, it has to be tried again.
        """
        pair = trial.pair
        self._watch(f"{self._branch.name} {pair.migration.stem}")
        refused = self._refused.get(position)
        trial.accepts_rows = refused is None
        if self._prepared is None:
            self._prepared = self._prepare(position, fill=refused is None)
            trial.notes += self._prepared.notes
        prepared, ahead = self._prepared, None
        try:
            usable, ahead = self._run_trial(trial, position, prepared)
        except UpError as error:
            if self._filled and refused is None:
                self._refused[position] = error.cause
                return False
            trial.problem(Reason.UP, "up", [self._told(error.cause)])
            self._not_applied.append(pair.migration.stem)
            # What ran of a -- no-transaction file stays.
            usable = not isinstance(pair.up, Ready) or pair.up.file.transactional
        fails_anyway = any(reason is Reason.UP for reason, _ in trial.problems)
        if refused is not None and not fails_anyway:
            trial.problem(Reason.UP_ON_ROWS, "up, on generated rows", [str(refused)])
            trial.problems.insert(0, trial.problems.pop())
        self._next = position + 1
        if usable:
            self._drop(prepared)
            if ahead is None:
                self._seed.run(self._database.session)
                ahead = self._prepare(position + 1, fill=True)
            self._prepared = ahead
            trial.notes += ahead.notes
            trial.problem(Reason.RESTORE, "backup above it", ahead.differs)
        return usable

    def _run_trial(
        self, trial: Trial, position: int, prepared: Prepared
    ) -> tuple[bool, Prepared | None]:
        """Leave the migration applied; say whether the database is as it should be.

        With what is prepared for the next trial, where that was done meanwhile.
        UpError when the migration does not run.
        """
        up, down = trial.pair.up, trial.pair.down
        if isinstance(up, SqlpairError):
            raise UpError(up)
        if isinstance(down, SqlpairError):
            trial.problem(Reason.FILES, "down", [str(down)])
            self._up(up)
            return True, None
        shared = self._driver.is_shared(up.file.text + "\n" + down.file.text)
        if prepared.copy is None or shared:
            self._drop_copy()
            here = self._database
            before = here.state()
            trial.up(up, here)
            add_rows = partial(_add_rows, self._seed, self._filler, position)
            trial.run(up, down, here, before, add_rows)
            return trial.accepts_rows and not trial.problems, None
        trial.up(up, prepared.copy)
        add_rows = partial(_add_rows, prepared.seed, prepared.filler, position)
        run = partial(trial.run, up, down, prepared.copy, prepared.copied, add_rows)
        above, ahead = self._beside(run, partial(self._go_on, up, position))
        found = schema_differences(above, trial.above)
        trial.problem(Reason.RESTORE, "up, restored", found)
        return True, ahead

    def _beside(
        self, run: Callable[[], None], go_on: Callable[[], tuple[State, Prepared]]
    ) -> tuple[State, Prepared]:
        """Run a trial, and go on in the scratch database meanwhile.

        One after the other where Alembic's ``op`` is used: it speaks to one database.
        """
        if self._database.runs_python:
            run()
            return go_on()
        unwanted = Event()
        with signals.unwanted_with(unwanted):
            going = self._background.submit(copy_context().run, go_on)
        try:
            run()
        except BaseException:
            unwanted.set()
            while not going.done():
                signals.cancel()
                wait([going], CANCEL_SECONDS)
            if going.exception() is None:
                going.result()[1].close()
            raise
        return going.result()

    def _go_on(self, up: Ready, position: int) -> tuple[State, Prepared]:
        """Take the scratch database to the next version, and prepare the next trial."""
        self._up(up)
        above = self._database.schema()
        self._seed.run(self._database.session)
        return above, self._prepare(position + 1, fill=True)

    def _up(self, up: Ready | SqlpairError) -> None:
        if isinstance(up, SqlpairError):
            raise UpError(up)
        try:
            self._database.run(up)
        except SqlpairError as error:
            raise UpError(error) from error

    def _told(self, error: SqlpairError) -> str:
        """The failure, and what it may come from."""
        if not self._not_applied:
            return str(error)
        shown = ", ".join(self._not_applied[:5])
        return f"{error}\n  not applied below it, because it fails: {shown}"

    def _prepare(self, position: int, *, fill: bool) -> Prepared:
        """Make rows and a copy for the trial of the migration at ``position``.

        What was said before is not said again.
        """
        notes: list[str] = []
        if fill:
            unfillable = self._filler.fill(
                self._database.session, position + 1, only_empty=self._seed.exists
            )
            told = {*map(str, unfillable)} - self._unfillable
            self._unfillable |= told
            notes = sorted(told)
            self._filled = True
        signals.raise_unwanted()
        known = self._seed.copy(), self._filler.copy()
        with ExitStack() as resources:
            copy, copied, key = None, State({}, {}), ""
            try:
                copy = resources.enter_context(self._database.copy())
            except SqlpairError as error:
                key, found = error.what, [str(error)]
            else:
                expected, copied = self._database.state(), copy.state()
                found = schema_differences(expected, copied)
                found = found or row_differences(expected, copied)
            new = [line for line in found if (key or line) not in self._not_restored]
            self._not_restored = {key} if key else {*found}
            close = resources.pop_all().close
        return Prepared(*known, copy, copied, notes, new, close)

    def _drop_copy(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
        self._prepared = None

    def _drop(self, prepared: Prepared) -> None:
        """Drop a copy meanwhile: what a server does then is to wait for its disk."""
        self._await_dropped()
        self._dropped = self._background.submit(prepared.close)

    def _await_dropped(self) -> None:
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            dropped.result()


def _add_rows(seed: Seed, filler: Filler, position: int, session: Session) -> None:
    seed.run(session)
    filler.add(session, position + 1, only_empty=seed.exists)
