"""A rebuilt SQLite table lacks an index or trigger that the old one had."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.model import Index
from sqlpair.lint.subject import Problem, Subject


def check(subject: Subject) -> Iterator[Problem]:
    """Compare indexes and triggers of tables that the file drops and makes again."""
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        if table.origin is not None or before is None:
            continue
        line = max(
            (
                event.line
                for event in subject.after.events
                if event.what == "drop table" and event.origin == table.name
            ),
            default=table.line,
        )
        there = {_what(index) for index in table.indexes.values()}
        for name, index in before.indexes.items():
            kept = set(index.columns) <= {*table.columns, ""}
            if kept and _what(index) not in there:
                unique = "UNIQUE " if index.unique else ""
                yield Problem(
                    subject.up,
                    line,
                    f"{table.name} is rebuilt without its index {name}: it went with"
                    " the old table, and queries become slow without an error",
                    f"CREATE {unique}INDEX {name} ON {table.name}"
                    f" ({index.spelling}){' WHERE …' * bool(index.where)};",
                )
        for name in before.triggers:
            if name not in table.triggers:
                yield Problem(
                    subject.up,
                    line,
                    f"{table.name} is rebuilt without its trigger {name}: it went with"
                    " the old table, and what it did no longer happens",
                    f"CREATE TRIGGER {name} … ON {table.name} …;",
                )


def _what(index: Index) -> tuple[tuple[str, ...], bool, str]:
    return index.columns, index.unique, index.where
