"""A table, column or view is dropped that the previous release may still read."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.model import Event
from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for tables, columns and views that existed before and do not after."""
    tables = subject.after.tables
    for event in subject.after.events:
        if event.origin is None:
            continue
        if event.what == "drop table" and event.origin not in tables:
            yield _problem(
                subject,
                event.line,
                f"table {event.origin}",
                f"DROP TABLE {subject.table_sql(event.table)};",
            )
        elif event.what == "drop table":
            yield from _rebuilt(subject, event)
        elif event.what == "drop column" and event.column_origin:
            yield _problem(
                subject,
                event.line,
                f"column {event.table}.{event.name}",
                _drop_column(subject, event.table, event.name),
            )
    yield from _views(subject)


def _rebuilt(subject: Subject, event: Event) -> Iterator[RuleMatch]:
    """Yield the columns that a rebuilt table no longer has."""
    assert event.origin
    before = subject.before.tables.get(event.origin)
    after = subject.after.tables[event.origin]
    if before is None or after.opaque:
        return
    for name in before.columns:
        if name not in after.columns:
            what = f"column {event.origin}.{name}"
            sql = _drop_column(subject, event.origin, name)
            yield _problem(subject, event.line, what, sql)


def _drop_column(subject: Subject, table: str, column: str) -> str:
    return f"ALTER TABLE {subject.table_sql(table)} DROP COLUMN {subject.sql(column)};"


def _views(subject: Subject) -> Iterator[RuleMatch]:
    heads = [parsed.head for parsed in subject.up.statements if parsed.head]
    made = {h.names[0] for h in heads if (h.action, h.kind) == ("CREATE", "VIEW")}
    for parsed in subject.up.statements:
        head = parsed.head
        if head and (head.action, head.kind) == ("DROP", "VIEW") and not head.temporary:
            for name in head.names:
                if name not in made:
                    sql = f"DROP VIEW {subject.sql(name)};"
                    yield _problem(subject, parsed.line, f"view {name}", sql)


def _problem(subject: Subject, line: int, what: str, sql: str) -> RuleMatch:
    return RuleMatch(
        subject.up,
        line,
        f"{what} is dropped: the previous release may still read it, and a rollback"
        " does not restore its content",
        f"{sql}  -- in a later migration, after the release that no longer reads it",
    )
