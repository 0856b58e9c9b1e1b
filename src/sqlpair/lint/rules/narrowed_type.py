"""A column's type becomes narrower than the values that are stored in it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.databases.sqlite.affinity import affinity
from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.lint.types import narrower


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Compare types before and after, whether altered or rebuilt."""
    for event in subject.after.events:
        if (
            event.what == "type"
            and event.column_origin
            and _narrower(subject, event.before, event.after)
        ):
            kinds = (event.before, event.after)
            yield _problem(subject, event.line, event.table, event.name, kinds)
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        if table.origin is not None or before is None:
            continue
        for column in table.columns.values():
            old = before.columns.get(column.name)
            if old and _narrower(subject, old.declared, column.declared):
                kinds = (old.declared, column.declared)
                yield _problem(subject, column.line, table.name, column.name, kinds)


def _narrower(subject: Subject, before: str, after: str) -> bool:
    if subject.database.driver == "sqlite" and affinity(before) == affinity(after):
        return False  # an INT holds what a BIGINT does, a VARCHAR(1) any text
    return narrower(before, after)


def _problem(
    subject: Subject, line: int, table: str, column: str, kinds: tuple[str, str]
) -> RuleMatch:
    before, after = kinds
    return RuleMatch(
        subject.up,
        line,
        f"{table}.{column} is changed from {before} to {after}, which is narrower:"
        " stored values, or those that the previous release writes, may not fit",
        f"ALTER TABLE {subject.table_sql(table)} ADD COLUMN"
        f" {subject.sql(f'{column}_new')} {after};"
        f"  -- fill it, move readers and writers, drop {column} in a later migration",
    )
