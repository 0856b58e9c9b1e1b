"""A deployment: one run that moves databases, all of them or none.

    survey    read every database, change nothing, plan; nothing to do ends here
    lock      every database that will change, then survey and plan again
    check     read and check every SQL file and revision module of the plan
    run       stage by stage; a stage is one transaction in each of its databases

With ``transaction = deployment`` everything is one stage; with ``transaction =
migration`` each migration is one. A ``-- no-transaction`` file is always its own.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from sqlpair import commit, ledger, loss, revisions, sqlfile, version
from sqlpair.branch import Branch, branches, current
from sqlpair.drivers import Report, Session, Table, driver_of
from sqlpair.errors import DataLossError, HistoryError
from sqlpair.journal import Journal
from sqlpair.migration import Migration
from sqlpair.settings import Settings
from sqlpair.sqlfile import SqlFile

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext


class Place(NamedTuple):
    """Where a database is: its branch, what it says of itself, its position."""

    branch: Branch
    state: ledger.State
    position: int

    @property
    def head(self) -> str:
        """The last applied migration, or base."""
        if not self.position:
            return "base"
        return self.branch.migrations[self.position - 1].stem


class Step(NamedTuple):
    """One migration, in one direction, on one database."""

    branch: Branch
    migration: Migration
    upgrade: bool

    @property
    def direction(self) -> str:
        """``upgrade`` or ``downgrade``."""
        return "upgrade" if self.upgrade else "downgrade"

    def __str__(self) -> str:
        """Name the database and the migration."""
        return f"{self.branch.name} {self.migration.stem}"


class Ready(NamedTuple):
    """A step whose file and revision module were read and checked."""

    step: Step
    file: SqlFile
    module: ModuleType


class Done(NamedTuple):
    """A step that was run, and how long it took."""

    step: Step
    milliseconds: int


class Outcome(NamedTuple):
    """What a deployment did, and where the databases are afterwards.

    ``deployment`` is empty when there was nothing to do.
    """

    deployment: str
    done: tuple[Done, ...]
    places: Mapping[str, Place]

    @property
    def version(self) -> int:
        """The schema version: every migration up to this number is applied."""
        return reached(self.places)

    @property
    def summary(self) -> str:
        """One line for a person."""
        heads = ", ".join(
            f"{name} is at {place.head}" for name, place in self.places.items()
        )
        start = f"Deployment {self.deployment}" if self.deployment else "Nothing to do"
        return f"{start}: {heads}; schema version {self.version}"


Places = Mapping[str, Place]
# Given where every database is, say where each one concerned is to go. Called once
# before the locks are taken and once after.
Targets = Callable[[Places], Mapping[str, int]]
# The bookkeeping to write in one database; no SQL file runs.
Writing = Callable[[Place, Table, ledger.Entry], str]


def survey(
    known: Sequence[Branch],
    report: Report,
    resources: ExitStack,
    *,
    locate: Callable[[Branch, ledger.State], int] = current,
) -> dict[str, Place]:
    """Read where every database is. Creates nothing.

    Connections stay open until ``resources`` closes, and so does an embedded server.
    """
    places = {}
    for branch in known:
        session = driver_of(branch.database).connect(
            branch.database, read_only=True, report=report
        )
        state = ledger.EMPTY
        if session is not None:
            resources.callback(session.close)
            state = ledger.read(session)
        places[branch.name] = Place(branch, state, locate(branch, state))
    return places


def plan(places: Places, targets: Mapping[str, int]) -> tuple[Step, ...]:
    """Return the steps that lead from ``places`` to ``targets``, in their order.

    Upgrades run in the order of their numbers across databases, downgrades in the
    opposite one.
    """
    ups: list[Step] = []
    downs: list[Step] = []
    for name, (branch, _, position) in places.items():
        target = targets.get(name, position)
        ups += [
            Step(branch, m, upgrade=True) for m in branch.migrations[position:target]
        ]
        downs += [
            Step(branch, m, upgrade=False) for m in branch.migrations[target:position]
        ]
    ups.sort(key=lambda step: step.migration.number)
    downs.sort(key=lambda step: step.migration.number)
    return (*reversed(downs), *ups)


def deploy(
    settings: Settings,
    targets: Targets,
    report: Report,
    *,
    allow_data_loss: bool = False,
) -> Outcome:
    """Move the databases to where ``targets`` says, all of them or none.

    Raises SqlpairError; the message tells what had been committed by then. A
    downgrade that would lose rows or values is a DataLossError unless allowed.
    """
    known = branches(settings)
    version.refuse_unknown(settings, known)
    with ExitStack() as resources:
        places = survey(known, report, resources)
        if not plan(places, targets(places)):
            version.write(settings, reached(places))
            return Outcome("", (), places)
        with _Run(settings, known, report) as run:
            run.allow_data_loss = allow_data_loss
            run.lock(places, targets)
            return run.migrate(targets)


def stamp(
    settings: Settings, targets: Targets, report: Report, *, method: str, purge: bool
) -> Outcome:
    """Let version table and ledger say what ``targets`` says; run no SQL file.

    With ``purge``, also where the version table names no revision of this checkout.
    """

    def locate(branch: Branch, state: ledger.State) -> int:
        known = [branch.position(name) for name in state.revisions]
        if None in known and not purge:
            current(branch, state)  # says so
        return max((position or 0 for position in known), default=0)

    known = branches(settings)
    with ExitStack() as resources:
        places = survey(known, report, resources, locate=locate)
        with _Run(settings, known, report, locate=locate) as run:
            run.lock(places, targets)
            goals = targets(run.places)

            def writing(place: Place, table: Table, entry: ledger.Entry) -> str:
                kept = [
                    (item, _checksum(item))
                    for item in place.branch.migrations[: goals[place.branch.name]]
                ]
                return ledger.stamped(table, kept, entry)

            return run.record(goals, writing, method)


def record_only(
    settings: Settings,
    targets: Targets,
    writing: Writing,
    report: Report,
    *,
    method: str,
) -> Outcome:
    """Write bookkeeping to the databases that ``targets`` names; nothing moves."""
    known = branches(settings)
    with ExitStack() as resources:
        places = survey(known, report, resources)
        with _Run(settings, known, report) as run:
            run.lock(places, targets)
            return run.record(targets(run.places), writing, method)


def reached(places: Places) -> int:
    """Return the schema version that ``places`` amounts to."""
    return version.reached(
        {name: [row.number for row in p.state.applied] for name, p in places.items()},
        [place.branch for place in places.values()],
    )


def _identifier() -> str:
    """Return a deployment's id; ids sort by time."""
    now = datetime.now(UTC).isoformat("T", "milliseconds")
    return f"{re.sub('[-:]', '', now[:23])}Z-{secrets.token_hex(3)}"


class _Run:
    """One deployment, from its locks to its last line in the log."""

    def __init__(
        self,
        settings: Settings,
        known: Sequence[Branch],
        report: Report,
        *,
        locate: Callable[[Branch, ledger.State], int] = current,
    ):
        self.settings = settings
        self.known = known
        self.report = report
        self.locate = locate
        self.id = _identifier()
        self.journal = Journal(settings.log_file, self.id)
        self.places: dict[str, Place] = {}
        self.sessions: dict[str, Session] = {}
        self.done: list[Done] = []
        self.allow_data_loss = False
        self._resources = ExitStack()

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._resources.close()
        if error is not None:
            self.journal.failed(error)

    def lock(self, places: Places, targets: Targets) -> None:
        """Connect to the databases concerned and lock them, always in one order."""
        self.places = dict(places)
        names = set(targets(places))
        for branch in self.known:
            if branch.name not in names:
                continue
            session = driver_of(branch.database).connect(
                branch.database, read_only=False, report=self.report
            )
            assert session is not None
            self._resources.callback(session.close)
            self.sessions[branch.name] = session
        for session in self.sessions.values():
            session.lock(self.report)
        # Named anew: a deployment that waited for another is the later one.
        self.id = self.journal.deployment = _identifier()
        commit.settle(self.settings, self.sessions, self.report)
        self._survey()

    def migrate(self, targets: Targets) -> Outcome:
        """Plan again, under the locks, then check and run."""
        steps = plan(self.places, targets(self.places))
        if any(step.upgrade for step in steps):
            _refuse_edited(self.places)
        modules = revisions.load(steps)
        ready = [
            Ready(step, _read(step), module)
            for step, module in zip(steps, modules, strict=True)
        ]
        if not self.allow_data_loss:
            _refuse_unknown_loss(ready)
        for number, stage in enumerate(self._stages(ready), start=1):
            self._stage(number, stage)
        return self._finish()

    def record(
        self, targets: Mapping[str, int], writing: Writing, method: str
    ) -> Outcome:
        """Write bookkeeping to the databases of ``targets``, all in one stage."""
        transaction = commit.transaction_id(self.id, 1)
        entry = ledger.Entry(self.id, transaction, method, who=ledger.who())
        involved = [self.sessions[name] for name in targets]
        with commit.rolled_back(involved):
            for name, position in targets.items():
                session = self.sessions[name]
                place = self.places[name]._replace(position=position)
                session.begin()
                ledger.ensure(session)
                session.execute(writing(place, session.table, entry))
                self.journal.line(
                    "ran", database=name, migration=place.head, direction=method
                )
            commit.commit(involved, transaction)
        return self._finish()

    def _survey(self) -> None:
        for name, session in self.sessions.items():
            branch = self.places[name].branch
            state = ledger.read(session)
            self.places[name] = Place(branch, state, self.locate(branch, state))

    def _finish(self) -> Outcome:
        self._survey()
        number = reached(self.places)
        version.write(self.settings, number)
        self.journal.finished(number)
        return Outcome(self.id, tuple(self.done), self.places)

    def _stages(self, steps: Sequence[Ready]) -> Iterator[list[Ready]]:
        stage: list[Ready] = []
        for ready in steps:
            alone = not ready.file.transactional
            if stage and (alone or self.settings.transaction == "migration"):
                yield stage
                stage = []
            stage.append(ready)
            if alone:
                yield stage
                stage = []
        if stage:
            yield stage

    def _stage(self, number: int, stage: Sequence[Ready]) -> None:
        """Run ``stage`` in one transaction for each database, and commit them."""
        transaction = commit.transaction_id(self.id, number)
        names = {ready.step.branch.name for ready in stage}
        involved = [s for name, s in self.sessions.items() if name in names]
        contexts = {name: self._context(self.sessions[name]) for name in names}
        done: list[Done] = []

        def run() -> None:
            done.clear()
            for step, file, module in stage:
                session = self.sessions[step.branch.name]
                began = time.monotonic()
                revisions.run(
                    step,
                    module,
                    contexts[step.branch.name],
                    partial(session.run, sqlfile.statements(file), file.path),
                )
                milliseconds = round((time.monotonic() - began) * 1000)
                if not file.transactional:
                    self._begin(involved)
                session.reset()
                entry = ledger.Entry(
                    self.id, transaction, step.direction, milliseconds, ledger.who()
                )
                session.execute(record(step, file.checksum, session.table, entry))
                done.append(Done(step, milliseconds))

        with commit.rolled_back(involved):
            if stage[0].file.transactional:
                self._begin(involved)
            if stage[0].step.upgrade or self.allow_data_loss:
                run()
            else:
                loss.guard(involved, run)
            commit.commit(involved, transaction)
        for item in done:
            self.journal.step(item.step, item.milliseconds)
        self.done += done

    @staticmethod
    def _begin(sessions: Sequence[Session]) -> None:
        for session in sessions:
            session.begin()
            ledger.ensure(session)

    @staticmethod
    def _context(session: Session) -> MigrationContext:
        # For a module that does more than its pair, with Alembic's op.
        from alembic.runtime.migration import MigrationContext

        return MigrationContext.configure(session.alembic_connection())


def _refuse_unknown_loss(steps: Sequence[Ready]) -> None:
    for step, file, _ in steps:
        if not step.upgrade and not file.transactional:
            raise DataLossError(
                f"{step}: what its rollback loses cannot be known beforehand",
                [f"{file.path.name} is -- no-transaction: no trial can be undone"],
                loss.REMEDY,
            )


def record(step: Step, checksum: str, table: Table, entry: ledger.Entry) -> str:
    """Return the SQL that records ``step``, whose file has ``checksum``."""
    if step.upgrade:
        return ledger.applied(table, step.migration, checksum, entry)
    index = step.branch.migrations.index(step.migration)
    below = step.branch.migrations[index - 1] if index else None
    return ledger.undone(table, step.migration, below, entry)


def _checksum(item: Migration) -> str:
    return sqlfile.checksum(item.up.read_bytes())


def _read(step: Step) -> SqlFile:
    path = step.migration.up if step.upgrade else step.migration.down
    return sqlfile.read(path, driver_of(step.branch.database).split)


def _refuse_edited(places: Places) -> None:
    for place in places.values():
        for row, item in zip(
            place.state.applied, place.branch.migrations, strict=False
        ):
            if not row.checksum:
                continue
            now = _checksum(item)
            if now != row.checksum:
                raise HistoryError(
                    f"{place.branch.name} {item.stem}: the SQL file was edited after it"
                    " was applied",
                    [
                        f"recorded {row.checksum[:12]} on {row.applied_at[:10]};"
                        f" the file is now {now[:12]}"
                    ],
                    "Restore the file and put the change in a new migration, or run:"
                    " make repair",
                )
