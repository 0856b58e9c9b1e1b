"""The schema book: one description, from which every form of it is written.

Everything here is plain data, and nothing in it is escaped: what writes a form
escapes for that form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sqlpair.databases.observer import Lock
from sqlpair.ledger.history import HistoryEvent


@dataclass(frozen=True)
class Origin:
    """Which migration made something, and which changed it since, by their stems.

    ``made`` is empty for what no migration makes.
    """

    made: str = ""
    changes: tuple[str, ...] = ()

    @property
    def changed(self) -> str:
        """The migration that changed it last."""
        return self.changes[-1] if self.changes else ""


@dataclass(frozen=True)
class ColumnRow:
    """A column. ``keys`` are what it is part of: PK, FK, UK. ``notes`` is the rest."""

    name: str
    type: str
    nullable: bool
    default: str
    comment: str
    keys: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    origin: Origin


@dataclass(frozen=True)
class PartRow:
    """What belongs to a table and is no column: a key, an index, a check, a trigger.

    Or an object that belongs to none: a function, a type. ``columns`` are those of a
    key or an index.
    """

    kind: str
    name: str
    columns: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    comment: str
    origin: Origin


@dataclass(frozen=True)
class Side:
    """One end of a link: some columns of a table of a database."""

    database: str
    table: str
    columns: tuple[str, ...]

    @property
    def address(self) -> tuple[str, str]:
        """The table."""
        return self.database, self.table

    def __str__(self) -> str:
        """Name the columns within their database."""
        return f"{self.table} ({', '.join(self.columns)})"


@dataclass(frozen=True)
class Link:
    """Columns that refer to others.

    A foreign key, which the engine keeps; or without a ``name`` a reference that
    pyproject.toml declares and ``verify`` checks, across databases. ``required``: none
    of the columns may be NULL. ``single``: the columns are unique.
    """

    of: Side
    to: Side
    name: str
    on_delete: str
    on_update: str
    required: bool
    single: bool
    origin: Origin

    @property
    def kept(self) -> bool:
        """Whether an engine keeps it."""
        return bool(self.name)


@dataclass(frozen=True)
class TablePage:
    """A table, or a view: what ``kind`` says.

    ``refers`` are the links that begin here, ``referred`` those that end here.
    """

    database: str
    name: str
    kind: str
    comment: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[ColumnRow, ...]
    parts: tuple[PartRow, ...]
    refers: tuple[Link, ...]
    referred: tuple[Link, ...]
    origin: Origin

    @property
    def address(self) -> tuple[str, str]:
        """Its database and name."""
        return self.database, self.name

    def of(self, *kinds: str) -> tuple[PartRow, ...]:
        """The parts of these kinds."""
        return tuple(part for part in self.parts if part.kind in kinds)

    @property
    def neighbours(self) -> tuple[tuple[str, str], ...]:
        """The tables that it refers to or that refer to it, each once.

        Those whose rows go with its own come first of the latter.
        """
        found = [link.to.address for link in self.refers]
        nearest = sorted(self.referred, key=lambda link: link.on_delete != "cascade")
        found += [link.of.address for link in nearest]
        return tuple(dict.fromkeys(one for one in found if one != self.address))


@dataclass(frozen=True)
class SchemaChange:
    """One thing that a migration does: ``sign`` is ``+``, ``-`` or ``~``.

    ``text`` is a sentence; lines of a difference may follow it.
    """

    sign: str
    text: str


@dataclass(frozen=True)
class RollbackTrial:
    """A migration's rollback, tried in the scratch database right after the migration.

    ``lost`` are the tables and columns that go with it, and with them what is in them;
    ``left`` is what it does not put back. ``untried`` says why it was not tried, or
    failed.
    """

    lost: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    untried: str = ""


@dataclass(frozen=True)
class MigrationPage:
    """A migration. ``state`` is where the live database has it; empty without one.

    ``locks`` is None where they were not seen, since it runs
    outside a transaction.
    """

    database: str
    number: int
    stem: str
    summary: str
    labels: tuple[tuple[str, str], ...]
    sql: str
    rollback_sql: str
    verify_sql: str
    changes: tuple[SchemaChange, ...]
    tables: tuple[str, ...]
    locks: tuple[Lock, ...] | None
    rollback: RollbackTrial
    rollback_labels: tuple[tuple[str, str], ...]
    state: str = ""


@dataclass(frozen=True)
class Chapter:
    """One database."""

    name: str
    engine: str
    tables: tuple[TablePage, ...]
    others: tuple[PartRow, ...]
    migrations: tuple[MigrationPage, ...]
    state: str = ""

    @property
    def views(self) -> tuple[TablePage, ...]:
        """The pages of views."""
        return tuple(page for page in self.tables if page.kind.endswith("view"))

    @property
    def stored(self) -> tuple[TablePage, ...]:
        """The pages of tables."""
        return tuple(one for one in self.tables if not one.kind.endswith("view"))


@dataclass(frozen=True)
class Book:
    """Everything. ``live`` says whether the databases themselves were described."""

    chapters: tuple[Chapter, ...]
    live: str = ""
    timeline: tuple[HistoryEvent, ...] = ()

    @cached_property
    def pages(self) -> dict[tuple[str, str], TablePage]:
        """Every table by its database and name."""
        return {page.address: page for one in self.chapters for page in one.tables}

    @property
    def migrations(self) -> Iterator[MigrationPage]:
        """Every migration, in the order in which a deployment runs them."""
        order = {chapter.name: place for place, chapter in enumerate(self.chapters)}
        every = [page for chapter in self.chapters for page in chapter.migrations]
        yield from sorted(every, key=lambda page: (page.number, order[page.database]))

    @property
    def across(self) -> tuple[Link, ...]:
        """The references from one database to another."""
        return tuple(
            link
            for page in self.pages.values()
            for link in page.refers
            if not link.kept
        )

    @property
    def title(self) -> str:
        """What it is about."""
        names = [chapter.name for chapter in self.chapters]
        return f"Schema of {' and '.join(names)}" if names else "Schema"
