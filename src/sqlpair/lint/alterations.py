"""What ALTER TABLE and ALTER INDEX do to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlpair.lint.definitions import add_column, add_constraint, declared
from sqlpair.lint.grammar import Action, definition, table_constraint
from sqlpair.lint.model import Event, Model, Table
from sqlpair.lint.script import Parsed
from sqlpair.lint.tokens import Cursor


def alter(model: Model, parsed: Parsed) -> str:
    """Apply ALTER to the model; return what could not be read of it."""
    head = parsed.head
    assert head
    if head.kind == "INDEX":
        _rename_index(model, parsed)
        return ""
    table = model.known(head.names[0], parsed.line)
    for action in parsed.actions:
        if not action.what:
            written = parsed.statement.text[
                action.tokens[0].start : action.tokens[-1].end
            ]
            return f"ALTER TABLE … {' '.join(written.split())[:60]} is not known"
        if handle := _ACTIONS.get(action.what):
            handle(model, table, action, parsed)
    return ""


def _rename_index(model: Model, parsed: Parsed) -> None:
    assert parsed.head
    old = parsed.head.names[0]
    for action in parsed.actions:
        owner = model.having_index(old)
        if action.what == "rename table" and action.name and owner:
            owner.indexes[action.name.name] = owner.indexes.pop(old)


def _rename_table(model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    assert action.name
    old, new = table.name, action.name.name
    model.events.append(
        Event("rename table", old, table.origin, parsed.line, after=new)
    )
    del model.tables[old]
    table.name = new
    model.put(table)
    if model.renames_alone:
        return
    for name in [*model.tables]:  # references follow the table
        if any(key.table == old for key in model.tables[name].foreign_keys):
            other = model.own(name)
            other.foreign_keys = [
                replace(key, table=new) if key.table == old else key
                for key in other.foreign_keys
            ]
        for trigger, mentions in model.tables[name].triggers.items():
            if old in mentions:
                model.own(name).triggers[trigger] = mentions - {old} | {new}
    for place, thing in model.things.items():
        if old in thing.mentions:
            mentions = thing.mentions - {old} | {new}
            model.things[place] = replace(thing, mentions=mentions)


def _add(_model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    item = definition(action.rest)
    if not (action.conditional and item.name.name in table.columns):
        add_column(table, item, parsed)


def _add_constraint(
    _model: Model, table: Table, action: Action, parsed: Parsed
) -> None:
    add_constraint(table, table_constraint(action.rest), parsed)


def _rename_column(model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    assert action.name
    old, new = action.name.name, action.rest[0]
    column = table.columns.pop(old, None)
    origin = column.origin if column else old
    model.events.append(
        Event(
            "rename column",
            table.name,
            table.origin,
            parsed.line_at(action.name.start),
            old,
            origin,
            after=new.name,
        )
    )
    if column:
        column.name, column.spelling = new.name, new.spelling
        table.columns[new.name] = column
    _rename_in(table, old, new.name)


def _rename_in(table: Table, old: str, new: str) -> None:
    """Replace the name of a column in everything that uses it."""

    def renamed(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(new if item == old else item for item in columns)

    table.primary_key = renamed(table.primary_key)
    table.foreign_keys = [
        replace(key, columns=renamed(key.columns)) for key in table.foreign_keys
    ]
    table.keys = [replace(key, columns=renamed(key.columns)) for key in table.keys]
    table.indexes = {
        name: replace(
            index,
            columns=renamed(index.columns),
            mentions=frozenset(renamed(index.mentions)),
        )
        for name, index in table.indexes.items()
    }
    table.checked = {
        name: frozenset(renamed(columns)) for name, columns in table.checked.items()
    }


def _alter_column(model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    assert action.name
    name = action.name.name
    column = table.columns.get(name)
    cursor = Cursor(action.rest)
    before, after = column.declared if column else "", ""
    not_null = cursor.accept("SET", "NOT", "NULL")
    if cursor.accept("TYPE") or cursor.accept("SET", "DATA", "TYPE"):
        after = declared(parsed, definition((action.name, *cursor.rest)).kind)
    elif column and (cursor.accept("SET", "DEFAULT") or cursor.accept("ADD")):
        column.has_default = cursor.peek() != "NULL"  # ADD GENERATED … AS IDENTITY
    if after or not_null:
        model.events.append(
            Event(
                "type" if after else "not null",
                table.name,
                table.origin,
                parsed.line_at(action.name.start),
                name,
                column.origin if column else name,
                before=before,
                after=after,
            )
        )
    if column and after:
        column.declared = after


def _drop_constraint(
    _model: Model, table: Table, action: Action, _parsed: Parsed
) -> None:
    assert action.name
    name = action.name.name
    table.keys = [key for key in table.keys if key.name != name]
    table.foreign_keys = [key for key in table.foreign_keys if key.name != name]
    table.checked.pop(name, None)


def _drop_column(model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    assert action.name
    drop_column(model, table, action.name.name, parsed.line_at(action.name.start))


def drop_column(model: Model, table: Table, name: str, line: int) -> None:
    """Drop a column, and what goes with it: indexes, constraints, its sequence."""
    column = table.columns.pop(name, None)
    origin = column.origin if column else name
    model.events.append(
        Event("drop column", table.name, table.origin, line, name, origin)
    )
    table.foreign_keys = [k for k in table.foreign_keys if name not in k.columns]
    table.keys = [key for key in table.keys if name not in key.columns]
    table.indexes = {
        key: index for key, index in table.indexes.items() if name not in index.mentions
    }
    table.checked = {
        key: columns for key, columns in table.checked.items() if name not in columns
    }
    model.things = {
        key: thing
        for key, thing in model.things.items()
        if thing.owner != f"{table.name}.{name}"
    }


def _attach(model: Model, table: Table, action: Action, parsed: Parsed) -> None:
    if action.name:
        partition = model.known(action.name.name, parsed.line)
        partition.parent = table.name if action.what == "attach" else ""


_Handle = Callable[[Model, Table, Action, Parsed], None]
_ACTIONS: dict[str, _Handle] = {
    "add column": _add,
    "add constraint": _add_constraint,
    "rename table": _rename_table,
    "rename column": _rename_column,
    "alter column": _alter_column,
    "drop column": _drop_column,
    "drop constraint": _drop_constraint,
    "attach": _attach,
    "detach": _attach,
}
