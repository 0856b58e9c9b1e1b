"""Run one migration: its SQL file, through its revision module, in one session.

Everything that runs migrations runs them here: a deployment, a scratch database, the
proof and the dry run. They differ in what they do before, and in how the transaction
ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from sqlpair import progress
from sqlpair.databases.driver import driver_of
from sqlpair.errors import SqlFileError
from sqlpair.project import sql_file
from sqlpair.project.sql_file import SqlFile
from sqlpair.project.variables import NONE
from sqlpair.runner import revision_modules
from sqlpair.runner.steps import Step
from sqlpair.runner.two_phase import rolled_back

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session
    from sqlpair.errors import SqlpairError


class Ready(NamedTuple):
    """A step whose SQL file and revision module were read and checked."""

    step: Step
    file: SqlFile
    module: ModuleType


def read(steps: Sequence[Step]) -> list[Ready]:
    """Read the file and the module of each step, before anything runs.

    SqlFileError names every file that cannot run, HistoryError the first module.
    """
    modules = revision_modules.load(steps)
    ready, faults = [], []
    for step, module in zip(steps, modules, strict=True):
        try:
            ready.append(Ready(step, read_file(step), module))
        except SqlFileError as fault:
            faults.append(fault)
    if faults:
        raise together(faults)
    refuse_missing(ready)
    return ready


def refuse_missing(steps: Iterable[Ready]) -> None:
    """Raise SettingsError where variables of files have no value, naming all."""
    where: dict[str, list[str]] = {}
    values = NONE
    for step, file, _ in steps:
        values = step.branch.database.values
        for name in file.used:
            path = file.path.relative_to(step.branch.database.sql)
            where.setdefault(name, []).append(f"{step.branch.name} {path}")
    if error := values.missing(where):
        raise error


def together(faults: Sequence[SqlFileError]) -> SqlFileError:
    """Return one error for all the files that cannot run."""
    if len(faults) == 1:
        return faults[0]
    remedies = dict.fromkeys(fault.remedy for fault in faults)
    if any(fault.header for fault in faults):
        remedies["sqlpair revisions --adapt puts that line where it is needed."] = None
    return SqlFileError(
        f"{len(faults):,} files cannot run as they are",
        [fault.what for fault in faults],
        "\n".join(remedies) + "\nNothing was changed.",
    )


def read_file(step: Step) -> SqlFile:
    """Read the SQL file of a step: the migration's, or its rollback's."""
    path = step.migration.up if step.upgrade else step.migration.down
    file = sql_file.read(path, driver_of(step.branch.database).split)
    if step.migration.repeatable and not file.transactional:
        raise SqlFileError(
            f"{step}: a repeatable file is never -- no-transaction",
            ["what ran of it before a failure could not be undone"],
            "Put what needs that into a numbered migration.",
        )
    return file


def of_pair(step: Step, file: SqlFile) -> Ready:
    """Return a step that runs ``file`` and has no revision module of its own."""
    return Ready(step, file, revision_modules.of_pair(step))


class Runner:
    """Runs migrations in one session.

    Make it when their modules are read, and while no transaction is open: what Alembic
    needs of the session would end it.
    """

    def __init__(self, session: Session):
        self.session = session
        self.left: SqlpairError | None = None
        """What a ``-- no-transaction`` file left broken, to be raised once recorded."""
        self._alembic = revision_modules.context(session)

    @property
    def runs_python(self) -> bool:
        """Whether a revision module may do more than to run its SQL file."""
        return self._alembic is not None

    def run(self, ready: Ready, execute: Callable[[], None] | None = None) -> int:
        """Run a migration in the open transaction; return its milliseconds.

        A ``-- no-transaction`` file runs outside one, and a transaction is open
        afterwards. The session's settings are put back, so that the next migration
        finds what this one found. ``execute`` runs the file's statements in another
        way. StatementError names the line that failed; nothing is rolled back here.
        """
        session, file = self.session, ready.file
        put_back = execute is None and not self.runs_python  # as session.run does
        began = time.monotonic()
        revision_modules.run(
            ready.step,
            ready.module,
            self._alembic,
            execute or (lambda: self._run(file)),
        )
        milliseconds = round((time.monotonic() - began) * 1000)
        if not file.transactional:
            session.begin()
        if not put_back:
            session.reset()
        return milliseconds

    def _run(self, file: SqlFile) -> None:
        session = self.session
        if file.transactional:
            session.run(sql_file.together(file), file.path)
        else:
            # Each statement that was done stays: one at a time.
            statements = sql_file.statements(file)
            driver = driver_of(session.database)
            self.left = driver.run_alone(session, statements, file.path)

    def raise_left(self) -> None:
        """Raise what a ``-- no-transaction`` file left broken, once it is recorded."""
        if self.left is not None:
            self.left.add("committed and recorded: it is -- no-transaction")
            raise self.left

    def apply(self, ready: Ready) -> None:
        """Run a migration in a transaction of its own, and commit it."""
        with self.transaction(ready):
            self.session.check()
        self.raise_left()

    @contextmanager
    def transaction(self, ready: Ready) -> Iterator[None]:
        """Run a migration in a transaction, which is committed behind the block.

        What a deployment may leave open between two migrations may stay open.
        """
        with rolled_back([self.session]):
            if ready.file.transactional:
                self.session.begin()
            stem = ready.step.migration.stem
            with progress.task(stem, ready.file.total, "statement"):
                self.run(ready)
            yield
            self.session.commit()
