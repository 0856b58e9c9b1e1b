"""A table or column that the previous release uses is renamed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.model import Event
from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for renames of what existed before the file, except in rebuilds."""
    for event in subject.after.events:
        if event.what == "rename table" and _is_gone(subject, event):
            yield RuleMatch(
                subject.up,
                event.line,
                f"{event.table} is renamed: the previous release still uses the name"
                f" {event.table}, and fails",
                f"CREATE VIEW {subject.sql(event.after)} AS SELECT * FROM"
                f" {subject.table_sql(event.table)};"
                "  -- rename it when nothing uses the old name any more",
            )
        elif event.what == "rename column" and event.column_origin and event.origin:
            yield RuleMatch(
                subject.up,
                event.line,
                f"{event.table}.{event.name} is renamed: the previous release still"
                " uses the old name, and fails",
                f"ALTER TABLE {subject.table_sql(event.table)} ADD COLUMN"
                f" {subject.sql(event.after)} …;"
                f"  -- copy {event.name} into it; drop that in a later migration",
            )


def _is_gone(subject: Subject, event: Event) -> bool:
    return event.origin == event.table and event.table not in subject.after.tables
