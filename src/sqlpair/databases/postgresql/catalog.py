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
from typing import Any, NamedTuple

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
# lets no function of the database's own stand in for one of pg_catalog's. To compile a
# query of a thousand expressions takes longer than to run it.
_SETTINGS = {
    "jit": "off",
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
QUERIES = (
    *catalog_objects.QUERIES.values(),
    *catalog_rare.QUERIES.values(),
    *catalog_relations.QUERIES.values(),
)
# It gives no row, and the types of the columns.
_NOTHING = (
    "SELECT NULL::text, NULL::oid, NULL::int, NULL::text, NULL::oid, NULL::int,"
    " NULL::text, NULL::text, NULL::int, NULL::text WHERE false"
)


class Facts(NamedTuple):
    """What extensions brought along, and the functions whose aliases may be cut."""

    members: frozenset[Address]
    functions: frozenset[str]


def catalog(fetch: Fetch, own: Collection[str] = (), only: str = "") -> Schema:
    """The schema, without the objects named in ``own`` and their parts.

    ``only``: nothing that is in another schema, of which a server may hold thousands.
    ``fetch`` runs a query as it is and gives its rows, each time in one and the same
    transaction: the settings above hold for that transaction, and are put back.
    """
    with configured(fetch):
        families = read(fetch, facts(fetch), QUERIES, only).values()
    return without({key: it for each in families for key, it in each.items()}, own)


def privileges(fetch: Fetch, ledger: str) -> Schema:
    """Owners and privileges of the same objects, and what new ones are given.

    ``ledger`` is the ledger's table, as SQL has it. The objects of extensions are left
    out.
    """
    ((migrating,),) = fetch(catalog_privileges.role(ledger))
    with configured(fetch):
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
def configured(fetch: Fetch) -> Iterator[None]:
    """Let the server write as a description has it; an error ends the transaction."""
    read = ", ".join(f"current_setting('{name}') AS {name}" for name in _SETTINGS)
    calls = _calls(_SETTINGS.values())
    # Materialized, it is read before anything is set.
    (row,) = fetch(
        f"WITH before AS MATERIALIZED (SELECT {read}) SELECT *, {calls} FROM before"
    )
    if fetch("SELECT current_setting('search_path')")[0][0] != "":
        raise RuntimeError("catalog() needs a fetch that stays in one transaction")
    yield
    fetch(f"SELECT {_calls(row[: len(_SETTINGS)])}")


def _calls(values: Iterable[str]) -> str:
    quoted = (value.replace("'", "''") for value in values)
    settings = zip(_SETTINGS, quoted, strict=True)
    return ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in settings
    )


def facts(fetch: Fetch) -> Facts:
    members = frozenset(tuple(row) for row in fetch(catalog_objects.EXTENSION_MEMBERS))
    functions = (row[0] for row in fetch(column_aliases.FUNCTIONS))
    return Facts(members, frozenset(map(deparse.canonical, functions)))


def read(
    fetch: Fetch,
    known: Facts,
    queries: Iterable[str],
    only: str,
    *,
    comments: bool = True,
) -> dict[int, dict[ObjectKey, SchemaObject]]:
    """Return what the queries give, by the oid of the relation that it is part of.

    0 stands for what is part of no relation. ``only``: see ``catalog``. ``comments``:
    whether there are any.
    """
    # One message to the server, not thirty.
    together = "\nUNION ALL ".join([_NOTHING, *(f"({query})" for query in queries)])
    where = f"n.nspname = {quote(only)}" if only else _ANY
    found: dict[Address, tuple[ObjectKey, Address, int | None]] = {}
    attributes: dict[Address, Mapping[str, Attribute]] = {}
    for row in fetch(together.replace(_ANY, where)):
        at, owner, (kind, name, position, told) = row[:3], row[3:6], row[6:]
        if at[:2] in known.members:
            continue
        attributes[at] = _attributes(kind, told, known.functions)
        found[at] = _key(kind, name), owner, position
    said = fetch(catalog_objects.COMMENTS) if comments else []
    for catalog_, oid, part, column, comment in said:
        if (catalog_, oid, part) in attributes:
            at, word = (catalog_, oid, part), "comment"
        else:
            at, word = (catalog_, oid, 0), f"comment on {column}"
        if at in attributes:
            attributes[at] = {**attributes[at], word: _lines(comment)}
    families: dict[int, dict[ObjectKey, SchemaObject]] = {}
    for at, (key, owner, place) in found.items():
        if owner[0] is None or owner in found:
            root_, whole = at, owner
            while whole in found:
                root_, whole = whole, found[whole][1]
            family = root_[1] if root_[0] == "pg_class" else 0
            part_of = found[owner][0] if owner[0] else None
            families.setdefault(family, {})[key] = SchemaObject(
                attributes[at], part_of, place
            )
    return families


# Remembered, since a schema is mostly described again after a small change.
@lru_cache(maxsize=2**14)
def _key(kind: str, name: str) -> ObjectKey:
    return ObjectKey(kind, _name(kind, json.loads(name)))


def _name(kind: str, parts: list[str | None]) -> str:
    names = [part for part in parts if part is not None]
    if parts[0] == "public":
        del names[0]
    signature = names.pop() if kind in _SIGNED else ""
    return ".".join(map(deparse.identifier, names)) + deparse.canonical(signature)


# And since most columns are told in the same words.
@lru_cache(maxsize=2**14)
def _attributes(
    kind: str, told: str, functions: frozenset[str]
) -> Mapping[str, Attribute]:
    attributes = {
        name: _text(name, value, functions)
        for name, value in json.loads(told).items()
        if value
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
