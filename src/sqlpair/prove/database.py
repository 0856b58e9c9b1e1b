"""A scratch database: migrations run in it one by one, and its state in between.

A migration runs as a deployment would run it, through its revision module, each in a
transaction of its own. Nothing here reaches a configured database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import HistoryError, SqlpairError
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.prove.compare import State
from sqlpair.runner import revision_modules, scratch
from sqlpair.runner.migration import Ready, Runner, read_file, refuse_missing
from sqlpair.runner.steps import Step


class Pair(NamedTuple):
    """A migration, read. A file that cannot be used is the error that says why."""

    migration: Migration
    up: Ready | SqlpairError
    down: Ready | SqlpairError


def read(branch: Branch) -> tuple[Pair, ...]:
    """Read every migration of ``branch``.

    HistoryError where a revision module is missing or does not fit: nothing could run.
    """
    ups = [Step(branch, item, upgrade=True) for item in branch.migrations]
    modules = revision_modules.load(ups)
    pairs = tuple(
        Pair(
            step.migration,
            _half(step, module),
            _half(step._replace(upgrade=False), module),
        )
        for step, module in zip(ups, modules, strict=True)
    )
    halves = [half for pair in pairs for half in (pair.up, pair.down)]
    refuse_missing(half for half in halves if isinstance(half, Ready))
    return pairs


def _half(step: Step, module: ModuleType) -> Ready | SqlpairError:
    try:
        return Ready(step, read_file(step), module)
    except SqlpairError as error:
        return error


class ScratchDatabase:
    """See above; ``session`` belongs to the caller."""

    def __init__(self, session: Session, report: Report):
        self.session = session
        self.report = report
        self.driver = driver_of(session.database)
        scratch.prepare(session, report)
        self._runner = Runner(session)

    @property
    def runs_python(self) -> bool:
        """Whether a revision module may do more than to run its SQL file."""
        return self._runner.runs_python

    def run(self, half: Ready) -> None:
        """Run one direction of a migration and commit it."""
        self._runner.apply(half)
        if "schema" in half.file.text.lower():  # the only files that would drop these
            ledger = self.session.table.names.ledger
            if not self.session.look(ledger)[0][ledger]:
                raise HistoryError(
                    f"{half.step}: {ledger} is gone, which records what is applied",
                    remedy="Let the file drop by name what the migrations made.",
                )

    def state(self) -> State:
        """Describe the schema, and read every row."""
        with self.session.snapshot():
            return State(self.session.schema(), self.driver.contents(self.session))

    def schema(self) -> State:
        """Describe the schema, and read no row."""
        with self.session.snapshot():
            return State(self.session.schema(), {})

    @contextmanager
    def copy(self, files: Sequence[Path] = ()) -> Iterator[ScratchDatabase]:
        """Another database, restored from a backup of this one; it goes with the block.

        What ``files`` make outside of their database goes with it.
        """
        with self.driver.copied(self.session, self.report, files) as session:
            yield ScratchDatabase(session, self.report)
