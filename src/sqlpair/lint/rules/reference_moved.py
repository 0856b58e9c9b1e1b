"""After a SQLite migration, something refers to a table that it renamed or dropped."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.model import Event, Model
from sqlpair.lint.rules.sqlite_alter import rebuilt
from sqlpair.lint.script import Script
from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at what a migration, and its rollback, leave behind."""
    if subject.database.driver != "sqlite":
        return
    yield from _problems(subject, subject.up, subject.after)
    if subject.down and subject.undone:
        yield from _problems(subject, subject.down, subject.undone)


def _problems(subject: Subject, script: Script, model: Model) -> Iterator[RuleMatch]:
    renamed = {
        event.after: event
        for event in model.events
        if event.what == "rename table" and event.table in model.tables
    }
    dropped = {
        event.table: event
        for event in model.events
        if event.what == "drop table" and event.table not in model.tables
    }
    for what, target in _references(model):
        if target in renamed:
            event = renamed[target]
            yield _moved(script, event, what, is_dropped=target in dropped)
        elif target in dropped:
            yield RuleMatch(
                script,
                dropped[target].line,
                f"{what} still refers to {target}, which is dropped here: SQLite allows"
                " the DROP, and every later use fails",
                f"Drop or rebuild {what.split()[-1]} first; then: DROP TABLE"
                f" {subject.sql(target)};",
            )


def _moved(script: Script, event: Event, what: str, *, is_dropped: bool) -> RuleMatch:
    old, new = event.table, event.after
    then = f", and {new} is dropped" if is_dropped else ""
    return RuleMatch(
        script,
        event.line,
        f"{what} refers to {new} afterwards and not to {old}: SQLite changes"
        f" references when a table is renamed{then}",
        rebuilt(old),
    )


def _references(model: Model) -> Iterator[tuple[str, str]]:
    """Yield what refers to a table, with the table's name."""
    for table in model.tables.values():
        for key in table.foreign_keys:
            yield f"the foreign key of {table.name}", key.table
        for trigger, mentions in table.triggers.items():
            yield from ((f"trigger {trigger}", name) for name in sorted(mentions))
    for thing in model.things.values():
        yield from ((f"view {thing.name}", name) for name in sorted(thing.mentions))
