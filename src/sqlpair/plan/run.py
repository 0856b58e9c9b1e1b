"""The dry run of one database: its migrations in one transaction, rolled back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlpair import progress
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.databases.observer import Lock, Observed
from sqlpair.errors import SqlpairError
from sqlpair.ledger import tables
from sqlpair.plan.limit import Limit
from sqlpair.plan.losses import ObjectLoss, losses, may_lose
from sqlpair.plan.report import Held, StepResult, Undo
from sqlpair.project import sql_file
from sqlpair.project.settings import Settings
from sqlpair.runner.migration import Ready, Runner, read_file
from sqlpair.schema.model import Schema, difference

if TYPE_CHECKING:
    from sqlpair.project.sql_file import SqlFile
    from sqlpair.project.statement import Statement

SAVEPOINT = "sqlpair_rollback"
# What an error names: relation "a.b" does not exist; no such table: a.b
_NAMED = re.compile(r"""["'«»„“”](.+?)["'«»„“”]|: (\S+)$""", re.MULTILINE)


class DatabaseDryRun:
    """One database, between its lock and its rollback."""

    def __init__(self, session: Session, settings: Settings, report: Report):
        self.name = session.database.name
        self.found: list[StepResult] = []
        self.notes: list[str] = []
        self.failed = False
        self._session = session
        self._report = report
        self._observer = driver_of(session.database).observer(session)
        self._limit = Limit(settings.plan_lock_limit, self._observer.cancel)
        self._commits = settings.transaction == "migration"
        self._runner = Runner(session)
        self._since: dict[Lock, float] = {}
        self._ended = 0.0
        self._skipped = ""  # the last migration that was not run
        self._not_run: list[Ready] = []
        self._over = ""  # why nothing more is run, though nothing failed

    def steps(self, ready: Sequence[Ready]) -> None:
        """Run the migrations of ``ready`` in one transaction, and roll it back."""
        session = self._session
        self._observer.begin()
        session.begin()
        try:
            tables.ensure(session)
            schema = session.schema()
            for item in ready:
                self._report(f"Dry run of {item.step}")
                schema = self._step(item, schema)
            if not self.failed:
                session.check()
        except SqlpairError as error:
            self.failed = True
            if left := ready[len(self.found) :]:  # not even the ledger can be made
                self.found += [StepResult(i.step, f"not run: {error}") for i in left]
            else:
                self.notes.append(f"{self.name}: the commit would be refused: {error}")
        finally:
            self._limit.stop()
            session.rollback()
            self._ended = time.monotonic()
            moved = self._observer.moved()
        if self._observer.note:
            self.notes.append(f"{self.name}: {self._observer.note}")
        self.notes += [f"{self.name}: {line}" for line in moved]

    def held(self) -> list[Held]:
        """Return the strong locks on tables, and how long each was held."""
        return [
            Held(self.name, lock, round((self._ended - since) * 1000))
            for lock, since in self._since.items()
        ]

    def _step(self, item: Ready, before: Schema) -> Schema:
        """Run one migration and its rollback; return the schema above it."""
        step, file, _ = item
        if self.failed:
            self.found.append(StepResult(step, f"not run: {self._skipped} failed"))
            return before
        if self._over:
            self.failed = True
            self._skipped = step.migration.stem
            self.found.append(StepResult(step, f"not run: {self._over}"))
            return before
        if not file.transactional:
            self._skipped = step.migration.stem
            self._not_run.append(item)
            reason = "not run: it is -- no-transaction, and could not be rolled back"
            self.found.append(StepResult(step, reason))
            return before
        observed: list[Observed] = []
        try:
            lost = self._losses(item, before)
            milliseconds = self._execute(item, observed)
            _assert_recorded(self._session)
            after = self._session.schema()
            undo = None
            if not step.migration.repeatable:
                undo = self._undo(item, before, after)
        except SqlpairError as error:
            self.failed = True
            reason = self._told(error)
            self._skipped = step.migration.stem
            self.found.append(StepResult(step, reason, 0, tuple(observed)))
            return before
        changes = difference(before, after)
        self.found.append(
            StepResult(step, "", milliseconds, tuple(observed), changes, undo, lost)
        )
        return after

    def _losses(self, item: Ready, before: Schema) -> tuple[ObjectLoss, ...] | None:
        """Run the migration in a savepoint first, and count what it deletes.

        None where the time limit ended that.
        """
        session, file = self._session, item.file
        exists = any(key.kind == "table" for key in before)
        if not exists or not may_lose(sql_file.statements(file)):
            return ()

        def run() -> None:
            self._runner.run(item, self._unobserved(file))

        self._limit.start()
        session.execute(f"SAVEPOINT {SAVEPOINT}")
        lost: tuple[ObjectLoss, ...] | None = ()
        failure = None
        try:
            lost, _ = losses(session, before, file.text, run)
        except SqlpairError as error:
            failure = error  # the run below fails too, and is reported
        if self._limit.expired:
            self._limit.stop()
            lost = None
        _undo_savepoint(session, failure)
        strong = self._observer.strong()
        if lost is None and not strong:
            # Nobody is kept out any more, and the migration alone may be in time.
            self._limit = Limit(self._limit.seconds, self._observer.cancel)
        self._keep_time(strong)
        return lost

    def _told(self, error: SqlpairError) -> str:
        if self._limit.expired:
            strong = ", ".join(f"{lock.mode} on {lock.table}" for lock in self._since)
            return (
                f"stopped: it would have kept others out for more than"
                f" {self._limit.seconds:g} s (plan_lock_limit)"
                + (f", with {strong}" if strong else "")
                + f"\n{error.what}"
                "\nRun it on a restored backup, or raise plan_lock_limit."
            )
        if needed := self._needed(error):
            return f"{error}\nIt may need {needed}, which was not run."
        if self._commits and self.found:
            return (
                f"{error}\nIt may need {self.found[-1].step.migration.stem} committed:"
                " a deployment does that here (transaction = migration), a dry run"
                " cannot."
            )
        return str(error)

    def _needed(self, error: SqlpairError) -> str:
        """Name the first migration not run that speaks of what the error names."""
        names = [first or last for first, last in _NAMED.findall(error.what)]
        for item in self._not_run:
            for name in names:
                word = re.escape(name.rpartition(".")[2])
                if re.search(rf"\b{word}\b", item.file.text, re.IGNORECASE):
                    return item.step.migration.stem
        return self._skipped

    def _unobserved(self, file: SqlFile) -> Callable[[], None]:
        """Return what runs a file whose statements are not to be reported."""

        def run() -> None:
            for statement in sql_file.statements(file):
                self._observer.run_unobserved(statement, file.path)

        return run

    def _execute(self, item: Ready, observed: list[Observed]) -> int:
        def run() -> None:
            # One by one, so that those before a failure are kept.
            observed.extend(self._one(s, item) for s in sql_file.statements(item.file))

        with progress.task(str(item.step), item.file.total, "statement"):
            return self._runner.run(item, run)

    def _one(self, statement: Statement, item: Ready) -> Observed:
        began = time.monotonic()
        self._limit.start()
        observed = self._observer.run(statement, item.file.path)
        strong = self._observer.strong()
        for lock in strong:
            self._since.setdefault(lock, began)
        self._keep_time(strong)
        return observed

    def _keep_time(self, strong: Sequence[Lock]) -> None:
        if self._limit.expired:
            raise SqlpairError(f"{self.name}: the time was over between two statements")
        if not strong:
            self._limit.stop()

    def _undo(self, item: Ready, before: Schema, above: Schema) -> Undo:
        """Run the rollback in a savepoint, and see what goes with it."""
        session, down = self._session, item.step._replace(upgrade=False)
        try:
            file = read_file(down)
        except SqlpairError as error:
            return Undo(refused=str(error))
        if not file.transactional:
            return Undo(unknown="not run: it is -- no-transaction")

        def run() -> None:
            session.check()
            ready = Ready(down, file, item.module)
            self._runner.run(ready, self._unobserved(file))
            _assert_recorded(session)

        self._limit.start()
        session.execute(f"SAVEPOINT {SAVEPOINT}")
        failure = None
        try:
            lost, below = losses(session, above, file.text, run)
            undo = Undo(lost, difference(before, below))
        except SqlpairError as error:
            failure = error
            undo = Undo(refused=str(error))
        if self._limit.expired:
            # The migration itself was in time: only its rollback is not known.
            self._limit.stop()
            self._over = (
                f"more than {self._limit.seconds:g} s (plan_lock_limit) were over"
            )
            undo = Undo(unknown=f"not run to its end: {self._over}")
        _undo_savepoint(session, failure)
        if not self._over:
            self._keep_time(self._observer.strong())
        return undo


def _assert_recorded(session: Session) -> None:
    """SqlpairError where the tables are gone in which a deployment would record it."""
    prefix, names = session.table.prefix, session.table.names
    tables = (names.version, names.ledger, names.history)
    listed = ", ".join(f"{prefix}{name}" for name in tables)
    session.execute(f"SELECT 1 FROM {listed} WHERE 1 = 0")


def _undo_savepoint(session: Session, failure: SqlpairError | None) -> None:
    """Undo what ran in the savepoint, and end it; ``failure`` is what ended that run.

    It is raised where it has ended the whole transaction, as in SQLite a full disk, an
    interrupt and OR ROLLBACK do: no savepoint is left.
    In one that stays open, PostgreSQL makes a type that is not the transaction's own:
    a label that is added to it could not be used, as it can in a deployment.
    """
    try:
        session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
    except SqlpairError as error:
        raise failure or error from error.__cause__
    session.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
