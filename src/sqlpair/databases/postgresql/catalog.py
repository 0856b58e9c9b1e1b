"""A PostgreSQL schema, described from pg_catalog.

Two databases with the same description accept the same statements, whichever server
from 14 on holds them and however they came about. Left out on purpose: owners,
privileges and tablespaces (they belong to the environment), data and sequences' last
values, what belongs to an extension, system and temporary schemas.

Names in ``public`` are written without their schema; what the server writes in
definitions is fully qualified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlpair.databases.postgresql import (
    catalog_objects,
    catalog_rare,
    catalog_relations,
    column_aliases,
    deparse,
    viewdef,
)
from sqlpair.databases.postgresql import privileges as catalog_privileges
from sqlpair.databases.quoting import quote
from sqlpair.project.fleet import matched
from sqlpair.schema.model import (
    Attribute,
    ObjectKey,
    Schema,
    SchemaObject,
    root,
    without,
)

Fetch = Callable[[str], list[tuple[Any, ...]]]
Address = tuple[Any, ...]  # catalog, oid, sub-id

# What the server's writing depends on. An empty search_path qualifies every name, and
# lets no function of the database's own stand in for one of pg_catalog's.
_SETTINGS = {
    "search_path": "",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
}

_ANY = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_HOME = re.compile(r'("(?:[^"]|"")*"|[^".]+)\.')

# Texts that are not the server's writing: what stands in them is nobody's to change.
_VERBATIM = {"body", "comment", "labels", "settings", "library", "storage parameters"}

_SIGNED = {
    "function", "procedure", "aggregate", "window function", "cast", "operator",
    "operator class", "operator family", "transform",
}  # fmt: skip
# One message to the server, not thirty; the first names the columns' types.
_TOGETHER = "\nUNION ALL ".join(
    [
        "SELECT NULL::text, NULL::oid, NULL::int, NULL::text, NULL::oid, NULL::int,"
        " NULL::text, NULL::text, NULL::int, NULL::text WHERE false",
        *(
            f"({query})"
            for queries in (catalog_objects, catalog_rare, catalog_relations)
            for query in queries.QUERIES.values()
        ),
    ]
)


def catalog(fetch: Fetch, own: Collection[str] = (), only: str = "") -> Schema:
    """The schema, without the objects named in ``own`` and their parts.

    ``only``: nothing that is in another schema, of which a server may hold thousands.
    ``fetch`` runs a query as it is and gives its rows, each time in one and the same
    transaction: the settings above hold for that transaction, and are put back.
    """
    with _configured(fetch):
        return without(_read(fetch, only), own)


def privileges(fetch: Fetch, ledger: str) -> Schema:
    """Owners and privileges of the same objects, and what new ones are given.

    ``ledger`` is the ledger's table, as SQL has it. The objects of extensions are left
    out.
    """
    ((migrating,),) = fetch(catalog_privileges.role(ledger))
    with _configured(fetch):
        members = {tuple(row) for row in fetch(catalog_objects.EXTENSION_MEMBERS)}
        return {
            ObjectKey(kind, _name(kind, json.loads(name))): SchemaObject(
                {word: value for word, value in json.loads(told).items() if value}
            )
            for query in catalog_privileges.queries(migrating)
            for catalog_, oid, kind, name, told in fetch(query)
            if (catalog_, oid) not in members
        }


def within(found: Schema, schema: str) -> Schema:
    """Leave what is not in ``schema``; it has a ledger of its own, and is a tenant's.

    What belongs to no schema, an extension for example, is all tenants'.
    """
    name = deparse.identifier(schema)
    return {
        key: value
        for key, value in found.items()
        if _home(key, found) == name or key == ("schema", name)
    }


def outside(found: Schema, patterns: Sequence[str]) -> Schema:
    """Leave what is in the schemas that are members of fleets: their files make it."""
    if not patterns:
        return found
    homes = {
        key.name
        for key in found
        if key.kind == "schema"
        and any(matched(pattern, _unquoted(key.name)) for pattern in patterns)
    }
    return {
        key: value
        for key, value in found.items()
        if _home(key, found) not in homes
        and not (key.kind == "schema" and key.name in homes)
    }


def _home(key: ObjectKey, found: Schema) -> str | None:
    """Return the schema that it is in, None for public and for what is in none."""
    match = _HOME.match(root(key, found).name)
    return match[1] if match else None


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def qualified(schema: str, name: str) -> str:
    """The name of a relation in ``schema``, as a description has it."""
    return _name("", [schema, name])


@contextmanager
def _configured(fetch: Fetch) -> Iterator[None]:
    """Let the server write as a description has it; an error ends the transaction."""
    reading = ", ".join(f"current_setting('{name}')" for name in _SETTINGS)
    (before,) = fetch(f"SELECT {reading}")
    _configure(fetch, _SETTINGS.values())
    if fetch("SELECT current_setting('search_path')")[0][0] != "":
        raise RuntimeError("catalog() needs a fetch that stays in one transaction")
    yield
    _configure(fetch, before)


def _configure(fetch: Fetch, values: Iterable[str]) -> None:
    quoted = (value.replace("'", "''") for value in values)
    settings = zip(_SETTINGS, quoted, strict=True)
    calls = (f"set_config('{name}', '{value}', true)" for name, value in settings)
    fetch(f"SELECT {', '.join(calls)}")


def _read(fetch: Fetch, only: str) -> dict[ObjectKey, SchemaObject]:
    where = f"n.nspname = {quote(only)}" if only else _ANY
    members = {tuple(row) for row in fetch(catalog_objects.EXTENSION_MEMBERS)}
    functions = frozenset(
        deparse.canonical(row[0]) for row in fetch(column_aliases.FUNCTIONS)
    )
    found: dict[Address, tuple[ObjectKey, Address, int | None]] = {}
    attributes: dict[Address, Mapping[str, Attribute]] = {}
    for row in fetch(_TOGETHER.replace(_ANY, where)):
        at, owner, (kind, name, position, told) = row[:3], row[3:6], row[6:]
        if at[:2] in members:
            continue
        key, attributes[at] = _described(kind, name, told, functions)
        found[at] = key, owner, position
    for catalog_, oid, part, column, comment in fetch(catalog_objects.COMMENTS):
        if (catalog_, oid, part) in attributes:
            at, word = (catalog_, oid, part), "comment"
        else:
            at, word = (catalog_, oid, 0), f"comment on {column}"
        if at in attributes:
            attributes[at] = {**attributes[at], word: _lines(comment)}
    return {
        key: SchemaObject(attributes[at], found[owner][0] if owner[0] else None, place)
        for at, (key, owner, place) in found.items()
        if owner[0] is None or owner in found
    }


@lru_cache(maxsize=2**14)
def _described(
    kind: str, name: str, told: str, functions: frozenset[str]
) -> tuple[ObjectKey, Mapping[str, Attribute]]:
    """Remembered, since a schema is mostly described again after a small change."""
    key = ObjectKey(kind, _name(kind, json.loads(name)))
    return key, _attributes(kind, json.loads(told), functions)


def _name(kind: str, parts: list[str | None]) -> str:
    names = [part for part in parts if part is not None]
    if parts[0] == "public":
        del names[0]
    signature = names.pop() if kind in _SIGNED else ""
    return ".".join(map(deparse.identifier, names)) + deparse.canonical(signature)


def _attributes(
    kind: str, told: dict[str, Any], functions: Collection[str]
) -> dict[str, Attribute]:
    attributes = {
        name: _text(name, value, functions) for name, value in told.items() if value
    }
    if kind in {"view", "materialized view"}:
        attributes["definition"] = viewdef.unqualified(attributes["definition"])
    if kind == "index":
        attributes |= _index_columns(attributes["columns"])
    return attributes


def _index_columns(definition: str) -> dict[str, Attribute]:
    """``... USING btree (a, lower(b) DESC) INCLUDE (c) NULLS NOT DISTINCT ...``"""
    columns, rest = deparse.bracket(definition)
    attributes: dict[str, Attribute] = {"columns": deparse.split(columns)}
    if rest.startswith(" INCLUDE "):
        included, rest = deparse.bracket(rest)
        attributes["included columns"] = deparse.split(included)
    if rest.startswith(" NULLS NOT DISTINCT"):
        attributes["nulls"] = "not distinct"
    return attributes


def _text(name: str, value: Any, functions: Collection[str]) -> Any:
    """The value, every text in it canonical."""
    if isinstance(value, list):
        return [_text(name, item, functions) for item in value]
    if not isinstance(value, str):
        return value
    text = _lines(value)
    if name in _VERBATIM:
        return text
    return column_aliases.trimmed(deparse.canonical(text), functions)


def _lines(text: str) -> str:
    """A file checked out on Windows makes the same function."""
    return text.replace("\r\n", "\n")
