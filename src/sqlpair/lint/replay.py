"""Replay: what a statement makes of the model.

Each statement changes the model as it would change the database. What it cannot
read it leaves alone and says so: the caller makes a finding of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlglot import exp

from sqlpair.lint.model import Column, Event, ForeignKey, Index, Model, Table
from sqlpair.lint.script import Parsed

# In which types are written for comparing: PostgreSQL's keeps their names.
DIALECT = "postgres"
_USING_INDEX = re.compile(
    r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?(PRIMARY\s+KEY|UNIQUE)\s+USING\s+INDEX\s+\"?(\w+)",
    re.IGNORECASE,
)
_DECLARED = re.compile(
    r"(?:(?!(?:CONSTRAINT|PRIMARY|NOT|NULL|UNIQUE|CHECK|DEFAULT|COLLATE|REFERENCES"
    r"|GENERATED|AS|ON)\b)[\w.]+\s*)*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?:\[\])*",
    re.IGNORECASE,
)


def apply(model: Model, parsed: Parsed) -> str:
    """Change ``model`` as ``parsed`` would; return what of it could not be read."""
    head = parsed.head
    if parsed.unread or head is None or head.temporary:
        return parsed.unread
    if head.kind == "TRIGGER":
        _trigger(model, parsed)
    elif head.action == "DROP":
        _drop(model, parsed)
    elif parsed.tree is None:
        _using_index(model, parsed)
    elif isinstance(parsed.tree, exp.Create):
        if head.kind == "TABLE":
            _create_table(model, parsed, parsed.tree)
        else:
            _create_index(model, parsed, parsed.tree)
    elif isinstance(parsed.tree, exp.Alter):
        return _alter(model, parsed, parsed.tree)
    return ""


def name_of(node: exp.Expr | None) -> str:
    """Return a name as the model has it."""
    return node.name.lower() if node else ""


def _create_table(model: Model, parsed: Parsed, tree: exp.Create) -> None:
    assert parsed.head
    name = parsed.head.names[0]
    if parsed.head.if_not_exists and name in model.tables:
        return
    table = Table(name, parsed.line_at(parsed.head.offset))
    schema = tree.this
    properties = tree.args.get("properties")
    table.opaque = not isinstance(schema, exp.Schema)
    table.partition = bool(
        properties
        and properties.find(
            exp.PartitionedOfProperty, exp.InheritsProperty, exp.VirtualProperty
        )
    )
    model.put(table)
    for item in schema.expressions if isinstance(schema, exp.Schema) else ():
        if isinstance(item, exp.LikeProperty):
            _like(model, table, item)
        elif isinstance(item, exp.ColumnDef):
            _add_column(table, item, parsed)
        else:
            _add_constraint(table, item, parsed)


def _like(model: Model, table: Table, item: exp.LikeProperty) -> None:
    source = model.tables.get(name_of(item.this))
    if source is None:
        table.opaque = True
        return
    for name, column in source.columns.items():
        table.columns[name] = replace(column, origin=None)
    options = item.sql().upper()
    if "INDEXES" in options or "INCLUDING ALL" in options:
        table.primary_key = source.primary_key
        table.keys += source.keys
        # Their names are the server's choice.
        table.keys += source.indexes.values()
    if "CONSTRAINTS" in options or "INCLUDING ALL" in options:
        table.checked |= source.checked


def _add_column(table: Table, item: exp.ColumnDef, parsed: Parsed) -> None:
    kind = item.args.get("kind")
    column = Column(
        name_of(item),
        item.name,
        kind.sql(DIALECT).lower() if kind else "",
        _declared(parsed, item),
        parsed.line_of(item.this),
    )
    table.columns[column.name] = column
    for constraint in item.constraints:
        _column_constraint(table, column, constraint)


def _declared(parsed: Parsed, item: exp.ColumnDef) -> str:
    """Return the type as the file has it: the parser puts its own names in."""
    end = item.this.meta.get("end")
    if end is None:
        return ""
    rest = parsed.statement.text[end + 1 :].lstrip('"`] \t\r\n')
    found = _DECLARED.match(rest)
    return " ".join(found[0].split()) if found else ""


def _column_constraint(
    table: Table, column: Column, constraint: exp.ColumnConstraint
) -> None:
    kind = constraint.kind
    columns = (column.name,)
    if isinstance(kind, exp.NotNullColumnConstraint):
        column.not_null = not kind.args.get("allow_null")
    elif isinstance(
        kind,
        exp.DefaultColumnConstraint
        | exp.GeneratedAsIdentityColumnConstraint
        | exp.GeneratedAsRowColumnConstraint
        | exp.ComputedColumnConstraint,
    ):
        column.has_default = not isinstance(kind.this, exp.Null)
    elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
        table.primary_key = columns
    elif isinstance(kind, exp.UniqueColumnConstraint):
        table.keys.append(Index("", columns, column.line, unique=True))
    elif isinstance(kind, exp.Reference):
        table.foreign_keys.append(_foreign_key(columns, kind, column.line))
    elif isinstance(kind, exp.CheckColumnConstraint):
        _add_check(table, name_of(constraint.this), kind)


def _foreign_key(
    columns: tuple[str, ...], reference: exp.Reference, line: int, name: str = ""
) -> ForeignKey:
    target = reference.find(exp.Table)
    actions = [
        str(option).upper().removeprefix("ON DELETE ").strip()
        for option in reference.args.get("options") or ()
        if str(option).upper().startswith("ON DELETE")
    ]
    return ForeignKey(columns, name_of(target), "".join(actions), line, name)


def _add_check(table: Table, name: str, check: exp.CheckColumnConstraint) -> None:
    columns = frozenset(name_of(column) for column in check.find_all(exp.Column))
    table.checked[name or f"check {len(table.checked)}"] = columns


def _add_constraint(
    table: Table, item: exp.Expr, parsed: Parsed, name: str = ""
) -> None:
    if isinstance(item, exp.Constraint):
        for part in item.expressions:
            _add_constraint(table, part, parsed, name_of(item.this))
    elif isinstance(item, exp.PrimaryKey):
        table.primary_key = _columns(item.expressions)
    elif isinstance(item, exp.UniqueColumnConstraint):
        schema = item.this
        columns = _columns(schema.expressions if schema else ())
        table.keys.append(Index(name, columns, parsed.line_of(item), unique=True))
    elif isinstance(item, exp.ForeignKey):
        reference = item.args.get("reference")
        columns = _columns(item.expressions)
        if isinstance(reference, exp.Reference):
            line = parsed.line_of(item)
            table.foreign_keys.append(_foreign_key(columns, reference, line, name))
    elif isinstance(item, exp.CheckColumnConstraint):
        _add_check(table, name, item)


def _columns(items: Iterable[exp.Expr]) -> tuple[str, ...]:
    return tuple(_plain(item) for item in items)


def _plain(item: exp.Expr) -> str:
    """Return the column that an index or key has here; empty for an expression."""
    while isinstance(item, exp.Ordered | exp.Collate | exp.Opclass):
        item = item.this
    return name_of(item) if isinstance(item, exp.Column | exp.Identifier) else ""


def _create_index(model: Model, parsed: Parsed, tree: exp.Create) -> None:
    assert parsed.head
    index = tree.this
    table = model.known(name_of(index.args.get("table")), parsed.line)
    params = index.args.get("params")
    where = params.args.get("where") if params else None
    name = name_of(index.this)
    if parsed.head.if_not_exists and name in table.indexes:
        return
    condition = where.this.sql().lower() if where else ""
    not_null = re.fullmatch(r"not (\w+) is null", condition)
    table.indexes[name or f"index {len(table.indexes)}"] = Index(
        name,
        _columns(params.args.get("columns") or () if params else ()),
        parsed.line_at(parsed.head.offset),
        unique=bool(tree.args.get("unique")),
        where=f"{not_null[1]} is not null" if not_null else condition,
    )


def _using_index(model: Model, parsed: Parsed) -> None:
    found = _USING_INDEX.search(parsed.statement.text)
    if not found or parsed.head is None:
        return
    table = model.known(parsed.head.names[0], parsed.line)
    index = table.indexes.get(found[2].lower())
    if index and found[1].upper() != "UNIQUE":
        table.primary_key = index.columns


def _trigger(model: Model, parsed: Parsed) -> None:
    head = parsed.head
    assert head
    if head.action == "CREATE":
        model.known(head.table, parsed.line).triggers[head.names[0]] = parsed.line
    elif head.action == "DROP":
        for name, table in list(model.tables.items()):
            if head.names[0] in table.triggers and head.table in ("", name):
                del model.own(name).triggers[head.names[0]]


def _drop(model: Model, parsed: Parsed) -> None:
    head = parsed.head
    assert head
    for name in head.names:
        if head.kind == "TABLE":
            table = model.tables.pop(name, None)
            origin = table.origin if table else name
            model.events.append(Event("drop table", name, origin, parsed.line))
        elif head.kind == "INDEX" and (owner := model.having_index(name)):
            del owner.indexes[name]
            model.events.append(
                Event("drop index", owner.name, owner.origin, parsed.line, name)
            )


def _alter(model: Model, parsed: Parsed, tree: exp.Alter) -> str:
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
        _add_column(table, action, parsed)


def _add_constraints(
    _model: Model, table: Table, action: exp.Expr, parsed: Parsed
) -> None:
    for item in action.expressions:
        _add_constraint(table, item, parsed)


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
