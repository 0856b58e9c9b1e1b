"""A column is added NOT NULL without a default."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for required columns, new in tables that existed before."""
    for table, column in subject.new_columns():
        if table.origin is None or not column.not_null or column.has_default:
            continue
        yield RuleMatch(
            subject.up,
            column.line,
            f"{table.name}.{column.name} is NOT NULL without a default: it fails if"
            " the table has rows, and INSERTs of the previous release leave it out",
            f"ALTER TABLE {subject.table_sql(table.name)} ADD COLUMN"
            f" {subject.sql(column.name)} {column.declared};"
            "  -- NOT NULL in a later migration, once every row has a value",
        )
