"""What ALTER TABLE and ALTER INDEX do to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlglot import exp

from sqlpair.lint.definitions import DIALECT, add_column, add_constraint, name_of
from sqlpair.lint.model import Event, Model, Table
from sqlpair.lint.script import Parsed


def alter(model: Model, parsed: Parsed, tree: exp.Alter) -> str:
    assert parsed.head
    if parsed.head.kind == "INDEX":
        _rename_index(model, parsed, tree)
        return ""
    table = model.known(parsed.head.names[0], parsed.line)
    for action in tree.args.get("actions") or ():
        if isinstance(action, exp.AlterRename):
            _rename_table(model, table, name_of(action.this), parsed)
        elif handle := _ACTIONS.get(type(action)):
            handle(model, table, action, parsed)
        else:
            return f"{action.sql(DIALECT)} is not understood"
    return ""


def _rename_index(model: Model, parsed: Parsed, tree: exp.Alter) -> None:
    assert parsed.head
    old = parsed.head.names[0]
    for action in tree.args.get("actions") or ():
        if isinstance(action, exp.AlterRename) and (owner := model.having_index(old)):
            owner.indexes[name_of(action.this)] = owner.indexes.pop(old)


def _rename_table(model: Model, table: Table, new: str, parsed: Parsed) -> None:
    model.events.append(
        Event("rename table", table.name, table.origin, parsed.line, after=new)
    )
    del model.tables[table.name]
    table.name = new
    model.put(table)


def _add(_model: Model, table: Table, action: exp.Expr, parsed: Parsed) -> None:
    assert isinstance(action, exp.ColumnDef)
    if not (action.args.get("exists") and name_of(action) in table.columns):
        add_column(table, action, parsed)


def _add_constraints(
    _model: Model, table: Table, action: exp.Expr, parsed: Parsed
) -> None:
    for item in action.expressions:
        add_constraint(table, item, parsed)


def _rename_column(
    model: Model, table: Table, action: exp.Expr, parsed: Parsed
) -> None:
    old, new = name_of(action.this), name_of(action.args.get("to"))
    column = table.columns.pop(old, None)
    origin = column.origin if column else old
    model.events.append(
        Event(
            "rename column",
            table.name,
            table.origin,
            parsed.line_of(action.this),
            old,
            origin,
            after=new,
        )
    )
    if column:
        column.name = new
        table.columns[new] = column
    _rename_in(table, old, new)


def _rename_in(table: Table, old: str, new: str) -> None:
    """Put a renamed column into everything that names it."""

    def renamed(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(new if item == old else item for item in columns)

    table.primary_key = renamed(table.primary_key)
    table.foreign_keys = [
        replace(key, columns=renamed(key.columns)) for key in table.foreign_keys
    ]
    table.keys = [replace(key, columns=renamed(key.columns)) for key in table.keys]
    table.indexes = {
        name: replace(index, columns=renamed(index.columns))
        for name, index in table.indexes.items()
    }
    table.checked = {
        name: frozenset(renamed(columns)) for name, columns in table.checked.items()
    }


def _alter_column(model: Model, table: Table, action: exp.Expr, parsed: Parsed) -> None:
    column = table.columns.get(name_of(action.this))
    kind = action.args.get("dtype")
    allow_null = action.args.get("allow_null")
    event = Event(
        "type" if kind else "not null",
        table.name,
        table.origin,
        parsed.line_of(action.this),
        name_of(action.this),
        column.origin if column else name_of(action.this),
        before=column.kind if column else "",
        after=kind.sql(DIALECT).lower() if kind else "",
    )
    if kind or allow_null is False:
        model.events.append(event)
    if column and kind:
        column.kind = event.after
    if column and action.args.get("default"):
        column.has_default = True


def _drop_part(model: Model, table: Table, action: exp.Expr, parsed: Parsed) -> None:
    for item in action.args.get("tables") or ():
        name = name_of(item)
        if action.args.get("kind") == "COLUMN":
            _drop_column(model, table, name, parsed.line_of(item))
        elif action.args.get("kind") == "CONSTRAINT":
            table.keys = [key for key in table.keys if key.name != name]
            table.foreign_keys = [k for k in table.foreign_keys if k.name != name]
            table.checked.pop(name, None)


def _drop_column(model: Model, table: Table, name: str, line: int) -> None:
    column = table.columns.pop(name, None)
    origin = column.origin if column else name
    model.events.append(
        Event("drop column", table.name, table.origin, line, name, origin)
    )
    table.foreign_keys = [k for k in table.foreign_keys if name not in k.columns]
    table.keys = [key for key in table.keys if name not in key.columns]
    table.indexes = {
        key: index for key, index in table.indexes.items() if name not in index.columns
    }
    table.checked = {
        key: columns for key, columns in table.checked.items() if name not in columns
    }


_Action = Callable[[Model, Table, exp.Expr, Parsed], None]
_ACTIONS: dict[type[exp.Expr], _Action] = {
    exp.ColumnDef: _add,
    exp.AddConstraint: _add_constraints,
    exp.RenameColumn: _rename_column,
    exp.AlterColumn: _alter_column,
    exp.Drop: _drop_part,
}
