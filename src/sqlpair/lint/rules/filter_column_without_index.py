"""A column by which queries filter or sort has no index."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at columns with the configured names; a later index counts."""
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        for column in table.columns.values():
            if column.name.lower() not in subject.configuration.filtered:
                continue
            new = 0 if before and column.name in before.columns else column.line
            line = subject.lacking_index(table, (column.name,), new)
            if line:
                index = subject.sql(f"idx_{table.name}_{column.name}")
                yield RuleMatch(
                    subject.up,
                    line,
                    f"{table.name}.{column.name} has no index, and queries filter or"
                    f" sort by it: each of them scans all of {table.name}",
                    f"CREATE INDEX {index} ON {subject.table_sql(table.name)}"
                    f" ({subject.sql(column.name)});",
                )
