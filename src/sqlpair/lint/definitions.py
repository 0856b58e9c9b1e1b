"""CREATE TABLE and CREATE INDEX, applied to the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from sqlpair.lint.grammar import (
    Constraint,
    Definition,
    definition,
    is_of_table,
    table_constraint,
)
from sqlpair.lint.model import Column, ForeignKey, Index, Model, Table
from sqlpair.lint.script import Parsed
from sqlpair.lint.tokens import Cursor, Lexeme, columns, names, plain, split

_NOT_NULL = re.compile(r"(\w+) (?:is not null|notnull)|not (\w+) is null")


def create_table(model: Model, parsed: Parsed) -> None:
    """Add the table of a CREATE TABLE."""
    head = parsed.head
    assert head
    name = head.names[0]
    if head.if_not_exists and name in model.tables:
        return
    table = Table(name, parsed.line_at(head.offset), schema=head.schema)
    table.keyless = bool({"VIRTUAL", "FOREIGN"} & head.modifiers)
    cursor = Cursor(parsed.tokens)
    cursor.at = head.end
    if cursor.accept("PARTITION", "OF"):
        table.keyless = True
        parent = cursor.name()
        table.parent = parent[-1].name if parent else ""
    elif cursor.accept("OF"):
        cursor.name()
    listed = cursor.group()
    if "INHERITS" in (token.word for token in cursor.rest):
        table.keyless = True
    if "FOREIGN" in head.modifiers and cursor.find("SERVER"):
        table.server = cursor.take().name
    table.opaque = not listed or "VIRTUAL" in head.modifiers or _is_query(cursor)
    model.put(table)
    for item in split(listed) if not table.opaque else ():
        _item(model, table, item, parsed)


def _is_query(cursor: Cursor) -> bool:
    """Say whether the table is made AS SELECT."""
    return any(token.word == "AS" for token in cursor.rest)


def _item(model: Model, table: Table, item: Sequence[Lexeme], parsed: Parsed) -> None:
    if item[0].word == "LIKE" and item[1:]:
        _like(model, table, item)
    elif is_of_table(item):
        add_constraint(table, table_constraint(item), parsed)
    else:
        add_column(table, definition(item), parsed)


def _like(model: Model, table: Table, item: Sequence[Lexeme]) -> None:
    cursor = Cursor(item[1:])
    source = model.tables.get(cursor.name()[-1].name)
    if source is None:
        table.opaque = True
        return
    for name, column in source.columns.items():
        table.columns[name] = replace(column, origin=None)
    options = {token.word for token in cursor.rest} - {"INCLUDING"}
    if options & {"INDEXES", "ALL"}:
        table.primary_key = source.primary_key
        table.keys += source.keys
        # PostgreSQL chooses their names.
        table.keys += source.indexes.values()
    if options & {"CONSTRAINTS", "ALL"}:
        table.checked |= source.checked


def add_column(table: Table, item: Definition, parsed: Parsed) -> None:
    """Add a column of CREATE TABLE or ALTER TABLE … ADD."""
    column = Column(
        item.name.name,
        item.name.spelling,
        declared(parsed, item.kind),
        parsed.line_at(item.name.start),
    )
    table.columns[column.name] = column
    for constraint in item.constraints:
        _column_constraint(table, column, constraint)


def declared(parsed: Parsed, kind: Sequence[Lexeme]) -> str:
    """Return a type as the file has it."""
    if not kind:
        return ""
    return " ".join(parsed.statement.text[kind[0].start : kind[-1].end].split())


def _column_constraint(table: Table, column: Column, item: Constraint) -> None:
    own = (column.name,)
    if item.kind == "NOT NULL":
        column.not_null = True
    elif item.kind == "NULL":
        column.not_null = False
    elif item.kind in ("DEFAULT", "GENERATED", "AS"):
        column.has_default = item.cursor.peek() != "NULL"
    elif item.kind == "PRIMARY":
        table.primary_key = own
    elif item.kind == "UNIQUE":
        table.keys.append(Index(item.name, own, column.line, unique=True))
    elif item.kind == "REFERENCES":
        table.foreign_keys.append(_foreign_key(own, item, column.line))
    elif item.kind == "CHECK":
        _add_check(table, item)


def _foreign_key(columns: tuple[str, ...], item: Constraint, line: int) -> ForeignKey:
    cursor = Cursor(item.tokens)
    cursor.find("REFERENCES")
    target = cursor.name()
    on_delete = ""
    while cursor and not on_delete:
        if cursor.accept("ON", "DELETE"):
            first = cursor.take().word
            more = cursor.take().word if first in ("SET", "NO") else ""
            on_delete = f"{first} {more}".strip()
        else:
            cursor.take()
    name = target[-1].name if target else ""
    return ForeignKey(columns, name, on_delete, line, item.name)


def _add_check(table: Table, item: Constraint) -> None:
    checked = names(item.cursor.group())
    table.checked[item.name or f"check {len(table.checked)}"] = checked


def add_constraint(table: Table, item: Constraint, parsed: Parsed) -> None:
    """Add a constraint of the table."""
    cursor = item.cursor
    line = parsed.line_at(item.tokens[0].start)
    if item.kind == "CHECK":
        _add_check(table, item)
    elif item.kind == "NOT":  # NOT NULL column
        cursor.take()
        if column := table.columns.get(cursor.take().name):
            column.not_null = True
    elif item.kind in ("PRIMARY", "UNIQUE", "FOREIGN"):
        _add_key(table, item, line)


def _add_key(table: Table, item: Constraint, line: int) -> None:
    cursor = item.cursor
    cursor.accept_all(("KEY", "NULLS", "NOT", "DISTINCT"))
    if cursor.accept("USING", "INDEX"):
        _use_index(table, item, cursor.take().name)
        return
    if not cursor or cursor.peek() != "(":  # FOREIGN KEY name (…), as MySQL has it
        cursor.take()
    listed = columns(cursor.group())
    if item.kind == "PRIMARY":
        table.primary_key = listed
    elif item.kind == "UNIQUE":
        table.keys.append(Index(item.name, listed, line, unique=True))
    else:
        table.foreign_keys.append(_foreign_key(listed, item, line))


def _use_index(table: Table, item: Constraint, name: str) -> None:
    """Make a key of an index; from then on it is dropped with the constraint."""
    index = table.indexes.pop(name, None)
    if index and item.kind == "PRIMARY":
        table.primary_key = index.columns
    elif index:
        table.keys.append(replace(index, name=item.name or name))


def create_index(model: Model, parsed: Parsed) -> None:
    """Add an index; without a name it gets the one that PostgreSQL gives it."""
    head = parsed.head
    assert head
    cursor = Cursor(parsed.tokens)
    cursor.find("ON")
    cursor.accept("ONLY")
    target = cursor.name()
    table = model.known(target[-1].name if target else "", parsed.line)
    if cursor.accept("USING"):
        cursor.take()
    listed = cursor.group()
    where = _condition(cursor.rest) if cursor.find("WHERE") else ""
    columns_ = columns(listed)
    name = head.names[0] or _given_name(table, listed)
    if head.if_not_exists and name in table.indexes:
        return
    table.indexes[name] = Index(
        name,
        columns_,
        parsed.line_at(head.offset),
        unique="UNIQUE" in head.modifiers,
        where=where,
        spelling=tuple(plain(item) for item in split(listed)),
        mentions=names(parsed.tokens[head.end :]) - {table.name},
    )


def _given_name(table: Table, listed: Sequence[Lexeme]) -> str:
    """Return the name that PostgreSQL gives: of an expression its function's."""
    parts = [
        name or (item[0].name if item[0].kind == "word" else "expr")
        for name, item in zip(columns(listed), split(listed), strict=True)
    ]
    name = "_".join([table.name, *parts, "idx"])[:63]
    numbers = (f"{name}{number or ''}" for number in count())
    return next(found for found in numbers if found not in table.indexes)


def _condition(tokens: Sequence[Lexeme]) -> str:
    """Return a condition, however it is typed, without parentheses around it."""
    cursor = Cursor(tokens)
    inner = cursor.group()
    if inner and not cursor:
        return _condition(inner)
    text = plain(tokens)
    found = _NOT_NULL.fullmatch(text)
    return f"{found[1] or found[2]} is not null" if found else text
