"""A small model of a schema: what the rules ask about, and no more.

Names are as the engine compares them, and without a schema: in lower case, but for
those in quotes of PostgreSQL.
``origin`` is the name that a table or column had when the file began, None for what
the file itself creates. So a table that is rebuilt under another name is still the
same table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(slots=True)
class Column:
    """A column, as it was defined.

    ``declared`` is its type as the file has it.
    """

    name: str
    spelling: str
    declared: str
    line: int
    not_null: bool = False
    has_default: bool = False
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table; ``on_delete`` is empty where it is not given."""

    columns: tuple[str, ...]
    table: str
    on_delete: str
    line: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index or unique key; an expression in ``columns`` is an empty string.

    ``where`` is the condition of a partial one, ``spelling`` the columns as they are
    written, ``mentions`` every name in it.
    """

    name: str
    columns: tuple[str, ...]
    line: int
    unique: bool = False
    where: str = ""
    spelling: tuple[str, ...] = ()
    mentions: frozenset[str] = frozenset()

    @property
    def parts(self) -> tuple[str, ...]:
        """Its columns, an expression as it is written."""
        spelt = self.spelling or self.columns
        return tuple(
            name or text for name, text in zip(self.columns, spelt, strict=True)
        )


@dataclass(slots=True)
class Table:
    """A table, or a materialized view that has an index.

    ``opaque``: its columns are not in the file (AS SELECT, made elsewhere).
    ``keyless``: it has no primary key of its own to declare (a partition, a foreign or
    virtual table). ``parent`` is the table that it is a partition of, ``server`` the
    one that a foreign table is on.
    """

    name: str
    line: int
    origin: str | None = None
    opaque: bool = False
    keyless: bool = False
    parent: str = ""
    server: str = ""
    schema: str = ""
    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    keys: list[Index] = field(default_factory=list)
    indexes: dict[str, Index] = field(default_factory=dict)
    triggers: dict[str, frozenset[str]] = field(default_factory=dict)
    checked: dict[str, frozenset[str]] = field(default_factory=dict)

    def copy(self) -> Table:
        """Return a table that can be changed without changing this one."""
        return replace(
            self,
            columns={name: replace(column) for name, column in self.columns.items()},
            foreign_keys=[*self.foreign_keys],
            keys=[*self.keys],
            indexes={**self.indexes},
            triggers={**self.triggers},
            checked={**self.checked},
        )

    def leads(self, columns: tuple[str, ...]) -> bool:
        """Say whether an index or key begins with ``columns``, in any order."""
        wanted, count = set(columns), len(columns)
        ways = [Index("", self.primary_key, 0), *self.keys, *self.indexes.values()]
        return any(
            set(way.columns[:count]) == wanted
            and (not way.where or way.where == f"{columns[0]} is not null")
            for way in ways
            if way.columns
        )

    def is_checked(self, column: str) -> bool:
        """Say whether a CHECK names ``column``."""
        return any(column in names for names in self.checked.values())


@dataclass(frozen=True, slots=True)
class Event:
    """A change that a file makes to a table, and that the result does not show.

    ``what`` is drop table, drop column, drop index, rename table, rename column,
    type, or not null; ``origin`` is the name that the table had before the file.
    """

    what: str
    table: str
    origin: str | None
    line: int
    name: str = ""
    column_origin: str | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """A view, function, type, sequence or schema, a server or what it is reached by.

    ``mentions`` are the names in its definition that it may depend on. ``owner`` is the
    table, or ``table.column``, that a sequence goes with.
    """

    kind: str
    name: str
    schema: str
    mentions: frozenset[str]
    owner: str = ""


@dataclass(slots=True)
class Model:
    """The tables of a database, and what the current file did to them.

    A table is copied before the first change that a file makes to it, so that
    ``snapshot`` costs next to nothing, however long the history is.
    """

    driver: str = "postgresql"
    tables: dict[str, Table] = field(default_factory=dict)
    things: dict[tuple[str, str], Thing] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)  # since the file began
    temporary: set[str] = field(default_factory=set)  # made by this file
    # SQLite: ALTER TABLE … RENAME leaves the references to the table as they are.
    renames_alone: bool = False
    _copied: set[str] = field(default_factory=set)  # since the last snapshot

    def begin(self) -> None:
        """Begin a file: what exists now existed before it."""
        self.events = []
        self.temporary = set()
        self.renames_alone = False
        for name in self.changed & self.tables.keys():
            table = self.own(name)
            table.origin = name
            for column in table.columns.values():
                column.origin = column.name
        self.changed = set()

    def begin_rollback(self) -> None:
        """Begin the rollback of the file: the events from here on are its own."""
        self.events = []
        self.temporary = set()
        self.renames_alone = False

    def snapshot(self) -> Model:
        """Return the model as it is now; changes to either leave the other alone."""
        self._copied = set()
        return replace(
            self,
            tables={**self.tables},
            things={**self.things},
            events=[*self.events],
            changed={*self.changed},
            _copied=set(),
        )

    def own(self, name: str) -> Table:
        """Return an existing table, to change it."""
        if name not in self._copied:
            self.tables[name] = self.tables[name].copy()
            self._copied.add(name)
        self.changed.add(name)
        return self.tables[name]

    def put(self, table: Table) -> None:
        """Add a table that is new, or has a new name."""
        self.tables[table.name] = table
        self._copied.add(table.name)
        self.changed.add(table.name)

    def known(self, name: str, line: int) -> Table:
        """Return a table; if no file creates it, add one without columns."""
        if name not in self.tables:
            self.put(Table(name, line, origin=name, opaque=True))
        return self.own(name)

    def having_index(self, name: str) -> Table | None:
        """Return the table that has an index of this name, to change it."""
        for table in self.tables.values():
            if name in table.indexes:
                return self.own(table.name)
        return None


_FAMILIES = {
    "AGGREGATE": "ROUTINE",
    "FUNCTION": "ROUTINE",
    "PROCEDURE": "ROUTINE",
    "DOMAIN": "TYPE",
    "MATERIALIZED VIEW": "VIEW",
}


def family(kind: str) -> str:
    """Return the kind under which a DROP finds it.

    DROP TYPE drops a domain, too, and DROP ROUTINE a function, procedure or aggregate.
    """
    return _FAMILIES.get(kind, kind)
