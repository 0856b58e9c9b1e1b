"""A branch: one database's migrations in order, and where on it the database is.

A branch is a line. A place on it is a position: how many migrations, counted from
base, are applied. Head is the position ``len(branch.migrations)``, base is 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from sqlpair.errors import HistoryError
from sqlpair.ledger.tables import State
from sqlpair.project.migrations import Migration, find
from sqlpair.project.settings import Database, Settings


class Branch(NamedTuple):
    """A database and its migrations, lowest number first.

    ``expected`` is what ``.env`` says of the schema version, to tell beside the rest.
    """

    database: Database
    migrations: tuple[Migration, ...]
    expected: str = ""

    @property
    def name(self) -> str:
        """The database's name, which is the branch label."""
        return self.database.name

    def position(self, revision: str) -> int | None:
        """Return the position at which ``revision`` is the head, or None."""
        for index, migration in enumerate(self.migrations, start=1):
            if migration.revision == revision:
                return index
        return None

    def below(self, migration: Migration) -> Migration | None:
        """Return the migration before ``migration``, None where it is the first."""
        index = bisect_left(self.migrations, migration.number, key=lambda m: m.number)
        return self.migrations[index - 1] if index else None

    def at(self, number: int) -> int:
        """Return the position with every migration numbered ``number`` or lower."""
        return sum(migration.number <= number for migration in self.migrations)


def branches(settings: Settings) -> tuple[Branch, ...]:
    """Find every database's migrations; opens no database."""
    expected = settings.env.get("SCHEMA_VERSION") or "not set"
    return tuple(
        Branch(
            database,
            find(database.sql, database.name),
            f"{expected} in {settings.env_file.name}",
        )
        for database in settings.databases
    )


def known_position(branch: Branch, head: str) -> int:
    """Return the position of the revision ``head``; HistoryError if it is unknown."""
    position = branch.position(head)
    if position is None:
        last = branch.migrations[-1].stem if branch.migrations else "no migration"
        raise HistoryError(
            f"{branch.name}: the database is ahead of this checkout",
            [f"alembic_version says {head}; the last file here is {last}"],
            "Update the checkout, or run the command from the newer one.",
        )
    return position


def current(branch: Branch, state: State) -> int:
    """Return the position a database is at.

    HistoryError when its version table and ledger do not name one place on the
    branch: another checkout's revision, two heads, or tables that disagree.
    """
    if len(state.revisions) > 1:
        raise HistoryError(
            f"{branch.name}: alembic_version has {len(state.revisions)} rows",
            state.revisions,
            "A branch has one head. Settle it with: alembic stamp --purge"
            f" {branch.name}@<revision>",
        )
    head = state.revisions[0] if state.revisions else None
    position = known_position(branch, head) if head else 0
    expected = [migration.number for migration in branch.migrations[:position]]
    recorded = [row.number for row in state.applied]
    late = [
        migration
        for migration in branch.migrations[:position]
        if migration.number not in recorded
    ]
    if (
        late
        and set(recorded) < set(expected)
        and late[0].number < max(recorded, default=-1)
    ):
        raise HistoryError(
            f"{branch.name} {late[0].stem}: numbered below what is applied already",
            [f"alembic_version says {head}; schema_version has no {late[0].number:03}"],
            "Give the file the next free number, or, if it did run, record it:"
            f" alembic stamp {branch.name}@{head}",
        )
    if expected != recorded:
        raise HistoryError(
            f"{branch.name}: alembic_version and schema_version disagree",
            [
                f"alembic_version: {head or 'empty'}, which means {_list(expected)}",
                f"schema_version:  {_list(recorded)}",
                f"SCHEMA_VERSION:  {branch.expected}",
            ],
            f"To have it found out by the tables: sqlpair adopt {branch.name}\n"
            "If you know: make force-version V=N, or alembic stamp"
            f" {branch.name}@<revision>",
        )
    return position


def _list(numbers: Sequence[int]) -> str:
    if not numbers:
        return "nothing is applied"
    shown = ", ".join(f"{number:03}" for number in numbers[-5:])
    return f"{len(numbers)} applied, up to {shown}"
