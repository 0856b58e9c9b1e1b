"""The schema that a database's SQL files make, built where nothing is lost.

The files run as in a deployment, through their revision modules, each migration in a
transaction of its own: so whatever any deployment accepted, this accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from sqlpair import progress
from sqlpair.databases.interface import Report, Session, driver_of
from sqlpair.ledger import tables
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.runner import revision_modules
from sqlpair.runner.steps import Step

if TYPE_CHECKING:
    from sqlpair.schema.model import Schema


class Scratch:
    """A scratch database, and how far its files have run."""

    def __init__(self, branch: Branch, session: Session):
        self.branch = branch
        self.session = session
        self.position = 0
        self.goal = len(branch.migrations)  # how far it will go in the end

    def build(self, position: int) -> None:
        """Run the files up to ``position``.

        Only ever forwards. SqlFileError, HistoryError or StatementError when they do
        not run.
        """
        assert position >= self.position
        with progress.task(
            f"{self.branch.name}: building the schema",
            self.goal,
            "migration",
        ) as building:
            building.done = self.position
            self._run(self.branch.migrations[self.position : position])
        self.position = position

    def schema(self, position: int) -> Schema:
        """Build up to ``position``, and describe what is there then."""
        self.build(position)
        with self.session.snapshot():
            return self.session.schema()

    def _run(self, migrations: Sequence[Migration]) -> None:
        session = self.session
        split = driver_of(self.branch.database).split
        steps = [Step(self.branch, item, upgrade=True) for item in migrations]
        modules = revision_modules.load(steps)
        context = revision_modules.context(session)
        for step, module in zip(steps, modules, strict=True):
            file = sql_file.read(step.migration.up, split)
            run = session.run if file.transactional else session.run_alone
            execute = partial(run, sql_file.statements(file), file.path)
            if file.transactional:
                session.begin()
            progress.advance()  # of the migrations
            with progress.task(step.migration.stem, file.total, "statement"):
                revision_modules.run(step, module, context, execute)
            if not file.transactional:
                session.begin()
            if context:
                session.reset()
            session.commit()


@contextmanager
def opened(branch: Branch, report: Report) -> Iterator[Scratch]:
    """A scratch database for the files of ``branch``; it goes with the block."""
    files = [item.up for item in branch.migrations]
    driver = driver_of(branch.database)
    with driver.scratch(branch.database, files, report) as session:
        session.lock(report)
        session.begin()
        # A file may speak of these tables, or of all that are there.
        tables.ensure(session)
        session.commit()
        yield Scratch(branch, session)
