"""The schema that a database's SQL files make, built where nothing is lost.

The files run as in a deployment, through their revision modules, each migration in a
transaction of its own: so whatever any deployment accepted, this accepts. What is left
dangling between two of them is not judged here: the deployment did that, at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlpair import progress
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.databases.scratch import EmptyDatabase
from sqlpair.ledger import repeatable, tables
from sqlpair.project.branches import Branch
from sqlpair.runner.migration import Ready, Runner, read
from sqlpair.runner.steps import Step

if TYPE_CHECKING:
    from sqlpair.schema.model import Schema


class Scratch:
    """A scratch database, and how far its files have run."""

    def __init__(self, branch: Branch, session: Session, report: Report):
        self.branch = branch
        self.session = session
        self.position = 0
        self.goal = len(branch.migrations)  # how far it will go in the end
        prepare(session, report)

    def build(self, position: int, look: Callable[[Ready], None] | None = None) -> None:
        """Run the files up to ``position``; ``look`` before each transaction ends.

        Only ever forwards. SqlFileError, HistoryError or StatementError when they do
        not run.
        """
        assert position >= self.position
        pending = self.branch.migrations[self.position : position]
        steps = read([Step(self.branch, item, upgrade=True) for item in pending])
        runner = Runner(self.session)
        with progress.task(
            f"{self.branch.name}: building the schema", self.goal, "migration"
        ) as building:
            building.done = self.position
            for ready in steps:
                progress.advance()  # of the migrations
                with runner.transaction(ready):
                    if look is not None:
                        look(ready)
        self.position = position

    def repeat(self, texts: Sequence[Ready]) -> None:
        """Run repeatable files, each in a transaction of its own."""
        runner = Runner(self.session)
        for ready in texts:
            with runner.transaction(ready):
                pass

    def schema(self, position: int) -> Schema:
        """Build up to ``position``, and describe what is there then."""
        ((_, schema),) = self.way_up([position])
        return schema

    def way_up(
        self, positions: Iterable[int], look: Callable[[Ready], None] | None = None
    ) -> Iterator[tuple[int, Schema]]:
        """Build up to each of ``positions``, lowest first, and describe each."""
        for position in positions:
            self.build(position, look)
            with self.session.snapshot():
                schema = self.session.schema()
            yield position, schema


@contextmanager
def opened(
    branch: Branch, report: Report, empty: EmptyDatabase[Session] | None = None
) -> Iterator[Scratch]:
    """A scratch database for the files of ``branch``; it goes with the block."""
    database = branch.database
    with empty or driver_of(database).scratch(
        database, branch.files, report
    ) as session:
        yield Scratch(branch, session, report)


def prepare(session: Session, report: Report) -> None:
    """Lock a scratch database, and make the bookkeeping tables, as a deployment does.

    A file may name these tables, or list all that are there.
    """
    session.lock(report)
    session.begin()
    tables.ensure(session)
    session.execute(repeatable.table(session.table))
    session.commit()
