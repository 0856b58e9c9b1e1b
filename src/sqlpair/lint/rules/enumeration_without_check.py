"""A text column holds one of a few values, and no CHECK lists them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.lint.types import is_text


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at new text columns with the configured names."""
    for table, column in subject.new_columns():
        final = subject.final.tables.get(table.name, table)
        keys = {name for key in final.foreign_keys for name in key.columns}
        if (
            column.name.lower() not in subject.configuration.enumerated
            or not is_text(column.declared)
            or table.is_checked(column.name)
            or final.is_checked(column.name)
            or column.name in keys
        ):
            continue
        name = subject.sql(column.name)
        yield RuleMatch(
            subject.up,
            column.line,
            f"{table.name}.{column.name} accepts any text: a misspelt value is stored,"
            " and no query finds it",
            f"{name} {column.declared} CHECK ({name} IN ('…', '…'))",
        )
