"""The wanted migrations of one database, tried in their order, each on rows.

They run upwards in one scratch database. Before each trial its tables get rows, and
the trial is on a copy, restored from a backup: a rollback that fails ruins nothing,
and the next migration is tried all the same. A copy would share what reaches beyond a
database (roles), so such a migration is tried in the scratch database itself.

Where that is no longer what upgrades alone would make of it, and where a migration
fails on generated rows, another is built up to the next trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import SqlpairError
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.prove.compare import row_differences, schema_differences
from sqlpair.prove.database import Half, Pair, ScratchDatabase, read
from sqlpair.prove.rows import Filler
from sqlpair.prove.seed import Seed
from sqlpair.prove.trial import Reason, Trial, UpError, Verdict


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
        self._files = [h.file.path for h in halves if isinstance(h, Half)]
        database = self._branch.database
        with self._driver.scratch(database, self._files, self._report) as unused:
            while self._next < len(pairs):
                with (
                    self._driver.copied(unused, self._report, self._files) as session,
                    ExitStack() as self._copies,
                ):
                    self._start(ScratchDatabase(session, self._report))
                    yield from self._run(pairs)

    def _start(self, database: ScratchDatabase) -> None:
        """Begin at base, in another scratch database."""
        self._database = database
        self._seed = Seed(self._branch)
        self._filler = Filler()
        self._filled = False
        self._not_applied: list[str] = []
        self._prepared = False
        self._copy: ScratchDatabase | None = None
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
        if not self._prepared:
            trial.notes += self._prepare(trial, fill=refused is None)
        try:
            usable = self._run_trial(trial)
        except UpError as error:
            if self._filled and refused is None:
                self._refused[position] = error.cause
                return False
            trial.problem(Reason.UP, "up", [self._told(error.cause)])
            self._not_applied.append(pair.migration.stem)
            # What ran of a -- no-transaction file stays.
            usable = not isinstance(pair.up, Half) or pair.up.file.transactional
        if refused is not None and trial.reason is not Reason.UP:
            trial.problem(Reason.UP_ON_ROWS, "up, on generated rows", [str(refused)])
            trial.problems.insert(0, trial.problems.pop())
        self._next = position + 1
        if usable:
            self._seed.run(self._database.session)
            found = self._prepare(trial, fill=True)
            trial.problem(Reason.RESTORE, "backup above it", found)
        return usable

    def _run_trial(self, trial: Trial) -> bool:
        """Leave the migration applied; say whether the database is as it should be.

        UpError when the migration does not run.
        """
        up, down = trial.pair.up, trial.pair.down
        if isinstance(up, SqlpairError):
            raise UpError(up)
        if isinstance(down, SqlpairError):
            trial.problem(Reason.FILES, "down", [str(down)])
            self._up(up)
            return True
        shared = self._driver.is_shared(up.file.text + "\n" + down.file.text)
        if self._copy is None or shared:
            self._drop_copy()
            add_rows = partial(self._add_rows, remember=True)
            here = self._database
            trial.run(up, down, here, here.state(), add_rows)
            return trial.accepts_rows and not trial.problems
        add_rows = partial(self._add_rows, remember=False)
        trial.run(up, down, self._copy, self._copied, add_rows)
        self._drop_copy()
        self._up(up)
        found = schema_differences(self._database.schema(), trial.above)
        trial.problem(Reason.RESTORE, "up, restored", found)
        return True

    def _up(self, up: Half | SqlpairError) -> None:
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

    def _add_rows(self, session: Session, *, remember: bool) -> None:
        self._seed.run(session, remember=remember)
        self._filler.add(session, self._next + 1, only_empty=self._seed.exists)

    def _prepare(self, trial: Trial, *, fill: bool) -> list[str]:
        """Make rows and a copy for the next trial; say how the copy differs.

        What was said before is not said again.
        """
        self._drop_copy()
        self._prepared = True
        if fill:
            unfillable = self._filler.fill(
                self._database.session, self._next + 1, only_empty=self._seed.exists
            )
            told = {*map(str, unfillable)} - self._unfillable
            self._unfillable |= told
            trial.notes += sorted(told)
            self._filled = True
        try:
            self._copy = self._copies.enter_context(self._database.copy())
        except SqlpairError as error:
            key, found = error.what, [str(error)]
        else:
            key = ""
            expected, actual = self._database.state(), self._copy.state()
            self._copied = actual
            found = schema_differences(expected, actual)
            found = found or row_differences(expected, actual)
        new = [line for line in found if (key or line) not in self._not_restored]
        self._not_restored = {key} if key else {*found}
        return new

    def _drop_copy(self) -> None:
        self._copies.close()
        self._copy = None
        self._prepared = False
