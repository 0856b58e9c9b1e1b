"""A foreign key has no index that begins with its columns."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at new keys, and at keys whose index is dropped; a later index counts."""
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        old = {key.columns for key in before.foreign_keys} if before else set()
        for key in table.foreign_keys:
            new = 0 if key.columns in old else key.line
            line = subject.lacking_index(table, key.columns, new)
            if line:
                columns = ", ".join(key.columns)
                index = subject.sql(f"idx_{table.name}_{key.columns[0]}")
                listed = ", ".join(map(subject.sql, key.columns))
                yield RuleMatch(
                    subject.up,
                    line,
                    f"{table.name} ({columns}) refers to {key.table} without an index:"
                    f" each DELETE in {key.table} scans all of {table.name}",
                    f"CREATE INDEX {index} ON {subject.table_sql(table.name)}"
                    f" ({listed});",
                )
