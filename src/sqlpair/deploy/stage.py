"""A stage: steps that commit together, in one transaction of each of their databases.

With ``transaction = deployment`` a deployment is one stage, with ``transaction =
migration`` each migration is one. A ``-- no-transaction`` file is always its own: it
runs outside, and the transaction only records it. Repeatable files are the last stage,
or the end of it.

Downwards, what repeatable files made is dropped, and their earlier texts run, twice.
First, so that they let go of what the rollbacks take away: a view of a new column. One
that fails then is passed over. And last, when the schema is the one they ran on. Where
one fails, as CREATE OR REPLACE takes no column away, what its file made is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session, UnpreparableError
from sqlpair.databases.retry import retried
from sqlpair.deploy import records_guard
from sqlpair.deploy.left_in_place import SchemaWatch
from sqlpair.errors import Interrupted, SqlpairError, StatementError
from sqlpair.ledger import repeatable, tables, write_sql
from sqlpair.ledger.applied_files import AppliedFiles
from sqlpair.ledger.tables import Records, TableColumns
from sqlpair.project.migrations import Migration
from sqlpair.runner import applied_files, data_loss, two_phase
from sqlpair.runner import repeatable as runner_repeatable
from sqlpair.runner.migration import Ready, Runner
from sqlpair.runner.repeatable import ReadyRepeat
from sqlpair.runner.steps import Done, Step, record, told

SAVEPOINT = "sqlpair_earlier"


class DeploymentOptions(NamedTuple):
    """What a command asks of its deployment, besides where the databases are to go.

    A downgrade that would lose rows or values is refused unless ``allow_data_loss``,
    and a database that is not there unless ``create`` (see ``deploy/unrecorded.py``).
    ``recorded`` are the steps it takes, where they do not come from files.
    """

    report: Report
    allow_data_loss: bool = False
    backup_first: bool = False
    create: bool = False
    recorded: tuple[Ready, ...] = ()


class Stage:
    """See above; ``sessions`` are those of all databases, by name."""

    def __init__(
        self,
        steps: Sequence[Ready],
        sessions: Mapping[str, Session],
        there: Mapping[str, TableColumns],
        work: DeploymentOptions,
        repeats: Sequence[ReadyRepeat] = (),
        before: Sequence[ReadyRepeat] = (),
        recorded: Mapping[str, int] = MappingProxyType({}),
    ):
        """``there`` is what databases have of their ledger, those that may lack some.
        ``recorded`` is how many migrations each ledger is to name afterwards.

        ``repeats`` run behind the steps, and are recorded. ``before`` are those that
        run before rollbacks, in databases that the stage moves.
        """
        self.steps = tuple(steps)
        self.repeats = tuple(repeats)
        self._there = there
        self._recorded = recorded
        self._last: dict[str, str] = {}
        self._work = work
        everything = [*steps, *(one.ready for one in repeats)]
        self._upwards = everything[0].step.upgrade
        self.transactional = everything[0].file.transactional
        names = {step.branch.name for step, _, _ in everything}
        self._before = [
            one
            for one in before
            if self.transactional and one.ready.step.branch.name in names
        ]
        texts = ((one.undo, one.replaced, one.ready) for one in self._before)
        self._files = [*everything, *(r for each in texts for r in each if r)]
        self.sessions = [s for name, s in sessions.items() if name in names]
        self._runners = {
            session.database.name: Runner(session) for session in self.sessions
        }

    def explain(self, error: SqlpairError | Interrupted) -> None:
        """Say it where a file has dropped or changed what records that it ran."""
        records_guard.explain(error, [s.table for s in self.sessions])

    @property
    def heads(self) -> dict[str, Migration | None]:
        """Where each of its databases is afterwards: its last migration, or base."""
        return {
            one.repeat.step.branch.name: one.repeat.step.branch.head_at(
                one.repeat.step.migration.number
            )
            for one in self.repeats
        } | {
            step.branch.name: step.migration if step.upgrade else step.below
            for step, _, _ in self.steps
        }

    def run(self, deployment: str, transaction: str) -> list[Done]:
        """Run the steps and commit them; SqlpairError when they are rolled back."""
        report = self._work.report
        entry = write_sql.Entry(
            deployment,
            transaction,
            "",
            who=tables.who(),
            databases=tables.goal(self.heads),
        )
        if not self.transactional:
            return self._attempt(entry)
        pause = max(session.database.lock_timeout for session in self.sessions)
        try:
            return retried(lambda: self._attempt(entry), pause, report)
        except UnpreparableError as error:
            reason = "; ".join([error.what, *error.evidence])
            report(f"{reason}. Running it again, to commit without preparing")
            return retried(
                lambda: self._attempt(entry, prepare=False),
                pause,
                report,
            )

    def _attempt(self, entry: write_sql.Entry, *, prepare: bool = True) -> list[Done]:
        done: list[Done] = []

        def run() -> None:
            done.clear()
            done.extend(self._steps(entry))

        with two_phase.rolled_back(self.sessions):
            if self.transactional:
                self._begin()
            if self._guarded:
                texts = [(step.branch.name, file.text) for step, file, _ in self._files]
                data_loss.guard(self.sessions, texts, run)
            else:
                run()
            last = dict(self._last)
            for session in self.sessions if self.transactional else ():
                name = session.database.name
                guard = records_guard.sql(session.table, self._recorded[name])
                last[name] = last.get(name, "") + guard
            two_phase.commit(
                self.sessions, entry.transaction, prepare=prepare, last=last
            )
        for runner in self._runners.values():
            runner.raise_left()
        return done

    @property
    def _guarded(self) -> bool:
        # Outside a transaction, check lets through only what surely loses nothing.
        return self.transactional and not (self._work.allow_data_loss or self._upwards)

    def _begin(self) -> None:
        for session in self.sessions:
            session.begin(self._tables(session))

    def _tables(self, session: Session) -> str:
        """Return the SQL that makes what the bookkeeping of a database lacks."""
        name, sql = session.database.name, ""
        if name in self._there:
            sql = tables.missing(session.table, self._there[name])
        if any(one.ready.step.branch.name == name for one in self.repeats):
            sql += repeatable.table(session.table)
        return sql

    def _steps(self, entry: write_sql.Entry) -> Iterator[Done]:
        sessions = {session.database.name: session for session in self.sessions}
        ran: dict[str, list[tuple[Step, AppliedFiles, write_sql.Entry]]] = {
            name: [] for name in sessions
        }
        for one in self._before:
            if one.undo:
                self._try(one.undo)
            self._try_replacing(one)
        for ready in self.steps:
            step, file, _ = ready
            files = applied_files.of_ready(ready)
            runner = self._runners[step.branch.name]
            names_records = records_guard.names(file, runner.session)
            if runner.runs_python or names_records:
                _record(ran, runner.session)
            watch = SchemaWatch(runner.session, ready)
            before = tables.read(runner.session) if names_records else None
            with told(step, file.total, self._work.report):
                milliseconds = runner.run(ready)
            if before and self.transactional:
                records_guard.refuse_edited(step, before, runner.session)
            if not self.transactional:
                for session in self.sessions:
                    session.execute(self._tables(session))
            own = entry._replace(
                method=step.direction, milliseconds=milliseconds, at=write_sql.moment()
            )
            ran[step.branch.name].append((step, files, own))
            yield Done(step, milliseconds, watch.left())
        # All at once: the rows live or die together, as their migrations do.
        self._last = {
            name: record(steps, sessions[name].table)
            for name, steps in ran.items()
            if steps
        }
        if self.repeats:
            for name, sql in self._last.items():
                sessions[name].execute(sql)
            self._last = {}
        yield from self._repeat(entry)

    def _repeat(self, entry: write_sql.Entry) -> Iterator[Done]:
        """Run the repeatable files, and record them."""
        dropped: dict[Session, set[str]] = {}
        for one in self.repeats:
            step, file, _ = one.ready
            runner = self._runners[step.branch.name]
            session = runner.session
            droppable = driver_of(session.database).droppable
            there = {*droppable(session)} if step.upgrade else set()
            if one.undo and isinstance(left := self._try(one.undo), StatementError):
                self._work.report(f"{step}: what it made stays: {left.what}")
            with told(step, file.total, self._work.report):
                took = (
                    self._try_replacing(one) if one.replaced else runner.run(one.ready)
                )
                if isinstance(took, StatementError):
                    raise took
            made = droppable(session) if step.upgrade else ()
            own = entry._replace(
                method=step.direction, milliseconds=took, at=write_sql.moment()
            )
            drops = [drop for drop in made if drop not in there]
            dropped[session] = dropped.get(session, set()) | (there - {*made})
            session.execute(
                runner_repeatable.record([(one, drops, own)], session.table)
            )
            yield Done(step, took)
        for session, lost in dropped.items() if self.transactional else ():
            runner_repeatable.refuse_dropped(self.repeats, session, lost)

    def _try_replacing(self, one: ReadyRepeat) -> int | StatementError:
        """Try its text, and where that fails, without what its file made before."""
        took = self._try(one.ready)
        if isinstance(took, int) or one.replaced is None:
            return took
        again = self._try(one.replaced, one.ready)
        if isinstance(again, StatementError):
            return took
        self._work.report(
            f"{one.ready.step}: what it made was dropped first, for the text before"
            " does not replace it; what others granted on it goes, too"
        )
        return again

    def _try(self, *texts: Ready) -> int | StatementError:
        """Run texts in a savepoint; return milliseconds, or why they were undone."""
        runner = self._runners[texts[0].step.branch.name]
        session = runner.session
        session.execute(f"SAVEPOINT {SAVEPOINT}")
        found: int | StatementError
        try:
            found = sum(map(runner.run, texts))
        except StatementError as error:
            if error.retry:
                raise
            found = error
            session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            session.reset()
        session.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        return found


def _record(
    ran: Mapping[str, list[tuple[Step, AppliedFiles, write_sql.Entry]]],
    session: Session,
) -> None:
    """Record what ``ran`` on the session's database and is not recorded yet."""
    steps = ran[session.database.name]
    if steps:
        session.execute(record(steps, session.table))
        steps.clear()


def stages(
    steps: Iterable[Ready],
    repeats: Sequence[ReadyRepeat],
    sessions: Mapping[str, Session],
    transaction: str,
    work: DeploymentOptions,
    records: Mapping[str, Records],
) -> list[Stage]:
    """Part what is to run into stages; ``transaction`` is the setting of that name.

    ``records`` is what each database says of itself before.
    """
    parts: list[list[Ready]] = []
    for ready in steps:
        together = (
            parts
            and transaction == "deployment"
            and ready.file.transactional
            and parts[-1][-1].file.transactional
        )
        if together:
            parts[-1].append(ready)
        else:
            parts.append([ready])
    alone = not parts or transaction != "deployment"
    if repeats and (alone or not parts[-1][-1].file.transactional):
        parts.append([])
    made = []
    there = {name: state.there for name, state in records.items()}
    numbers = {
        name: {row.number for row in state.applied} for name, state in records.items()
    }
    downward = [one for one in repeats if not one.repeat.step.upgrade]
    for part in parts:
        own = repeats if part is parts[-1] else ()
        before = downward if part else ()
        for step, _, _ in part:
            own_numbers = numbers[step.branch.name]
            (own_numbers.add if step.upgrade else own_numbers.discard)(
                step.migration.number
            )
        recorded = {name: len(known) for name, known in numbers.items()}
        made.append(Stage(part, sessions, dict(there), work, own, before, recorded))
        for step, _, _ in part:
            there.pop(step.branch.name, None)
    return made
