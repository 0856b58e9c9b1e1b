"""A table has no primary key."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at new tables; a key added by a later migration counts."""
    for table in subject.tables():
        final = subject.final.tables.get(table.name, table)
        if table.origin or table.keyless or table.primary_key or final.primary_key:
            continue
        yield RuleMatch(
            subject.up,
            table.line,
            f"{table.name} has no primary key: a single row cannot be identified,"
            " updated or replicated",
            f"CREATE TABLE {subject.table_sql(table.name)} (id … PRIMARY KEY, …);",
        )
