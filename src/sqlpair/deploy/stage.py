"""A stage: steps that commit together, in one transaction of each of their databases.

With ``transaction = deployment`` a deployment is one stage, with ``transaction =
migration`` each migration is one. A ``-- no-transaction`` file is always its own: it
runs outside, and the transaction only records it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlpair.databases import bookkeeping
from sqlpair.databases.interface import Report, Session, UnpreparableError
from sqlpair.databases.retry import retried
from sqlpair.deploy.left_in_place import SchemaWatch
from sqlpair.ledger import tables, write_sql
from sqlpair.ledger.applied_files import AppliedFiles
from sqlpair.project.migrations import Migration
from sqlpair.project.sql_file import SqlFile
from sqlpair.runner import applied_files, data_loss, two_phase
from sqlpair.runner.migration import Ready, Runner
from sqlpair.runner.steps import Done, Step, record, told


class DeploymentOptions(NamedTuple):
    """What a command asks of its deployment, besides where the databases are to go.

    A downgrade that would lose rows or values is refused unless ``allow_data_loss``,
    and a database that is not there unless ``create`` (see ``deploy/absent.py``).
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
        known: Container[str],
        work: DeploymentOptions,
    ):
        """``known`` are databases that an earlier stage has given their ledger."""
        self.steps = tuple(steps)
        self._known = known
        self._work = work
        self.transactional = steps[0].file.transactional
        names = {step.branch.name for step, _, _ in steps}
        self.sessions = [s for name, s in sessions.items() if name in names]
        self._runners = {
            session.database.name: Runner(session) for session in self.sessions
        }

    @property
    def heads(self) -> dict[str, Migration | None]:
        """Where each of its databases is afterwards: its last migration, or base."""
        return {
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
                texts = [(step.branch.name, file.text) for step, file, _ in self.steps]
                data_loss.guard(self.sessions, texts, run)
            else:
                run()
            two_phase.commit(self.sessions, entry.transaction, prepare=prepare)
        for runner in self._runners.values():
            runner.raise_left()
        return done

    @property
    def _guarded(self) -> bool:
        return not (self._work.allow_data_loss or self.steps[0].step.upgrade)

    def _begin(self) -> None:
        for session in self.sessions:
            session.begin()
        self._ensure()

    def _ensure(self) -> None:
        for session in self.sessions:
            if session.database.name not in self._known:
                tables.ensure(session)

    def _steps(self, entry: write_sql.Entry) -> Iterator[Done]:
        sessions = {session.database.name: session for session in self.sessions}
        ran: dict[str, list[tuple[Step, AppliedFiles, write_sql.Entry]]] = {
            name: [] for name in sessions
        }
        for ready in self.steps:
            step, file, _ = ready
            files = applied_files.of_ready(ready)
            runner = self._runners[step.branch.name]
            if runner.runs_python or _reads_records(file):
                _record(ran, runner.session)
            watch = SchemaWatch(runner.session, ready)
            with told(step, file.total, self._work.report):
                milliseconds = runner.run(ready)
            if not self.transactional:
                self._ensure()
            own = entry._replace(
                method=step.direction, milliseconds=milliseconds, at=write_sql.moment()
            )
            ran[step.branch.name].append((step, files, own))
            yield Done(step, milliseconds, watch.left())
        # All at once: the rows live or die together, as their migrations do.
        for session in sessions.values():
            _record(ran, session)


def _reads_records(file: SqlFile) -> bool:
    """Say whether a file may ask what was applied before it, as a script could."""
    return any(name in file.text for name in bookkeeping.TABLES)


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
    sessions: Mapping[str, Session],
    transaction: str,
    work: DeploymentOptions,
) -> list[Stage]:
    """Part ``steps`` into stages; ``transaction`` is the setting of that name."""
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
    made = []
    known: set[str] = set()
    for part in parts:
        made.append(Stage(part, sessions, frozenset(known), work))
        known.update(step.branch.name for step, _, _ in part)
    return made
