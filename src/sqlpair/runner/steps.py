"""A plan: the steps from where the databases are to where they are to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

from sqlpair import progress
from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Report
from sqlpair.errors import amount
from sqlpair.ledger import tables, version, write_sql
from sqlpair.ledger.applied_files import AppliedFiles
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration


class BranchStatus(NamedTuple):
    """Where a database is: its branch, what it says of itself, its position."""

    branch: Branch
    records: tables.Records
    position: int

    @property
    def undecided(self) -> tuple[str, ...]:
        """The transactions that a run has prepared there and not ended."""
        return self.records.undecided

    @property
    def head(self) -> str:
        """The last applied migration, or base."""
        return self.branch.stem_at(self.position)

    @property
    def migration(self) -> Migration | None:
        """The last applied migration, None at base."""
        return self.branch.migrations[self.position - 1] if self.position else None

    def moved(self, position: int) -> BranchStatus:
        """Return it once a deployment has taken the database to ``position``."""
        rows = tuple(
            tables.Applied(item.number, item.stem, "", "", "", "", None, "")
            for item in self.branch.migrations[:position]
        )
        return self._replace(
            position=position, records=self.records._replace(applied=rows)
        )


class Step(NamedTuple):
    """One migration, in one direction, on one database."""

    branch: Branch
    migration: Migration
    upgrade: bool

    @property
    def direction(self) -> str:
        """``upgrade`` or ``downgrade``."""
        return "upgrade" if self.upgrade else "downgrade"

    @property
    def below(self) -> Migration | None:
        """The migration before it, None where it is the first."""
        return self.branch.below(self.migration)

    def __str__(self) -> str:
        """Name the database and the migration."""
        return f"{self.branch.name} {self.migration.stem}"


@contextmanager
def told(step: Step, statements: int, report: Report) -> Iterator[None]:
    """Say when a step begins, how far it is, and when it ends."""
    progress.advance()  # of all steps
    report(f"{step}: {step.direction} begins, {amount(statements, 'statement')}")
    began = time.monotonic()
    try:
        with progress.task(str(step), statements, "statement"):
            yield
    except BaseException:
        report(f"{step}: {step.direction} failed after {_elapsed(began)}")
        raise
    report(f"{step}: {step.direction} done in {_elapsed(began)}")


def _elapsed(since: float) -> str:
    return progress.duration(round((time.monotonic() - since) * 1000))


class Done(NamedTuple):
    """A step that was run, how long it took, and what it left in status, if it did."""

    step: Step
    milliseconds: int
    left: str = ""


class Outcome(NamedTuple):
    """What a deployment did, and where the databases are afterwards.

    ``deployment`` is empty when there was nothing to do.
    """

    deployment: str
    done: tuple[Done, ...]
    statuses: Mapping[str, BranchStatus]

    @property
    def version(self) -> int:
        """The schema version: every migration up to this number is applied."""
        return reached(self.statuses)

    def where(self) -> list[str]:
        """Say where each database is, a line for each, and the schema version."""
        width = max(map(len, self.statuses), default=0)
        lines = [
            f"  {name:<{width}}  is at  {status.head}"
            for name, status in self.statuses.items()
        ]
        return [*lines, f"Schema version {self.version}."]

    @property
    def summary(self) -> str:
        """One line for a person."""
        heads = ", ".join(
            f"{name} is at {status.head}" for name, status in self.statuses.items()
        )
        start = f"Deployment {self.deployment}" if self.deployment else "Nothing to do"
        return f"{start}: {heads}; schema version {self.version}"


BranchStatuses = Mapping[str, BranchStatus]
# Given where every database is, say where each one concerned is to go. Called once
# before the locks are taken and once after. One that is an object with ``upward`` true
# goes up, and runs what is new of repeatable files; one with ``undoes`` takes back what
# that deployment ran of them.
Targets = Callable[[BranchStatuses], Mapping[str, int]]
# The bookkeeping to write in one database; no SQL file runs.
Writing = Callable[[BranchStatus, BookkeepingSQL, write_sql.Entry], str]


def plan(statuses: BranchStatuses, targets: Mapping[str, int]) -> tuple[Step, ...]:
    """Return the steps that lead from ``statuses`` to ``targets``, in their order.

    Upgrades run in the order of their numbers across databases, downgrades in the
    opposite one.
    """
    ups: list[Step] = []
    downs: list[Step] = []
    for name, status in statuses.items():
        branch, position = status.branch, status.position
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


def record(
    done: Iterable[tuple[Step, AppliedFiles, write_sql.Entry]], table: BookkeepingSQL
) -> str:
    """Return the SQL that records steps on one database, in their order.

    Each comes with what is kept of its files, and who did it.
    """
    sql = ""
    for upgrade, group in groupby(done, lambda one: one[0].upgrade):
        steps = [*group]
        records = [
            write_sql.Record(step.migration, files, entry)
            for step, files, entry in steps
        ]
        if upgrade:
            sql += write_sql.applied(table, records)
        else:
            sql += write_sql.undone(table, records, steps[-1][0].below)
    return sql


def reached(statuses: BranchStatuses) -> int:
    """Return the schema version that ``statuses`` amounts to."""
    return version.reached(
        {
            name: [row.number for row in p.records.applied]
            for name, p in statuses.items()
        },
        [status.branch for status in statuses.values()],
    )
