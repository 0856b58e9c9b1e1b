"""A column becomes NOT NULL in the migration that adds it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for SET NOT NULL on a column that the file adds."""
    for event in subject.after.events:
        if event.what != "not null" or event.column_origin or event.origin is None:
            continue
        yield RuleMatch(
            subject.up,
            event.line,
            f"{event.table}.{event.name} is added and set NOT NULL at once: the"
            " previous release still inserts rows without it",
            f"ALTER TABLE {subject.table_sql(event.table)} ALTER COLUMN"
            f" {subject.sql(event.name)} SET NOT NULL;"
            "  -- in a later migration, after the release that writes it",
        )
