"""A rollback leaves something behind, or does not create something again.

This compares what stands in the files: ``sqlpair prove`` runs both on real databases
and compares catalogs and rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from sqlpair.lint.model import Model, Table, Thing, family
from sqlpair.lint.script import Script
from sqlpair.lint.subject import RuleMatch, Subject

K = TypeVar("K")


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Replay the rollback after its migration, and compare with what was before."""
    down, undone = subject.down, subject.undone
    if down is None or undone is None:
        return
    if any(script == down for script, _, _ in subject.unread):
        return  # not all of it was read, which another rule reports
    for what, sql in _left(subject, undone):
        yield RuleMatch(
            down,
            1,
            f"the rollback leaves {what} behind: the next upgrade fails because it"
            " already exists",
            sql,
        )
    for what in _missing(subject, undone):
        yield RuleMatch(
            down,
            1,
            f"the rollback does not create {what} again: the release before needs it",
            f"Create {what} in the rollback, as it was.",
        )


def _left(subject: Subject, undone: Model) -> Iterator[tuple[str, str]]:
    """Yield what the migration creates and its rollback does not drop."""
    before, after = subject.before, subject.after
    for name, table in undone.tables.items():
        made = after.tables.get(name)
        if made is None:
            continue
        old = before.tables.get(name)
        if old is None and not (made.opaque and made.origin):
            yield f"table {name}", f"DROP TABLE {subject.table_sql(name)};"
            continue
        old = old or Table(name, 0)
        for column in _new(table.columns, made.columns, old.columns):
            sql = f"ALTER TABLE {subject.table_sql(name)} DROP COLUMN"
            yield f"column {name}.{column}", f"{sql} {subject.sql(column)};"
        for index in _new(table.indexes, made.indexes, old.indexes):
            yield f"index {index}", f"DROP INDEX {subject.sql(index)};"
        for trigger in _new(table.triggers, made.triggers, old.triggers):
            yield f"trigger {trigger}", f"DROP TRIGGER {subject.sql(trigger)};"
    for place in _new(undone.things, after.things, before.things):
        thing = after.things[place]
        if not _is_replaced(subject, thing):
            sql = f"DROP {thing.kind} {subject.sql(thing.name)};"
            yield f"{thing.kind.lower()} {thing.name}", sql


def _new(
    undone: Mapping[K, object], made: Mapping[K, object], old: Mapping[K, object]
) -> list[K]:
    return [name for name in undone if name in made and name not in old]


def _missing(subject: Subject, undone: Model) -> Iterator[str]:
    """Yield what existed before, and does not after the migration and its rollback."""
    before = subject.before
    for name, old in before.tables.items():
        table = undone.tables.get(name)
        if table is None:
            yield f"table {name}"
            continue
        if not table.opaque:
            yield from (
                f"column {name}.{c}" for c in old.columns if c not in table.columns
            )
        yield from (f"index {i}" for i in old.indexes if i not in table.indexes)
        yield from (f"trigger {t}" for t in old.triggers if t not in table.triggers)
    dropped = _names(subject.up, "DROP")
    for place, thing in before.things.items():
        if place in dropped and place not in undone.things:
            yield f"{thing.kind.lower()} {thing.name}"


def _names(script: Script, action: str) -> set[tuple[str, str]]:
    return {
        (family(head.kind), name)
        for parsed in script.statements
        if (head := parsed.head) and head.action == action
        for name in head.names
    }


def _is_replaced(subject: Subject, thing: Thing) -> bool:
    """Say whether both files replace it: no file of the project creates it first."""
    place = (family(thing.kind), thing.name)
    return any(
        head.action == "CREATE" and "REPLACE" in head.modifiers
        for parsed in subject.up.statements
        if (head := parsed.head) and (family(head.kind), head.names[0]) == place
    ) and bool(subject.down and place in _names(subject.down, "CREATE"))
