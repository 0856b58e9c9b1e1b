"""In SQLite, a type has another affinity than its name suggests."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.databases.sqlite.affinity import affinity
from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.lint.types import looks_like_text


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at the declared types of new columns."""
    if subject.database.driver != "sqlite":
        return
    for table, column in subject.new_columns():
        means = affinity(column.declared)
        if means == "TEXT" or not looks_like_text(column.declared):
            continue
        yield RuleMatch(
            subject.up,
            column.line,
            f"{table.name}.{column.name} is declared {column.declared}, which in SQLite"
            f" has {means} affinity, not TEXT: a text of digits becomes a number, and"
            " leading zeros are lost",
            f"{subject.sql(column.name)} TEXT",
        )
