"""A foreign key has no ON DELETE."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at new foreign keys."""
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        old = {(k.columns, k.table) for k in before.foreign_keys} if before else set()
        for key in table.foreign_keys:
            if not key.on_delete and (key.columns, key.table) not in old:
                yield RuleMatch(
                    subject.up,
                    key.line,
                    f"{table.name} ({', '.join(key.columns)}) refers to {key.table}"
                    " without ON DELETE: deleting a row there fails, and the file"
                    " does not say whether that is intended",
                    f"REFERENCES {subject.table_sql(key.table)} (…) ON DELETE CASCADE"
                    "  -- or RESTRICT, or SET NULL",
                )
