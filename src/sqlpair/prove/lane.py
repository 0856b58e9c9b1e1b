"""A scratch database in which a branch's migrations run, and its state in between.

A migration runs as a deployment would run it, through its revision module. What is
compared is the state: the schema as the catalogs describe it, and every row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import NamedTuple

from sqlpair.databases.interface import Report, Session, driver_of
from sqlpair.databases.row_shape import Contents
from sqlpair.ledger import tables
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.sql_file import SqlFile
from sqlpair.project.statement import Statement
from sqlpair.runner import revision_modules
from sqlpair.runner.steps import Step
from sqlpair.schema.model import BEFORE, Schema, describe, difference


class State(NamedTuple):
    """A database as it stands."""

    schema: Schema
    contents: Contents


class Side(NamedTuple):
    """One half of a migration, read: its up file or its rollback."""

    step: Step
    file: SqlFile
    statements: tuple[Statement, ...]
    module: ModuleType


class Pair(NamedTuple):
    """A migration, read: what goes up and what comes down again."""

    migration: Migration
    up: Side
    down: Side

    @property
    def transactional(self) -> bool:
        """Whether both halves run in a transaction."""
        return self.up.file.transactional and self.down.file.transactional


def read(branch: Branch) -> tuple[Pair, ...]:
    """Read every migration of ``branch``; raises before anything runs."""
    split = driver_of(branch.database).split
    ups = [Step(branch, item, upgrade=True) for item in branch.migrations]
    pairs = []
    for step, module in zip(ups, revision_modules.load(ups), strict=True):
        sides = []
        for path, upgrade in ((step.migration.up, True), (step.migration.down, False)):
            file = sql_file.read(path, split)
            statements = tuple(sql_file.statements(file))
            own = step._replace(upgrade=upgrade)
            sides.append(Side(own, file, statements, module))
        pairs.append(Pair(step.migration, *sides))
    return tuple(pairs)


class Lane:
    """A scratch database; ``session`` belongs to the caller."""

    def __init__(self, session: Session, report: Report):
        self.session = session
        self.report = report
        self.driver = driver_of(session.database)
        session.lock(report)
        session.begin()
        # A file may speak of these tables, or of all that are there.
        tables.ensure(session)
        session.commit()
        self._context = revision_modules.context(session)

    def run(self, side: Side) -> None:
        """Run one half of a migration and commit it."""
        if not side.file.transactional:
            self._execute(side)
            self.session.begin()
        else:
            self.session.begin()
            self._execute(side)
        self._end()

    def run_within(self, *sides: Side) -> None:
        """Run halves of migrations in the open transaction."""
        for side in sides:
            self._execute(side)
            self.session.reset()
            self.session.check()

    def _execute(self, side: Side) -> None:
        def execute() -> None:
            if side.file.transactional:
                self.session.run(side.statements, side.file.path)
            else:
                self.driver.run_alone(self.session, side.statements, side.file.path)

        try:
            revision_modules.run(
                side.step,
                side.module,
                self._context,
                execute,
            )
        except BaseException:
            self.session.rollback()
            raise

    def _end(self) -> None:
        try:
            self.session.reset()
            self.session.check()
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise

    def state(self) -> State:
        """Describe the database."""
        with self.session.snapshot():
            return self.state_within()

    def state_within(self) -> State:
        """Describe it in the open transaction."""
        return State(self.session.schema(), self.driver.contents(self.session))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that leaves no trace."""
        self.session.begin()
        try:
            yield
        finally:
            self.session.rollback()

    @contextmanager
    def copy(self) -> Iterator[Lane]:
        """Another database, restored from a dump of this one."""
        with self.driver.copied(self.session, self.report) as session:
            yield Lane(session, self.report)


def differences(
    expected: State, actual: State, unstable: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """Say how ``actual`` is not ``expected``; columns of ``unstable`` may differ."""
    found = [
        describe(change, BEFORE)
        for change in difference(expected.schema, actual.schema)
    ]
    if found:
        return found  # the rows of another schema are not comparable
    for table, rows in expected.contents.items():
        skipped = {column for name, column in unstable if name == table}
        kept = [c for c in rows.columns if c not in skipped]
        before = _counted(expected.contents, table, kept)
        after = _counted(actual.contents, table, kept)
        found += _missing(table, kept, before, after)
    return found


def kept(expected: State, actual: State) -> list[str]:
    """Say which rows of ``expected`` are not in ``actual``, which may have more."""
    found = []
    for table, rows in expected.contents.items():
        before = _counted(expected.contents, table, rows.columns)
        after = _counted(actual.contents, table, rows.columns)
        found += _missing(table, rows.columns, before, before & after)
    return found


def unstable(one: State, other: State) -> list[tuple[str, str]]:
    """The columns that come out differently when one migration runs twice."""
    return [
        (table, column)
        for table, rows in one.contents.items()
        for column in rows.columns
        if _counted(one.contents, table, [column])
        != _counted(other.contents, table, [column])
    ]


def amount(contents: Contents) -> int:
    """Count the rows of all tables."""
    return sum(len(rows.rows) for rows in contents.values())


def _counted(
    contents: Contents, table: str, columns: Sequence[str]
) -> Counter[tuple[str, ...]]:
    rows = contents.get(table)
    if rows is None or not set(columns) <= set(rows.columns):
        return Counter()
    places = [rows.columns.index(column) for column in columns]
    return Counter(tuple(row[place] for place in places) for row in rows.rows)


def _missing(
    table: str,
    columns: Sequence[str],
    before: Counter[tuple[str, ...]],
    after: Counter[tuple[str, ...]],
) -> list[str]:
    gone, new = before - after, after - before
    if not gone and not new:
        return []
    told = f"table {table}: {gone.total()} of {before.total()} rows are not as before"
    if gone and new:
        old, other = next(iter(gone)), next(iter(new))
        changed = [
            f"{column} {was} is {now}"
            for column, was, now in zip(columns, old, other, strict=True)
            if was != now
        ]
        return [f"{told}, for example {'; '.join(changed)}"]
    if gone:
        return [f"{told}, they are gone"]
    return [f"table {table}: {new.total()} rows more than before"]
