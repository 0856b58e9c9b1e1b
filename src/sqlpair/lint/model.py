"""A small model of a schema: what the rules ask about, and no more.

Names are in lower case, as both engines compare them. ``origin`` is the name a
table or column had when the file began, None for what the file itself made: so a
table that is rebuilt under another name is still the same table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(slots=True)
class Column:
    """A column, as it was defined.

    ``kind`` is its type as the parser writes it, ``declared`` as the file has it.
    """

    name: str
    spelling: str
    kind: str
    declared: str
    line: int
    not_null: bool = False
    has_default: bool = False
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table; ``on_delete`` is empty where nothing is said."""

    columns: tuple[str, ...]
    table: str
    on_delete: str
    line: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index or unique key; an expression in ``columns`` is an empty string.

    ``where`` is the condition of a partial one, ``spelling`` the columns as they are
    written.
    """

    name: str
    columns: tuple[str, ...]
    line: int
    unique: bool = False
    where: str = ""
    spelling: str = ""


@dataclass(slots=True)
class Table:
    """A table. ``opaque``: its columns are not told in the file (AS SELECT, …)."""

    name: str
    line: int
    origin: str | None = None
    opaque: bool = False
    partition: bool = False
    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    keys: list[Index] = field(default_factory=list)
    indexes: dict[str, Index] = field(default_factory=dict)
    triggers: dict[str, int] = field(default_factory=dict)
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
        """Say whether a CHECK speaks of ``column``."""
        return any(column in names for names in self.checked.values())


@dataclass(frozen=True, slots=True)
class Event:
    """Something a file does to a table, that the tables it leaves do not show.

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


@dataclass(slots=True)
class Model:
    """The tables of a database, and what the current file did to them.

    A table is copied before the first change that a file makes to it, so that
    ``snapshot`` costs next to nothing, however long the history is.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)  # since the file began
    _copied: set[str] = field(default_factory=set)  # since the last snapshot

    def begin(self) -> None:
        """Begin a file: what is there now is there before it."""
        self.events = []
        for name in self.changed & self.tables.keys():
            table = self.own(name)
            table.origin = name
            for column in table.columns.values():
                column.origin = column.name
        self.changed = set()

    def snapshot(self) -> Model:
        """Return the model as it is now; changes to either leave the other alone."""
        self._copied = set()
        return Model(dict(self.tables), self.events, set(self.changed))

    def own(self, name: str) -> Table:
        """Return a table that is there, for changing it."""
        if name not in self._copied:
            self.tables[name] = self.tables[name].copy()
            self._copied.add(name)
        self.changed.add(name)
        return self.tables[name]

    def put(self, table: Table) -> None:
        """Put a table that is new, or has a new name."""
        self.tables[table.name] = table
        self._copied.add(table.name)
        self.changed.add(table.name)

    def known(self, name: str, line: int) -> Table:
        """Return a table, made up when no file creates it: others may have."""
        if name not in self.tables:
            self.put(Table(name, line, origin=name, opaque=True))
        return self.own(name)

    def having_index(self, name: str) -> Table | None:
        """Return the table that has an index of this name, for changing it."""
        for table in self.tables.values():
            if name in table.indexes:
                return self.own(table.name)
        return None
