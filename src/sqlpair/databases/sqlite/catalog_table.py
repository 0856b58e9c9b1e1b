"""One table of SQLite with its parts, from the pragmas' rows and the stored text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlpair.databases.sqlite.affinity import affinity
from sqlpair.databases.sqlite.definition import IndexDefinition, TableDefinition
from sqlpair.databases.sqlite.tokens import fold, identifier, text, tokens
from sqlpair.schema.model import Attribute, ObjectKey, SchemaObject

Row = tuple[Any, ...]
Described = tuple[ObjectKey, SchemaObject]


@dataclass(frozen=True)
class Pragmas:
    """The pragmas' rows by table; those of an index's columns by index.

    ``columns``: name, type, notnull, default, place in the primary key, hidden.
    ``foreign_keys``: id, place, parent, column, parent's column, on update, on delete.
    ``indexes``: name, unique, origin. ``index_columns``: name, descending, collation.
    """

    columns: Mapping[str, Sequence[Row]]
    foreign_keys: Mapping[str, Sequence[Row]]
    indexes: Mapping[str, Sequence[Row]]
    index_columns: Mapping[str, Sequence[Row]]

    @cached_property
    def tables(self) -> dict[str, str]:
        """The tables' names by folded name."""
        return {fold(table): table for table in self.columns}

    def table(self, written: str) -> str:
        """The table's own name, or what is written if there is none."""
        return self.tables.get(fold(written)) or written

    def names(self) -> set[str]:
        """The folded names of all tables and columns."""
        columns = {fold(row[0]) for rows in self.columns.values() for row in rows}
        return columns | self.tables.keys()


def described(
    kind: str,
    name: Sequence[str],
    attributes: Mapping[str, Attribute],
    part_of: ObjectKey | None = None,
    position: int | None = None,
) -> Described:
    """An object whose name has these parts."""
    key = ObjectKey(kind, ".".join(map(identifier, name)))
    told = {word: value for word, value in attributes.items() if value}
    return key, SchemaObject(told, part_of, position)


def describe_table(
    table: str, definition: TableDefinition, pragmas: Pragmas
) -> Iterator[Described]:
    """The table, its columns and its constraints."""
    options = {"strict": definition.strict, "without rowid": definition.without_rowid}
    yield described("table", [table], options)
    of = ObjectKey("table", identifier(table))
    for position, row in enumerate(pragmas.columns[table], 1):
        attributes = _column(row, definition)
        yield described("column", [table, row[0]], attributes, of, position)
    yield from _keys(table, definition, pragmas, of)
    yield from _foreign_keys(table, definition, pragmas, of)
    for name, expression in definition.checks:
        if name:
            told = {"expression": expression}
            yield described("check constraint", [table, name], told, of)
        else:
            key = ObjectKey("check constraint", f"{of.name} ({expression})")
            yield key, SchemaObject({}, of)


def describe_index(
    name: str, table: str, definition: IndexDefinition, pragmas: Pragmas
) -> Described:
    """An index that a CREATE INDEX made."""
    unique = next(row[1] for row in pragmas.indexes[table] if row[0] == name)
    attributes: dict[str, Attribute] = {
        "table": identifier(table),
        "unique": bool(unique),
        "columns": _indexed(pragmas.index_columns[name], definition.expressions),
        "predicate": definition.predicate,
    }
    return described("index", [name], attributes, ObjectKey("table", identifier(table)))


def _column(row: Row, definition: TableDefinition) -> dict[str, Attribute]:
    name, declared, not_null, default, _, hidden = row
    folded = fold(name)
    generation = definition.generation.get(folded)
    if generation is not None:
        generation = f"as ({generation}) {'virtual' if hidden == 2 else 'stored'}"
    # A default names no column: in any quotes, it is a string.
    value = _written(default or "")
    return {
        "type": _type(declared, strict=definition.strict),
        "nullable": not not_null,
        "default": None if value == "null" else value,
        "generation": generation,
        "collation": definition.collation.get(folded),
        "conflict action": definition.not_null_conflict.get(folded),
    }


@lru_cache
def _written(sql: str) -> str:
    return text(tokens(sql))


def _type(declared: str, *, strict: bool) -> str:
    """The declared type, and the affinity SQLite derives from it if it has another."""
    written = _written(declared).upper()
    derived = affinity(written)
    if strict or written == derived:
        return written
    return f"{written or 'none'} ({derived} affinity)"


def _keys(
    table: str, definition: TableDefinition, pragmas: Pragmas, of: ObjectKey
) -> Iterator[Described]:
    columns = _primary(pragmas.columns[table])
    alias = bool(columns) and not definition.without_rowid
    for index, _, origin in pragmas.indexes.get(table, ()):
        rows = pragmas.index_columns[index]
        if origin == "pk":
            columns, alias = _indexed(rows), False
        elif origin == "u":
            key = ObjectKey(
                "unique constraint", f"{of.name}({', '.join(_indexed(rows))})"
            )
            named = tuple(fold(row[0]) for row in rows)
            action = definition.unique_conflict.get(named)
            yield key, SchemaObject({"conflict action": action}, of)
    if columns:
        attributes: dict[str, Attribute] = {
            "columns": columns,
            "rowid alias": alias,
            "autoincrement": definition.autoincrement,
            "conflict action": definition.primary_key_conflict,
        }
        yield described("primary key", [table], attributes, of)


def _foreign_keys(
    table: str, definition: TableDefinition, pragmas: Pragmas, of: ObjectKey
) -> Iterator[Described]:
    keys: dict[int, list[Row]] = {}
    for row in pragmas.foreign_keys.get(table, ()):
        keys.setdefault(row[0], []).append(row)
    for rows in keys.values():
        _, _, written, _, to, on_update, on_delete = rows[0]
        columns = [row[3] for row in rows]
        parent = pragmas.table(written)
        known = pragmas.columns.get(parent, ())
        spelled = {fold(row[0]): row[0] for row in known}
        parents = (
            # Without columns, the parent's primary key is meant.
            _primary(known)
            if to is None
            else [identifier(spelled.get(fold(row[4])) or row[4]) for row in rows]
        )
        target = identifier(parent) + f"({', '.join(parents)})" * bool(parents)
        name = f"{of.name}({', '.join(map(identifier, columns))}) to {target}"
        at = tuple(map(fold, columns)), fold(written)
        attributes: dict[str, Attribute] = {
            "update action": on_update.lower(),
            "delete action": on_delete.lower(),
            "deferred": at in definition.deferred,
        }
        yield ObjectKey("foreign key", name), SchemaObject(attributes, of)


def _primary(columns: Sequence[Row]) -> list[str]:
    keyed = sorted((place, name) for name, _, _, _, place, _ in columns if place)
    return [identifier(name) for _, name in keyed]


def _indexed(rows: Sequence[Row], expressions: Sequence[str] = ()) -> list[str]:
    shown = []
    for at, (name, descending, collation) in enumerate(rows):
        column = expressions[at] if name is None else identifier(name)
        # An expression's own text says how it is collated.
        if name is not None and fold(collation) != "binary":
            column += f" collate {fold(collation)}"
        shown.append(column + " desc" * descending)
    return shown
