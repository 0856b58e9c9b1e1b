"""The state of a database, and how two states differ.

Compared are the schema, as the catalogs describe it, and every row of every table. Not
compared are privileges, owners, roles, the last values of sequences, and settings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlpair.databases.row_values import Contents
from sqlpair.project.statement import Statement
from sqlpair.schema.model import BEFORE, Change, ObjectKey, Schema, describe, difference


class State(NamedTuple):
    """What is compared of a database."""

    schema: Schema
    contents: Contents


def row_count(contents: Contents) -> int:
    """How many rows all tables have together."""
    return sum(len(rows.rows) for rows in contents.values())


def schema_differences(
    expected: State, actual: State, added: Collection[ObjectKey] = ()
) -> list[str]:
    """Say how the schema differs from the expected one; ``added`` may be there."""
    found = {
        key: described
        for key, described in actual.schema.items()
        if key not in added or key in expected.schema
    }
    return [_sentence(change) for change in difference(expected.schema, found)]


def row_differences(
    expected: State, actual: State, unstable: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """Say which rows differ; the columns in ``unstable`` may.

    Comparable are states with the same schema.
    """
    found = []
    for table, rows in expected.contents.items():
        skipped = {column for name, column in unstable if name == table}
        kept = [column for column in rows.columns if column not in skipped]
        before = _counted(expected.contents, table, kept)
        after = _counted(actual.contents, table, kept)
        found += _changed(table, kept, before, after)
    return found


def missing_rows(
    expected: State, actual: State, above: State, full: State
) -> list[str]:
    """Say which of the expected rows are missing; there may be more rows.

    Between ``above`` and ``full`` rows were added: one that a trigger changed then may
    have changed, and has to be there still.
    """
    found = []
    for table, rows in expected.contents.items():
        before = _counted(expected.contents, table, rows.columns)
        after = _counted(actual.contents, table, rows.columns)
        kept = before & after
        if kept != before and after.total() >= before.total():
            there = above.contents.get(table)
            shared = [c for c in rows.columns if there and c in there.columns]
            places = [rows.columns.index(column) for column in shared]
            changed = _counted(above.contents, table, shared)
            changed -= _counted(full.contents, table, shared)
            for row, number in (before - after).items():
                key = tuple(row[place] for place in places)
                excused = min(number, changed[key])
                kept[row] += excused
                changed[key] -= excused
        found += _changed(table, rows.columns, before, kept)
    return found


def unstable_columns(one: State, other: State) -> list[tuple[str, str]]:
    """The columns whose values differ when the same migration runs twice."""
    return [
        (table, column)
        for table, rows in one.contents.items()
        for column in rows.columns
        if _counted(one.contents, table, [column])
        != _counted(other.contents, table, [column])
    ]


_NOT_COMPARED = {
    "privileges": r"GRANT|REVOKE|ALTER\s+DEFAULT\s+PRIVILEGES",
    "owners": r"OWNER\s+TO|(?:REASSIGN|DROP)\s+OWNED",
    "roles": r"(?:CREATE|ALTER|DROP)\s+(?:ROLE|GROUP|USER(?!\s+MAPPING))",
    "settings of databases": r"ALTER\s+(?:DATABASE|SYSTEM)",
}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def not_compared(statements: Sequence[Statement]) -> list[str]:
    """Name what ``statements`` change and no comparison sees."""
    text = "\n".join(_COMMENT.sub(" ", item.text) for item in statements)
    return [
        what
        for what, pattern in _NOT_COMPARED.items()
        if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE)
    ]


def _sentence(change: Change) -> str:
    if change.attribute is None and change.actual:
        return f"{change.kind} {change.name} was added"
    return describe(change, BEFORE)


def _counted(
    contents: Contents, table: str, columns: Sequence[str]
) -> Counter[tuple[str, ...]]:
    rows = contents.get(table)
    if rows is None or not set(columns) <= set(rows.columns):
        return Counter()
    places = [rows.columns.index(column) for column in columns]
    return Counter(tuple(row[place] for place in places) for row in rows.rows)


def _changed(
    table: str,
    columns: Sequence[str],
    before: Counter[tuple[str, ...]],
    after: Counter[tuple[str, ...]],
) -> list[str]:
    lost, added = before - after, after - before
    if not lost and not added:
        return []
    if not lost:
        return [f"table {table}: {added.total()} rows were added"]
    told = f"table {table}: {lost.total()} of {before.total()} rows"
    if not added:
        return [f"{told} are missing"]
    old, new = next(iter(lost)), next(iter(added))
    example = [
        f"{column} was {was} and is {now}"
        for column, was, now in zip(columns, old, new, strict=True)
        if was != now
    ]
    return [f"{told} have changed, for example {'; '.join(example)}"]
