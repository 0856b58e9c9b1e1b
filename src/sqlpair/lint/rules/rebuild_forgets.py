"""A rebuilt SQLite table lacks an index or trigger that the old one had."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.model import Index, Table
from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Compare indexes and triggers of tables that the file drops and creates again."""
    for table in subject.tables():
        before = subject.before.tables.get(table.name)
        if table.origin is not None or before is None:
            continue
        own = subject.table_sql(table.name)
        line = max(
            (
                event.line
                for event in subject.after.events
                if event.what == "drop table" and event.origin == table.name
            ),
            default=table.line,
        )
        for name, index in before.indexes.items():
            kept = set(index.columns) <= {*table.columns, ""}
            if kept and not _has(table, index):
                unique = "UNIQUE " if index.unique else ""
                yield RuleMatch(
                    subject.up,
                    line,
                    f"{table.name} is rebuilt without its index {name}, which was"
                    " dropped with the old table: queries become slow",
                    f"CREATE {unique}INDEX {subject.sql(name)} ON {own}"
                    f" ({', '.join(index.spelling)}){' WHERE …' * bool(index.where)};",
                )
        for name in before.triggers:
            if name not in table.triggers:
                yield RuleMatch(
                    subject.up,
                    line,
                    f"{table.name} is rebuilt without its trigger {name}, which was"
                    " dropped with the old table",
                    f"CREATE TRIGGER {subject.sql(name)} … ON {own} …;",
                )


def _has(table: Table, old: Index) -> bool:
    """Say whether the new table's indexes and keys do what ``old`` did.

    An index of the same name with other columns was changed, not forgotten. One that
    begins with the same columns serves the same queries, but only one on just these
    keeps their values unique.
    """
    again = table.indexes.get(old.name)
    if again and again.parts != old.parts:
        return True
    key = Index("", table.primary_key, 0, unique=True)
    return any(
        (new.parts == old.parts and new.unique >= old.unique and new.where == old.where)
        or (
            not old.unique
            and new.parts[: len(old.parts)] == old.parts
            and new.where in ("", old.where)
        )
        for new in (key, *table.keys, *table.indexes.values())
    )
