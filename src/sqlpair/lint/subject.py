"""What a rule is given and what it returns: one migration in its history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlpair.lint.configuration import Configuration
from sqlpair.lint.model import Column, Model, Table
from sqlpair.lint.names import in_sql
from sqlpair.lint.script import Parsed, Script
from sqlpair.project import squashed
from sqlpair.project.git import Released
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Database


class RuleMatch(NamedTuple):
    """What is wrong on a line, and what to write instead."""

    script: Script
    line: int
    message: str
    instead: str


class Subject(NamedTuple):
    """One migration: its files, and the schema before and after it.

    ``undone`` is the schema after its rollback, None without one; ``final`` that after
    the last migration. ``everything`` are the migrations of all databases, by number.
    ``is_imported`` where it is of another tool, and nobody named its file.
    """

    root: Path
    migration: Migration
    database: Database
    up: Script
    down: Script | None
    before: Model
    after: Model
    undone: Model | None
    final: Model
    unread: tuple[tuple[Script, Parsed, str], ...]
    configuration: Configuration
    everything: tuple[Migration, ...]
    released: Released | None
    is_imported: bool

    @property
    def scripts(self) -> tuple[Script, ...]:
        """The files that move the schema, up first."""
        return (self.up, self.down) if self.down else (self.up,)

    @property
    def is_squashed(self) -> bool:
        """Whether the file replaces others (``sqlpair squash``)."""
        return squashed.MARK in self.up.header

    def sql(self, name: str) -> str:
        """Return a name as it stands in SQL."""
        return in_sql(name, self.database.driver)

    def table_sql(self, name: str) -> str:
        """Return the name of a table as it stands in SQL, with its schema."""
        found = self.after.tables.get(name) or self.before.tables.get(name)
        schema = f"{self.sql(found.schema)}." if found and found.schema else ""
        return f"{schema}{self.sql(name)}"

    def relative(self, path: Path) -> str:
        """Return a path relative to the project's folder, as git has it."""
        return path.relative_to(self.root).as_posix()

    def is_released(self, item: Migration) -> bool:
        """Say whether a migration is on the main branch."""
        return bool(self.released and self.relative(item.up) in self.released.files)

    def tables(self) -> list[Table]:
        """The tables that the migration creates or changes, as they are after it."""
        tables = self.after.tables
        return [tables[name] for name in sorted(self.after.changed) if name in tables]

    def new_columns(self) -> Iterator[tuple[Table, Column]]:
        """The columns that exist after the migration and did not before."""
        for table in self.tables():
            before = self.before.tables.get(table.name)
            for column in table.columns.values():
                if column.origin is None and not (
                    before and column.name in before.columns
                ):
                    yield table, column

    def lacking_index(self, table: Table, columns: tuple[str, ...], new: int) -> int:
        """Return the line of the finding that ``columns`` have no index; 0 for none.

        ``new`` is the line on which the migration adds what needs an index, or 0. The
        finding is there, or where the last index is dropped. There is none if a later
        migration creates an index, or drops the table or column.
        """
        final = self.final.tables.get(table.name)
        if table.leads(columns) or final is None or final.leads(columns):
            return 0
        if not final.opaque and not set(columns) <= set(final.columns):
            return 0
        before = self.before.tables.get(table.name)
        if new or before is None or not before.leads(columns):
            return new
        lines = [event.line for event in self.after.events if event.table == table.name]
        return max(lines, default=table.line)


class Rule(Protocol):
    """A rule: ``check`` in a module of ``rules/``, whose name is the rule's."""

    def __call__(self, subject: Subject) -> Iterator[RuleMatch]:
        """Yield a problem for each violation of the rule."""
