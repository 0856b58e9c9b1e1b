"""What a row of each PostgreSQL table has to be, and every row that is there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlpair.databases.postgresql import deparse
from sqlpair.databases.quoting import quote
from sqlpair.databases.row_values import (
    Check,
    ColumnShape,
    Contents,
    ForeignKeyShape,
    TableRows,
    TableShape,
    ValueKind,
    text_of,
)

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

_AT_ONCE = 100  # tables to a query

# Partitions are filled through the table they are part of.
_TABLES = """
WITH RECURSIVE types AS (
    SELECT t.oid, t.oid AS base, t.typtypmod AS modifier, false AS required,
        ''::text AS checks
    FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
    UNION ALL
    SELECT d.oid, t.base,
        CASE WHEN d.typtypmod = -1 THEN t.modifier ELSE d.typtypmod END,
        t.required OR d.typnotnull,
        t.checks || coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ' ')
            FROM pg_catalog.pg_constraint k
            WHERE k.contypid = d.oid AND k.contype = 'c'), '')
    FROM pg_catalog.pg_type d JOIN types t ON t.oid = d.typbasetype
    WHERE d.typtype = 'd'
)
SELECT c.oid,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    json_agg(json_build_object(
        'key', a.attnum, 'name', quote_ident(a.attname), 'plain', a.attname,
        'type', b.typname, 'category', b.typcategory,
        'element', (SELECT e.typname FROM pg_catalog.pg_type e WHERE e.oid = b.typelem),
        'modifier', CASE WHEN a.atttypmod = -1 THEN t.modifier ELSE a.atttypmod END,
        'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = b.oid),
        'required', (a.attnotnull OR t.required) AND NOT a.atthasdef
            OR a.attidentity <> '' OR coalesce(
            pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),
        'checks', t.checks,
        'automatic', a.attgenerated <> ''
    ) ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    AND a.attnum > 0 AND NOT a.attisdropped
JOIN types t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = t.base
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {wanted}
GROUP BY c.oid, n.nspname, c.relname
ORDER BY name
"""
_COLUMNS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    ARRAY(SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {wanted}
ORDER BY name
"""
_WANTED = """c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND NOT (n.nspname = {schema} AND c.relname IN ({own}))
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
    WHERE e.objid = c.oid AND e.classid = 'pg_class'::regclass AND e.deptype = 'e')"""
_CONSTRAINTS = """
SELECT k.conrelid AS oid, k.contype::text AS kind, k.conkey AS own, k.confkey AS its,
    pg_get_constraintdef(k.oid) AS text, k.confrelid AS parent,
    (SELECT quote_ident(n.nspname) || '.' || quote_ident(p.relname)
     FROM pg_catalog.pg_class p JOIN pg_catalog.pg_namespace n
     ON n.oid = p.relnamespace WHERE p.oid = k.confrelid) AS parent_name,
    (SELECT json_object_agg(a.attnum, quote_ident(a.attname))
     FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = k.confrelid AND a.attnum > 0) AS parent_columns
FROM pg_catalog.pg_constraint k
WHERE k.contype IN ('c', 'f', 'u', 'p', 'x') AND k.conrelid <> 0 AND k.conparentid = 0
ORDER BY k.conname
"""
_UNIQUE = """
SELECT i.indrelid AS oid, i.indkey::int2[] AS own
FROM pg_catalog.pg_index i WHERE i.indisunique
"""


def tables(session: PostgreSQLSession) -> list[TableShape]:
    """See ``sqlpair.databases.interface.Driver``."""
    constraints: dict[int, list[dict[str, Any]]] = {}
    for row in session.rows(_CONSTRAINTS):
        constraints.setdefault(row["oid"], []).append(row)
    unique: dict[int, set[int]] = {}
    for row in session.rows(_UNIQUE):
        unique.setdefault(row["oid"], set()).update(row["own"])
    return [
        _table(row, constraints.get(row["oid"], []), unique.get(row["oid"], set()))
        for row in session.rows(_TABLES.format(wanted=_wanted(session)))
    ]


def contents(session: PostgreSQLSession) -> Contents:
    """See ``sqlpair.databases.interface.Driver``."""
    # Not of materialized views: their rows follow from their definition and the
    # tables, and are those of the last refresh, which a restore is.
    told = session.fetch(_COLUMNS.format(wanted=_wanted(session)))
    tables = [(name, tuple(sorted(columns))) for name, columns in told]
    found = {}
    for start in range(0, len(tables), _AT_ONCE):
        some = tables[start : start + _AT_ONCE]
        rows: list[list[tuple[str, ...]]] = [[] for _ in some]
        for place, values in session.fetch(
            " UNION ALL ".join(map(_values, count(), some))
        ):
            rows[place].append(tuple(values))
        for (name, columns), its in zip(some, rows, strict=True):
            found[name] = TableRows(columns, tuple(its))
    return found


def _values(place: int, table: tuple[str, Sequence[str]]) -> str:
    """Select all values of each row of a table, beside its place among others."""
    name, columns = table
    values = ", ".join(map(literal, columns))
    return f"SELECT {place}, ARRAY[{values}]::text[] FROM ONLY {name}"


def literal(column: str) -> str:
    """Return the expression for a column's value as a literal."""
    return f"quote_nullable({column}::text)"


def _wanted(session: PostgreSQLSession) -> str:
    return _WANTED.format(
        schema=quote(session.database.ledger_schema),
        own=", ".join(map(quote, session.table.names)),
    )


def _table(
    row: dict[str, Any], constraints: list[dict[str, Any]], unique: set[int]
) -> TableShape:
    names = {column["key"]: column["name"] for column in row["columns"]}
    checks = [
        Check(
            frozenset(names[key] for key in found["own"] or ()),
            # As it is in a copy, too.
            deparse.canonical(found["text"]),
        )
        for found in constraints
        if found["kind"] == "c"
    ]
    checks += [
        Check(frozenset({column["name"]}), column["checks"])
        for column in row["columns"]
        if column["checks"]
    ]
    excluded = {
        key for found in constraints if found["kind"] == "x" for key in found["own"]
    }
    return TableShape(
        name=row["name"],
        columns=tuple(map(_column, row["columns"])),
        checks=tuple(checks),
        unique=frozenset(names[key] for key in unique | excluded if key in names),
        overriding="OVERRIDING SYSTEM VALUE",
        foreign_keys=tuple(
            ForeignKeyShape(
                tuple(names[key] for key in found["own"]),
                found["parent_name"],
                tuple(found["parent_columns"][str(key)] for key in found["its"]),
            )
            for found in constraints
            if found["kind"] == "f"
        ),
    )


def _column(told: dict[str, Any]) -> ColumnShape:
    kinds = {"N": ValueKind.NUMBER, "S": ValueKind.TEXT}
    return ColumnShape(
        name=told["name"],
        kind=kinds.get(told["category"], ValueKind.OTHER),
        value=partial(_literal, told),
        required=told["required"],
        automatic=told["automatic"],
        choices=tuple(map(quote, told["labels"] or ())),
    )


def _literal(told: dict[str, Any], number: int) -> str | None:
    if told["category"] == "A":
        value = _value(told["element"], told["plain"], -1, number)
        return None if value is None else quote("{" + f'"{_escaped(value)}"' + "}")
    value = _value(told["type"], told["plain"], told["modifier"], number)
    return None if value is None else quote(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _value(kind: str, name: str, modifier: int, number: int) -> str | None:
    """The text of the ``number``-th value of a type; None for one unknown here."""
    if kind in ("text", "varchar", "bpchar", "citext", "name"):
        text = text_of(name, number)
        longest = modifier - 4 if modifier >= 4 else 60
        return text if len(text) <= longest else str(number + 1)[-longest:]
    if kind == "numeric":
        return _numeric(modifier, number)
    if kind in ("bit", "varbit"):
        return f"{number % 2}".zfill(max(modifier, 1))
    if kind == "uuid":
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}"))
    shape = _SHAPES.get(kind)
    if shape is None:
        return None
    day, hour, minute = 1 + number % 28, number % 24, number % 60
    return shape.format(
        n=number + 1, m=number + 2, day=day, hour=hour, minute=minute, bool=number % 2
    )


def _numeric(modifier: int, number: int) -> str:
    if modifier < 4:
        return f"{number + 1}.5"
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    whole = max(precision - scale, 0)
    value = (number + 1) % 10**whole if whole else 0
    return f"{value}.5" if scale else str(value)


_SHAPES = {
    "int2": "{n}", "int4": "{n}", "int8": "{n}", "oid": "{n}", "money": "{n}",
    "float4": "{n}.5", "float8": "{n}.5", "bool": "{bool}",
    "date": "2026-01-{day:02}", "time": "{hour:02}:{minute:02}:00",
    "timetz": "{hour:02}:{minute:02}:00+00", "interval": "{n} hours",
    "timestamp": "2026-01-{day:02} {hour:02}:{minute:02}:00",
    "timestamptz": "2026-01-{day:02} {hour:02}:{minute:02}:00+00",
    "json": '{{"n": {n}}}', "jsonb": '{{"n": {n}}}', "xml": "<n>{n}</n>",
    "bytea": "\\x{n:08x}", "inet": "10.0.{hour}.{minute}", "cidr": "10.0.{hour}.0/24",
    "macaddr": "08:00:2b:01:{hour:02x}:{minute:02x}", "tsvector": "n{n}",
    "macaddr8": "08:00:2b:01:02:03:{hour:02x}:{minute:02x}", "tsquery": "n{n}",
    "point": "({n},{m})", "box": "(({n},{n}),({m},{m}))", "line": "{{1,{n},{m}}}",
    "lseg": "(({n},{n}),({m},{m}))", "path": "(({n},{n}),({m},{m}))",
    "polygon": "(({n},{n}),({m},{n}),({m},{m}))", "circle": "<({n},{n}),{m}>",
    "int4range": "[{n},{m})", "int8range": "[{n},{m})", "numrange": "[{n},{m})",
    "daterange": "[2026-01-{day:02},2026-02-{day:02})",
    "tsrange": "[2026-01-{day:02} {hour:02}:00,2026-02-{day:02})",
    "tstzrange": "[2026-01-{day:02} {hour:02}:00+00,2026-02-{day:02} 00:00+00)",
    "hstore": "n=>{n}", "ltree": "n{n}", "pg_lsn": "0/{n:X}", "char": "a",
}  # fmt: skip
