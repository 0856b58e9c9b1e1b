"""Replay: apply a statement to the model, as it would change the database.

A DROP also drops what depends on the object: partitions, indexes, owned sequences, and
with CASCADE everything else. A statement that cannot be read changes nothing, and is
reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from sqlpair.lint.alterations import alter, drop_column
from sqlpair.lint.definitions import create_index, create_table
from sqlpair.lint.head import Head
from sqlpair.lint.model import Event, Model, Table, Thing, family
from sqlpair.lint.script import Parsed
from sqlpair.lint.tokens import Cursor, names, sources

_THINGS = frozenset(
    [
        *("VIEW", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"),
        *("TYPE", "DOMAIN", "SEQUENCE", "SCHEMA", "SERVER", "FOREIGN DATA WRAPPER"),
    ]
)
_LEGACY = re.compile(r"PRAGMA\s+legacy_alter_table\s*[=(]\s*'?(\w+)'?", re.IGNORECASE)


def apply(model: Model, parsed: Parsed) -> str:
    """Apply ``parsed`` to ``model``; return what could not be read of it."""
    head = parsed.head
    if found := _LEGACY.match(parsed.statement.text):
        # Foreign keys are off while a migration runs, so that this applies to them too.
        model.renames_alone = found[1].lower() in ("1", "on", "true", "yes")
    if parsed.unread or head is None or _is_temporary(model, head):
        return parsed.unread
    if head.action == "DROP":
        _drop(model, head, parsed.line)
    elif head.kind == "TRIGGER" and head.action == "CREATE":
        mentions = _mentions(model, head, parsed)
        model.known(head.table, parsed.line).triggers[head.names[0]] = mentions
    elif head.kind in _THINGS:
        _thing(model, head, parsed)
    elif head.kind in ("TABLE", "INDEX") and head.action == "ALTER":
        return alter(model, parsed)
    elif head.kind == "TABLE":
        create_table(model, parsed)
    elif head.kind == "INDEX":
        create_index(model, parsed)
    return ""


def _is_temporary(model: Model, head: Head) -> bool:
    """Whether a statement is about tables that end with the session alone."""
    about = {head.table} if head.table else {*head.names}
    if head.temporary and head.action == "CREATE":
        model.temporary |= about
    found = head.temporary or (not head.schema and about <= model.temporary)
    if found and head.action == "DROP" and not head.table:
        model.temporary -= about
    return found


def _mentions(model: Model, head: Head, parsed: Parsed) -> frozenset[str]:
    """Return the names that a definition depends on.

    In PostgreSQL these are all its names, and say what CASCADE may drop. In SQLite they
    are the tables it reads or writes, and say what a rename changes. A server's other
    names are options.
    """
    body = parsed.tokens[head.end :]
    if head.kind in ("SERVER", "FOREIGN DATA WRAPPER"):
        cursor = Cursor(body)
        return frozenset([cursor.take().name] if cursor.find("WRAPPER") else ())
    return sources(body) if model.driver == "sqlite" else names(body)


def _thing(model: Model, head: Head, parsed: Parsed) -> None:
    """Create what is no table, or alter it."""
    cursor = Cursor(parsed.tokens)
    cursor.at = head.end
    name, place = head.names[0], (family(head.kind), head.names[0])
    owner = ""
    if cursor.find("OWNED"):
        cursor.accept("BY")
        owner = ".".join(part.name for part in cursor.name()[-2:])
    if head.action == "CREATE":
        mentions = _mentions(model, head, parsed)
        kind = f"{'MATERIALIZED ' * ('MATERIALIZED' in head.modifiers)}{head.kind}"
        schema = head.schema if head.kind != "SCHEMA" else name
        model.things[place] = Thing(kind, name, schema, mentions, owner)
        return
    thing = model.things.get(place)
    cursor.at = head.end
    if thing and owner:
        model.things[place] = replace(thing, owner="" if owner == "none" else owner)
    elif thing and cursor.find("RENAME") and cursor.accept("TO"):
        new = cursor.take().name
        model.things[place[0], new] = replace(model.things.pop(place), name=new)


def _drop(model: Model, head: Head, line: int) -> None:
    for name in head.names:
        if head.kind == "TABLE":
            _drop_table(model, name, line)
        elif head.kind == "INDEX" and (owner := model.having_index(name)):
            del owner.indexes[name]
            model.events.append(
                Event("drop index", owner.name, owner.origin, line, name)
            )
        elif head.kind == "TRIGGER":
            _drop_triggers(model, name, head.table)
        elif head.kind in _THINGS:
            _drop_thing(model, head.kind, name, line)
    if head.cascade:
        _cascade(model, head, line)


def _drop_triggers(model: Model, trigger: str, on: str) -> None:
    for name in [*model.tables]:
        if trigger in model.tables[name].triggers and on in ("", name):
            del model.own(name).triggers[trigger]


def _drop_table(model: Model, name: str, line: int) -> None:
    """Drop a table with its partitions, indexes, triggers and sequences."""
    table = model.tables.pop(name, None)
    origin = table.origin if table else name
    model.events.append(Event("drop table", name, origin, line))
    _drop_partitions(model, name)
    model.things = {
        place: thing
        for place, thing in model.things.items()
        if thing.owner.partition(".")[0] != name
    }


def _drop_partitions(model: Model, parent: str) -> None:
    for name in [t.name for t in model.tables.values() if t.parent == parent]:
        del model.tables[name]
        _drop_partitions(model, name)


def _drop_thing(model: Model, kind: str, name: str, line: int) -> None:
    model.things.pop((family(kind), name), None)
    if family(kind) == "VIEW":
        # The indexes of a materialized view are kept as those of a table.
        if name in model.tables:
            del model.tables[name]
    elif kind == "SCHEMA":
        for table in [t.name for t in model.tables.values() if t.schema == name]:
            _drop_table(model, table, line)
        model.things = {
            place: thing
            for place, thing in model.things.items()
            if thing.schema != name
        }


def _cascade(model: Model, head: Head, line: int) -> None:
    """Drop what depends on what was dropped: everything whose definition names it.

    A name in a definition may mean something else, so that this may drop too much. A
    finding is then missing, but none is wrong.
    """
    gone = set(head.names)
    while True:
        views = [
            (thing.kind, thing.name)
            for thing in model.things.values()
            if thing.mentions & gone and thing.kind != "SCHEMA"
        ]
        on = [table.name for table in model.tables.values() if table.server in gone]
        if not views and not on:
            break
        for name in on:
            _drop_table(model, name, line)
            gone.add(name)
        for kind, name in views:
            _drop_thing(model, kind, name, line)
            gone.add(name)
    for name in [*model.tables]:
        _cascade_into(model, model.tables[name], gone, line, family(head.kind))


def _cascade_into(
    model: Model, table: Table, gone: Iterable[str], line: int, kind: str
) -> None:
    names_ = set(gone)
    if any(mentions & names_ for mentions in table.triggers.values()):
        table = model.own(table.name)
        table.triggers = {k: v for k, v in table.triggers.items() if not v & names_}
    if any(key.table in names_ for key in table.foreign_keys):
        table = model.own(table.name)
        table.foreign_keys = [k for k in table.foreign_keys if k.table not in names_]
    if kind != "TYPE":
        return
    for column in [*table.columns.values()]:
        if _type_name(column.declared) in names_:
            drop_column(model, model.own(table.name), column.name, line)


def _type_name(declared: str) -> str:
    name = declared.partition("(")[0].rstrip("[]").rpartition(".")[2]
    return name.strip('"') if '"' in name else name.lower()
