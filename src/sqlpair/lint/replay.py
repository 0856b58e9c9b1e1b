"""Replay: what a statement makes of the model.

Each statement changes the model as it would change the database. What it cannot
read it leaves alone and says so: the caller makes a finding of it.
"""

from __future__ import annotations

import re

from sqlglot import exp

from sqlpair.lint.alterations import alter
from sqlpair.lint.definitions import create_index, create_table
from sqlpair.lint.model import Event, Model
from sqlpair.lint.script import Parsed

_USING_INDEX = re.compile(
    r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?(PRIMARY\s+KEY|UNIQUE)\s+USING\s+INDEX\s+\"?(\w+)",
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
            create_table(model, parsed, parsed.tree)
        else:
            create_index(model, parsed, parsed.tree)
    elif isinstance(parsed.tree, exp.Alter):
        return alter(model, parsed, parsed.tree)
    return ""


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
