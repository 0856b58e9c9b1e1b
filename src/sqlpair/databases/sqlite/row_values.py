"""What a row of each SQLite table has to be, and every row that is there."""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING

from sqlpair.databases.quoting import identifier, quote
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
from sqlpair.databases.sqlite.affinity import affinity
from sqlpair.databases.sqlite.tokens import fold
from sqlpair.schema.model import Schema

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession

_MOMENTS = {
    "DATE": "2026-01-{day:02}",
    "TIME": "{hour:02}:30:00",
    "DATETIME": "2026-01-{day:02} {hour:02}:30:00",
    "TIMESTAMP": "2026-01-{day:02} {hour:02}:30:00",
}
_TABLES = """
SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0
AND name NOT GLOB 'sqlite_*' ORDER BY name
"""


def tables(session: SQLiteSession) -> list[TableShape]:
    """See ``sqlpair.databases.interface.Driver``."""
    schema = session.schema()
    names = _names(session, schema)
    known = {fold(name): identifier(name) for name in names}
    texts: dict[str, list[str]] = {}
    for key, described in schema.items():
        if key.kind == "check constraint" and described.part_of:
            text = str(described.attributes.get("expression") or key.name)
            texts.setdefault(fold(_plain(described.part_of.name)), []).append(text)
    return [_table(session, name, texts.get(fold(name), []), known) for name in names]


def _names(session: SQLiteSession, schema: Schema) -> list[str]:
    """The tables that hold a project's rows, not what a virtual table keeps."""
    described = {fold(_plain(key.name)) for key in schema if key.kind == "table"}
    names = [str(row["name"]) for row in session.rows(_TABLES)]
    return [name for name in names if fold(name) in described]


def contents(session: SQLiteSession) -> Contents:
    """See ``sqlpair.databases.interface.Driver``."""
    found = {}
    for name in _names(session, session.schema()):
        told = session.rows(
            f"SELECT name FROM pragma_table_xinfo({quote(name)}, 'main')"
        )
        columns = tuple(sorted(identifier(row["name"]) for row in told))
        wanted = ", ".join(map(literal, columns))
        rows = session.rows(f"SELECT {wanted} FROM main.{identifier(name)}")
        values = tuple(tuple(row.values()) for row in rows)
        found[identifier(name)] = TableRows(columns, values)
    return found


def literal(column: str) -> str:
    """Return the expression for a column's value as a literal.

    Text with a NUL by its bytes: quote() ends there.
    """
    return (
        f"CASE WHEN typeof({column}) = 'text' AND instr({column}, char(0))"
        f" THEN 'CAST(' || quote(CAST({column} AS BLOB)) || ' AS TEXT)'"
        f" ELSE quote({column}) END"
    )


def _table(
    session: SQLiteSession, name: str, checks: list[str], known: dict[str, str]
) -> TableShape:
    rows = session.rows(
        'SELECT name, type, "notnull" AS required, dflt_value AS standard, pk, hidden'
        f" FROM pragma_table_xinfo({quote(name)}, 'main')"
    )
    columns = tuple(
        ColumnShape(
            name=identifier(row["name"]),
            kind=_kind(row["type"]),
            value=partial(_value, row["name"], row["type"].upper()),
            # A primary key that is no rowid may be NULL in SQLite, and never should.
            required=bool(row["required"] or row["pk"]) and row["standard"] is None,
            automatic=bool(row["hidden"]),
        )
        for row in rows
    )
    keys = {identifier(row["name"]) for row in rows if row["pk"]}
    return TableShape(
        name=identifier(name),
        columns=columns,
        checks=tuple(_check(columns, text) for text in checks),
        # The alias of a rowid has no index.
        unique=frozenset(_unique(session, name) | keys),
        foreign_keys=tuple(_foreign_keys(session, name, known)),
    )


def _check(columns: tuple[ColumnShape, ...], text: str) -> Check:
    words = {fold(word) for word in re.findall(r"\w+", text)}
    about = {c.name for c in columns if fold(_plain(c.name)) in words}
    return Check(frozenset(about), text)


def _unique(session: SQLiteSession, name: str) -> set[str]:
    rows = session.rows(
        f"SELECT x.name FROM pragma_index_list({quote(name)}, 'main') i"
        " JOIN pragma_index_info(i.name, 'main') x"
        ' WHERE i."unique" AND x.name IS NOT NULL'
    )
    return {identifier(row["name"]) for row in rows}


def _foreign_keys(
    session: SQLiteSession, name: str, known: dict[str, str]
) -> list[ForeignKeyShape]:
    rows = session.rows(
        'SELECT id, "table" AS parent, "from" AS own, "to" AS its'
        f" FROM pragma_foreign_key_list({quote(name)}, 'main') ORDER BY id, seq"
    )
    keys: dict[int, list[dict[str, str]]] = {}
    for row in rows:
        keys.setdefault(row["id"], []).append(row)
    found = []
    for parts in keys.values():
        parent = known.get(fold(parts[0]["parent"]), "")
        parents = [part["its"] for part in parts]
        if None in parents:  # the parent's primary key is meant
            primary = session.rows(
                f"SELECT name FROM pragma_table_info({quote(_plain(parent))})"
                " WHERE pk > 0 ORDER BY pk"
            )
            parents = [row["name"] for row in primary]
        own = tuple(identifier(part["own"]) for part in parts)
        found.append(ForeignKeyShape(own, parent, tuple(map(identifier, parents))))
    return found


def _kind(declared: str) -> ValueKind:
    written = declared.upper()
    if affinity(declared) == "TEXT":
        return ValueKind.TEXT
    if "BLOB" in written or written in _MOMENTS:
        return ValueKind.OTHER
    return ValueKind.NUMBER if written else ValueKind.TEXT


def _value(name: str, declared: str, number: int) -> str:
    if declared in _MOMENTS:
        moment = _MOMENTS[declared]
        return quote(moment.format(day=1 + number % 28, hour=number % 24))
    if "INT" in declared:
        return str(number + 1)
    if _kind(declared) is ValueKind.TEXT or declared == "UUID":
        if "UUID" in declared:
            return quote(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}")))
        return quote(text_of(name, number))
    if "BLOB" in declared:
        return f"x'{number + 1:08x}'"
    if declared.startswith("BOOL"):
        return str(number % 2)
    if declared.startswith("JSON"):
        return quote(f'{{"{name}": {number + 1}}}')
    return f"{number + 1}.5"


def _plain(written: str) -> str:
    if written.startswith('"'):
        return written[1:-1].replace('""', '"')
    return written
