"""A branch: one database's migrations in order, and where on it the database is.

A branch is a line. A place on it is a position: how many migrations, counted from
base, are applied. Head is the position ``len(branch.migrations)``, base is 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from sqlpair.project import repeatable
from sqlpair.project.migrations import Migration, find, listing
from sqlpair.project.settings import Database, Settings


class Branch(NamedTuple):
    """A database and its migrations, lowest number first.

    ``expected`` is what ``.env`` says of the schema version, to tell beside the rest;
    ``repeatable`` are the names of its repeatable files, in the order they run.
    """

    database: Database
    migrations: tuple[Migration, ...]
    expected: str = ""
    repeatable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The database's name, which is the branch label."""
        return self.database.name

    def position(self, revision: str) -> int | None:
        """Return the position at which ``revision`` is the head, or None."""
        for index in range(len(self.migrations), 0, -1):  # mostly it is the last
            if self.migrations[index - 1].revision == revision:
                return index
        return None

    @property
    def files(self) -> list[Path]:
        """The SQL files that build its schema: of migrations, then repeatable ones."""
        own = self.database
        return [item.up for item in self.migrations] + [
            repeatable.migration(own.sql, own.name, name, 0).up
            for name in self.repeatable
        ]

    def below(self, migration: Migration) -> Migration | None:
        """Return the migration before ``migration``, None where it is the first."""
        index = bisect_left(self.migrations, migration.number, key=lambda m: m.number)
        return self.migrations[index - 1] if index else None

    def head_at(self, number: int) -> Migration | None:
        """Return the last migration numbered ``number`` or lower, None for base."""
        position = self.at(number)
        return self.migrations[position - 1] if position else None

    def stem_at(self, position: int) -> str:
        """Return what the last migration at a position is called; base for 0."""
        return self.migrations[position - 1].stem if position else "base"

    def at(self, number: int) -> int:
        """Return the position with every migration numbered ``number`` or lower."""
        return sum(migration.number <= number for migration in self.migrations)


def every_migration(settings: Settings) -> tuple[Migration, ...]:
    """Return the migrations of all databases by number, even where two have one."""
    found = (
        item
        for database in settings.databases
        for item in listing(database.sql, database.name)
    )
    return tuple(sorted(found, key=lambda it: (it.number, it.database, it.stem)))


def branches(settings: Settings, names: Collection[str] = ()) -> tuple[Branch, ...]:
    """Find the migrations of the databases called ``names``, all if there are none.

    Opens no database. UsageError for a name that is none's.
    """
    chosen = [settings.database(name) for name in names] or settings.databases
    expected = settings.env.get("SCHEMA_VERSION") or "not set"
    return tuple(
        Branch(
            database,
            find(database.sql, database.name),
            f"{expected} in {settings.env_file.name}",
            repeatable.find(database.sql, database.name),
        )
        for database in settings.databases
        if database in chosen
    )
