"""What CREATE TABLE and CREATE INDEX say, put into the model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from sqlpair.lint.model import Column, ForeignKey, Index, Model, Table
from sqlpair.lint.script import Parsed

# In which types are written for comparing: PostgreSQL's keeps their names.
DIALECT = "postgres"
_DECLARED = re.compile(
    r"(?:(?!(?:CONSTRAINT|PRIMARY|NOT|NULL|UNIQUE|CHECK|DEFAULT|COLLATE|REFERENCES"
    r"|GENERATED|AS|ON)\b)[\w.]+\s*)*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?:\[\])*",
    re.IGNORECASE,
)


def name_of(node: exp.Expr | None) -> str:
    """Return a name as the model has it."""
    return node.name.lower() if node else ""


def create_table(model: Model, parsed: Parsed, tree: exp.Create) -> None:
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
            add_column(table, item, parsed)
        else:
            add_constraint(table, item, parsed)


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


def add_column(table: Table, item: exp.ColumnDef, parsed: Parsed) -> None:
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


def add_constraint(
    table: Table, item: exp.Expr, parsed: Parsed, name: str = ""
) -> None:
    if isinstance(item, exp.Constraint):
        for part in item.expressions:
            add_constraint(table, part, parsed, name_of(item.this))
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


def create_index(model: Model, parsed: Parsed, tree: exp.Create) -> None:
    assert parsed.head
    index = tree.this
    table = model.known(name_of(index.args.get("table")), parsed.line)
    params = index.args.get("params")
    where = params.args.get("where") if params else None
    name = name_of(index.this)
    if parsed.head.if_not_exists and name in table.indexes:
        return
    condition = where.this.unnest().sql().lower() if where else ""
    not_null = re.fullmatch(r"not (\w+) is null", condition)
    columns = (params.args.get("columns") if params else None) or ()
    table.indexes[name or f"index {len(table.indexes)}"] = Index(
        name,
        _columns(columns),
        parsed.line_at(parsed.head.offset),
        unique=bool(tree.args.get("unique")),
        where=f"{not_null[1]} is not null" if not_null else condition,
        spelling=", ".join(column.sql("sqlite") for column in columns),
    )
