"""A rollback leaves something behind, or does not put something back.

What stands in the files is compared, no more: ``sqlpair prove`` runs both on real
databases and compares catalogs and rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlpair.lint.model import Model, Table
from sqlpair.lint.replay import apply
from sqlpair.lint.script import Parsed, Script
from sqlpair.lint.subject import Problem, Subject

_OTHERS = ("VIEW", "FUNCTION", "PROCEDURE", "TYPE", "DOMAIN", "SEQUENCE", "SCHEMA")


def check(subject: Subject) -> Iterator[Problem]:
    """Replay the rollback after its migration, and compare with what was before."""
    down = subject.down
    if down is None or not down.statements:
        return
    undone = subject.after.snapshot()
    unread = [apply(undone, parsed) for parsed in down.statements]
    if any(unread):
        return  # not all of it was read, which another rule says
    for what, sql in _left(subject.before, subject.after, undone):
        yield _left_behind(down, what, sql)
    for what in _missing(subject.before, undone):
        yield Problem(
            down,
            1,
            f"the rollback does not put {what} back: what came before expects it",
            f"Create {what} in the rollback, as it was.",
        )
    dropped = _names(down, "DROP")
    for (kind, name), parsed in _names(subject.up, "CREATE").items():
        if (kind, name) not in dropped and not _replaced(down, parsed):
            yield _left_behind(down, f"{kind.lower()} {name}", f"DROP {kind} {name};")


def _left(before: Model, after: Model, undone: Model) -> Iterator[tuple[str, str]]:
    """Yield what the migration makes and its rollback does not take away."""
    for name, table in undone.tables.items():
        made = after.tables.get(name)
        if made is None:
            continue
        old = before.tables.get(name)
        if old is None and not (made.opaque and made.origin):
            yield f"table {name}", f"DROP TABLE {name};"
            continue
        old = old or Table(name, 0)
        for column in _new(table.columns, made.columns, old.columns):
            yield f"column {name}.{column}", f"ALTER TABLE {name} DROP COLUMN {column};"
        for index in _new(table.indexes, made.indexes, old.indexes):
            yield f"index {index}", f"DROP INDEX {index};"
        for trigger in _new(table.triggers, made.triggers, old.triggers):
            yield f"trigger {trigger}", f"DROP TRIGGER {trigger};"


def _new(
    undone: Mapping[str, object], made: Mapping[str, object], old: Mapping[str, object]
) -> list[str]:
    return [name for name in undone if name in made and name not in old]


def _missing(before: Model, undone: Model) -> Iterator[str]:
    """Yield what was there and is gone after the migration and its rollback."""
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


def _names(script: Script, action: str) -> dict[tuple[str, str], Parsed]:
    return {
        (head.kind, name): parsed
        for parsed in script.statements
        if (head := parsed.head)
        and head.action == action
        and head.kind in _OTHERS
        and not head.temporary
        for name in head.names
    }


def _replaced(down: Script, parsed: Parsed) -> bool:
    """Say whether the rollback puts back what the migration replaces."""
    assert parsed.head
    if parsed.statement.words[1:3] != ("OR", "REPLACE"):
        return False
    return (parsed.head.kind, parsed.head.names[0]) in _names(down, "CREATE")


def _left_behind(down: Script, what: str, sql: str) -> Problem:
    return Problem(
        down,
        1,
        f"the rollback leaves {what} behind: the next upgrade finds it there already",
        sql,
    )
