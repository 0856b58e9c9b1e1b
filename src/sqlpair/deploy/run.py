"""One deployment while it runs, from its locks to its last line in the log.

enter    lock every database that will change, recover what a dead run left, and
read where each one is
migrate  plan, read and check all of it, then run it stage by stage
record   write bookkeeping only
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType

from sqlpair import ids, progress
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Session
from sqlpair.deploy import left_in_place, recovery, unrecorded
from sqlpair.deploy.check import check
from sqlpair.deploy.stage import DeploymentOptions, Stage, stages
from sqlpair.errors import (
    CommitError,
    DataLossError,
    Interrupted,
    SqlpairError,
    StatementError,
    several,
)
from sqlpair.ledger import tables, version, write_sql
from sqlpair.ledger.log import MigrationLog
from sqlpair.ledger.position import current
from sqlpair.project.branches import Branch
from sqlpair.project.settings import Settings
from sqlpair.runner import repeatable, two_phase
from sqlpair.runner.steps import (
    BranchStatus,
    BranchStatuses,
    Done,
    Outcome,
    Targets,
    Writing,
    plan,
    reached,
)
from sqlpair.signals import raise_pending


class Deployment:
    """One deployment, from its locks to its last line in the log."""

    def __init__(
        self,
        settings: Settings,
        statuses: BranchStatuses,
        targets: Targets,
        work: DeploymentOptions,
        *,
        locate: Callable[[Branch, tables.Records], int] = current,
        opened: Mapping[str, Session] = MappingProxyType({}),
    ):
        """``statuses`` are of all databases, as they were before any was locked.

        ``opened`` are sessions that have read them, for this run to go on with.
        """
        self.settings = settings
        self.targets = targets
        self.work = work
        self.locate = locate
        self.id = ids.new_id()
        self.journal = MigrationLog(settings, self.id, work.report)
        self.statuses: dict[str, BranchStatus] = dict(statuses)
        self.sessions: dict[str, Session] = {}
        self._opened = opened
        self.done: list[Done] = []
        self._resources = ExitStack()

    def __enter__(self) -> Deployment:
        """Lock the databases that ``targets`` concerns, and read where they are."""
        try:
            self._hold()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._resources.close()
        if error is not None:
            self.journal.failed(error)

    def _hold(self) -> None:
        targets = self.targets
        statuses = dict(self.statuses)
        everything = set(statuses)
        # A backup is of all databases, at one version.
        whole = self.work.backup_first or _undecided(statuses)
        names = everything if whole else set(targets(statuses))
        self._refuse_absent(names)
        self._lock(names)
        if names != everything and (
            self._undecided or not set(targets(self.statuses)) <= names
        ):
            # While this run waited, another died, or moved what was none of ours.
            self._resources.close()
            self._lock(everything)
        # One may have gone while this run waited.
        self._refuse_absent(self.sessions)
        # Given a new id: a deployment that waited for another is the later one.
        known = [
            row.deployment
            for status in self.statuses.values()
            for rows in (status.records.applied, status.records.repeated)
            for row in rows
        ]
        self.id = self.journal.deployment = ids.new_id(after=known)
        recovery.refuse_moved(
            statuses,
            self.statuses,
            targets,
            "another deployment ended while this one waited for its locks",
        )
        before = dict(self.statuses)
        recovered: tuple[str, ...] = ()
        if self._undecided:
            recovered = two_phase.recover(self.sessions, self.work.report)
        for sentence in recovered:
            self.journal.line("settled", what=sentence)
        if recovered:
            self._survey()
            recovery.refuse_moved(
                before,
                self.statuses,
                targets,
                "an interrupted deployment was finished first",
                recovered,
            )

    def _refuse_absent(self, names: Container[str]) -> None:
        if not self.work.create:
            unrecorded.refuse_absent(
                self.settings, self.statuses, names, self.work.report
            )

    @property
    def _undecided(self) -> bool:
        """Whether a transaction is in doubt in what is locked."""
        return any(self.statuses[name].undecided for name in self.sessions)

    def _lock(self, names: set[str]) -> None:
        databases = [
            status.branch.database
            for name, status in self.statuses.items()
            if name in names
        ]
        opened, self._opened = self._opened, {}
        self.sessions = two_phase.lock(
            databases, self.work.report, self._resources, self._hear, opened
        )
        self._survey()

    def _hear(self, at: str, message: str) -> None:
        """Pass on what a server says while a migration runs."""
        self.work.report(f"{at}: {message}")
        self.journal.line("notice", at=at, said=message)

    def migrate(self) -> Outcome:
        """Plan again, under the locks, then check and run."""
        work, report = self.work, self.work.report
        goals = recovery.resume(self.statuses, self.targets, report)
        steps = plan(self.statuses, goals)
        repeats = repeatable.plan(self.statuses, goals, self.targets)
        if not steps and not repeats:
            version.write(self.settings, reached(self.statuses))
            self.journal.close()
            return Outcome("", (), self.statuses)
        after = self._after(goals)
        self.journal.begin("started", steps=len(steps) + len(repeats))
        checked = check(
            self.statuses,
            [*steps, *(repeat.step for repeat in repeats if repeat.from_file)],
            allow_data_loss=work.allow_data_loss,
            recorded=work.recorded,
        )
        texts = repeatable.read(repeats, checked, self.sessions)
        ready = checked[: len(steps)]
        self._say_left(left_in_place.without_statements(ready))
        self._say_left(repeatable.told(repeats))
        mode = self.settings.transaction
        records = {name: self.statuses[name].records for name in self.sessions}
        parts = stages(ready, texts, self.sessions, mode, work, records)
        for stage in parts:
            if not stage.transactional:
                for session in stage.sessions:
                    driver_of(session.database).assert_direct(session)
        if len(parts) > 1:
            unrecorded.refuse(self.settings, self.statuses, self.sessions, report)
        if work.backup_first:
            from sqlpair.backup import backup

            folder = backup.before_deployment(self.settings, self.sessions, report)
            self.journal.line("backed-up", folder=folder.name)
        with progress.task("", len(steps) + len(repeats), "migration"):
            for number, stage in enumerate(parts, start=1):
                self._run(stage, two_phase.transaction_id(self.id, number))
        return self._finish(after, [str(step) for step, *_ in self.done])

    def _run(self, stage: Stage, transaction: str) -> None:
        try:
            raise_pending()  # of a signal that came while the stage before committed
            done = stage.run(self.id, transaction)
        except (SqlpairError, Interrupted) as error:
            if self.done:
                before = several([str(step) for step, *_ in self.done])
                error.add(f"committed before it: {before}")
                error.remedy = error.remedy.removeprefix("Nothing was changed. ")
            elif stage.transactional and not isinstance(
                error, CommitError | DataLossError
            ):
                error.add("rolled back: nothing was changed")
            moved = {"", *(step.branch.name for step, *_ in self.done)}
            if not isinstance(error, StatementError):
                stage.explain(error)
            elif error.clash not in moved:
                unrecorded.advise(error, self.statuses, self.sessions)
            raise
        self._say_left(step.left for step in done if step.left)
        self.journal.lines(
            "ran",  # and counts once ``committed`` follows
            (
                {
                    "database": step.branch.name,
                    "migration": step.migration.stem,
                    "direction": step.direction,
                    "ms": milliseconds,
                }
                for step, milliseconds, _ in done
            ),
        )
        self.done += done

    def _say_left(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self.work.report(sentence)
            self.journal.line("left-in-place", what=sentence)

    def record(self, writing: Writing, method: str) -> Outcome:
        """Write bookkeeping to the databases of ``targets``, all in one stage."""
        targets = self.targets(self.statuses)
        result = self._after(targets)
        transaction = two_phase.transaction_id(self.id, 1)
        after = {name: result[name] for name in targets}
        entry = write_sql.Entry(
            self.id,
            transaction,
            method,
            who=tables.who(),
            databases=tables.goal({n: status.migration for n, status in after.items()}),
            at=write_sql.moment(),
        )
        involved = [self.sessions[name] for name in targets]
        with two_phase.rolled_back(involved):
            for name, status in after.items():
                session = self.sessions[name]
                session.begin(tables.missing(session.table, status.records.there))
                session.execute(writing(status, session.table, entry))
            two_phase.commit(involved, transaction)
        for name, status in after.items():
            self.journal.line(
                "ran", database=name, migration=status.head, direction=method
            )
        heads = [f"{name} at {status.head}" for name, status in after.items()]
        return self._finish(result, heads)

    def _survey(self) -> None:
        for name, session in self.sessions.items():
            if session.unchanged:
                continue
            branch = self.statuses[name].branch
            state = tables.read(session)
            self.statuses[name] = BranchStatus(
                branch, state, self.locate(branch, state)
            )

    def _after(self, goals: Mapping[str, int]) -> dict[str, BranchStatus]:
        """Return where everything is once ``goals`` are reached.

        SettingsError where ``.env`` could not say so then.
        """
        after = {
            name: status.moved(goals.get(name, status.position))
            for name, status in self.statuses.items()
        }
        version.refuse_unwritable(self.settings, reached(after))
        return after

    def _finish(self, after: BranchStatuses, committed: Sequence[str]) -> Outcome:
        """End what is ``committed``. No database is asked any more: it might fail."""
        number = reached(after)
        self.journal.line("committed", version=number)
        try:
            version.write(self.settings, number)
        except (SqlpairError, Interrupted) as error:
            told = f"committed: {several(committed)}; schema version {number}"
            error.after("every database has committed", told)
            raise
        self.journal.close()
        return Outcome(self.id, tuple(self.done), after)


def _undecided(statuses: BranchStatuses) -> bool:
    return any(status.undecided for status in statuses.values())
