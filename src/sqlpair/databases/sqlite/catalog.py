"""A SQLite schema, described from sqlite_master and the pragmas.

A table made by one CREATE and one that ALTER TABLE changed since have the same
description if they mean the same: the stored text is only asked for what no pragma
tells, and read as tokens. Names keep their case, because results show it; inside
expressions, where it means nothing, it is folded. Left out: temporary objects, and
what SQLite or a virtual table keeps for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlpair.databases.sqlite.catalog_table import (
    Described,
    Pragmas,
    describe_index,
    describe_table,
    described,
)
from sqlpair.databases.sqlite.definition import (
    IndexDefinition,
    TableDefinition,
    index_definition,
    table_definition,
)
from sqlpair.databases.sqlite.tokens import (
    Token,
    arguments,
    fold,
    identifier,
    name_of,
    split,
    text,
    tokens,
)
from sqlpair.schema.model import ObjectKey, Schema, SchemaObject, without

# All that a description of a schema is made of.
_DESCRIBED = """
SELECT type, name, tbl_name, sql FROM main.sqlite_master
UNION ALL SELECT 'user_version', user_version, 0, 0 FROM pragma_user_version
UNION ALL SELECT 'application_id', application_id, 0, 0 FROM pragma_application_id
"""
# The last ones, by what they are made of: prove and verify ask again and again.
_descriptions: dict[tuple[object, ...], Schema] = {}
KEPT = 10_000  # definitions that are read once
Rows = list[tuple[Any, ...]]
Fetch = Callable[[str], Rows]

MASTER = """
SELECT type, name, tbl_name, sql FROM main.sqlite_master
WHERE name NOT GLOB 'sqlite_*' AND sql IS NOT NULL
"""
_COLUMNS = """
SELECT m.name, p.name, p.type, p."notnull", p.dflt_value, p.pk, p.hidden
FROM main.sqlite_master m JOIN pragma_table_xinfo(m.name, 'main') p
WHERE m.type = 'table' AND m.rootpage > 0
"""
_FOREIGN_KEYS = """
SELECT m.name, p.id, p.seq, p."table", p."from", p."to", p.on_update, p.on_delete
FROM main.sqlite_master m JOIN pragma_foreign_key_list(m.name, 'main') p
WHERE m.type = 'table' AND m.rootpage > 0
"""
_INDEXES = """
SELECT m.name, p.name, p."unique", p.origin
FROM main.sqlite_master m JOIN pragma_index_list(m.name, 'main') p
WHERE m.type = 'table' AND m.rootpage > 0
"""
_INDEX_COLUMNS = """
SELECT i.name, p.name, p.desc, p.coll
FROM main.sqlite_master m JOIN pragma_index_list(m.name, 'main') i
JOIN pragma_index_xinfo(i.name, 'main') p
WHERE m.type = 'table' AND m.rootpage > 0 AND p.key
"""

# The tables in which a virtual table of each module keeps its data.
_SHADOWS = {
    "fts3": ("content", "segments", "segdir", "docsize", "stat"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("content", "data", "idx", "docsize", "config"),
    "rtree": ("node", "parent", "rowid"),
    "rtree_i32": ("node", "parent", "rowid"),
    "geopoly": ("node", "parent", "rowid"),
}


def kept(fetch: Fetch, own: Collection[str]) -> Schema:
    """As ``catalog``, unless one of the last ones was made of the same."""
    key = (*fetch(_DESCRIBED), tuple(own))
    if (found := _descriptions.get(key)) is None:
        found = catalog(fetch, own)
        for oldest in tuple(_descriptions)[:-7]:
            _descriptions.pop(oldest, None)  # not, where another thread did
        _descriptions[key] = found
    return found


def catalog(fetch: Fetch, own: Collection[str] = ()) -> Schema:
    """The schema, without the objects named in ``own`` and their parts.

    ``fetch`` runs a query as it is and gives its rows. One transaction around it all
    keeps another connection from changing the schema in between.
    """
    queries = (_COLUMNS, _FOREIGN_KEYS, _INDEXES, _INDEX_COLUMNS)
    known = Pragmas(*(_grouped(_lines(fetch(query))) for query in queries))
    return without(dict(_describe(_lines(fetch(MASTER)), known)), own)


def pragmas(fetch: Fetch) -> Schema:
    """What a program may write into the file's header for itself."""
    return {
        ObjectKey("pragma", name): SchemaObject(
            {"value": str(fetch(f"PRAGMA main.{name}")[0][0])}
        )
        for name in ("user_version", "application_id")
    }


def _lines(rows: Rows) -> Rows:
    """The rows with plain line ends: a file checked out on Windows makes the same."""
    return [
        tuple(v.replace("\r\n", "\n") if isinstance(v, str) else v for v in row)
        for row in rows
    ]


def _describe(master: Rows, pragmas: Pragmas) -> Iterator[Described]:
    names = pragmas.names() | {fold(name) for _, name, _, _ in master}
    kinds = {fold(name): kind for kind, name, _, _ in master}
    hidden = shadows(master)
    for kind, name, table, sql in master:
        if fold(table) in hidden:
            continue
        # Of these, one is much like another, and asked for again and again.
        if kind == "table" and name in pragmas.columns and '"' not in sql:
            yield from describe_table(name, _table(sql), pragmas)
            continue
        if kind == "index" and '"' not in sql:
            yield describe_index(name, table, _index(sql), pragmas)
            continue
        statement = tokens(sql, names)
        if kind == "table" and name in pragmas.columns:
            yield from describe_table(name, table_definition(statement), pragmas)
        elif kind == "table":
            # What the arguments mean, case included, only the module knows.
            told = {"module": _module(statement), "arguments": arguments(sql)}
            yield described("virtual table", [name], told)
        elif kind == "index":
            yield describe_index(name, table, index_definition(statement), pragmas)
        elif kind == "view":
            yield described("view", [name], {"definition": text(statement, lines=True)})
        else:
            of = ObjectKey(kinds[fold(table)], identifier(table))
            told = {"definition": text(statement, lines=True)}
            yield described("trigger", [table, name], told, of)


@lru_cache(KEPT)
def _table(sql: str) -> TableDefinition:
    """Read one without names in double quotes, which would take a look at others."""
    return table_definition(tokens(sql))


@lru_cache(KEPT)
def _index(sql: str) -> IndexDefinition:
    return index_definition(tokens(sql))


def shadows(master: Rows) -> set[str]:
    """The folded names of the tables in which virtual ones keep their data."""
    return {
        fold(f"{name}_{suffix}")
        for _, name, _, sql in master
        if sql.startswith("CREATE VIRTUAL TABLE ")  # as SQLite writes it
        for suffix in _SHADOWS.get(_module(tokens(sql)), ())
    }


def repeated(master: Rows) -> set[str]:
    """The folded names of those that hold no row that is not in another table, too.

    A full-text table keeps the lengths of its texts beside them, or beside an index of
    texts that another table has. Only where ``content=''`` says that nobody has the
    texts are the lengths all that tells of its rows.
    https://www.sqlite.org/fts5.html#external_content_and_contentless_tables
    """
    return {
        fold(f"{name}_docsize")
        for _, name, _, sql in master
        if sql.startswith("CREATE VIRTUAL TABLE ")
        and _module(statement := tokens(sql)).startswith("fts")
        and not _is_contentless(statement)
    }


def _is_contentless(statement: Sequence[Token]) -> bool:
    opening = statement.index(Token("(")) if Token("(") in statement else len(statement)
    return any(
        [token.text for token in item[:2]] == ["content", "="]
        and name_of(item[2]) == ""
        for item in split(statement[opening + 1 : -1])
        if len(item) == 3
    )


def _module(statement: Sequence[Token]) -> str:
    """``CREATE VIRTUAL TABLE name USING module``"""
    return name_of(statement[statement.index(Token("using")) + 1])


def _grouped(rows: Rows) -> dict[str, Rows]:
    """The rows by their first value, without it."""
    groups: dict[str, Rows] = {}
    for name, *values in rows:
        groups.setdefault(name, []).append(tuple(values))
    return groups
