"""What a copy made before a run holds, and one made after it does not.

A copy is a table with a row for each row that was copied. Its columns are ``leaf``, the
number of the table that the row was copied from, and ``c0``, ``c1`` and so on: the
values, or hashes of them; NULL where there is no value.

Two ways. Where a row has a key, the copies are joined by it. Where it has none, equal
rows are taken off against each other, and what is left is counted by what its rows have
in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Rows = Callable[[str], Sequence[Mapping[str, Any]]]
# By leaf and column; the empty column stands for rows.
Counts = Counter[tuple[int, str]]


class Copies(NamedTuple):
    """Two copies, by the names of their tables; ``columns`` are in both.

    ``scratch`` is the name of a table that may be made, ``create`` what makes it, and
    ``differs`` the operator that compares NULLs, too.
    """

    rows: Rows
    before: str
    after: str
    columns: Sequence[str]
    scratch: str
    create: str
    differs: str


def by_key(copies: Copies, match: str, absent: str, now: Mapping[str, str]) -> Counts:
    """Count where rows have a key, of which no part is NULL.

    ``match`` is the condition that joins ``b``, the copy made before, and ``a``;
    ``absent`` is true of ``a`` where it has no such row, and ``now`` maps a column to
    the expression for what its value is now.
    """
    changed = {
        column: f"b.{column} IS NOT NULL AND b.{column} {copies.differs} {now[column]}"
        for column in copies.columns
    }
    wanted = [
        f"count(*) FILTER (WHERE NOT ({absent}) AND {condition}) AS {column}"
        for column, condition in changed.items()
    ]
    # Only what differs is grouped, which SQLite does by sorting.
    differs = " OR ".join([absent, *changed.values()])
    found = copies.rows(
        f"SELECT b.leaf, count(*) FILTER (WHERE {absent}) AS missing,"
        f" {', '.join(wanted)} FROM {copies.before} b"
        f" LEFT JOIN {copies.after} a ON {match} WHERE {differs} GROUP BY b.leaf"
    )
    counts: Counts = Counter()
    for row in found:
        counts[row["leaf"], ""] += row["missing"]
        for column in copies.columns:
            counts[row["leaf"], column] += row[column]
    return +counts


def by_rows(copies: Copies) -> Counts:
    """Count where rows have no key, by the columns in which no row had a NULL.

    A value that is missing from one of these makes the row another. Then it is said
    of which column values are missing, where no fewer rows are there.
    """
    columns = list(copies.columns)
    before, after = (_sizes(copies, name) for name in (copies.before, copies.after))
    _subtract(copies)
    key = [column for column in columns if before[column] == before["n"]]
    counts: Counts = Counter(dict(_lost(copies, "", key)))
    for column in columns:
        if column not in key:
            counts.update(dict(_lost(copies, column, key)))
    if any(not column for _, column in counts) and before["n"] <= after["n"]:
        apart = Counter({k: n for c in key for k, n in _lost(copies, c, None)})
        if apart:
            counts = apart + Counter({k: n for k, n in counts.items() if k[1]})
    if not counts and before == after:
        # No NULL became a value, and yet values have changed places between rows.
        counts.update(dict(_lost(copies, "", columns)))
    return +counts


def _sizes(copies: Copies, table: str) -> Mapping[str, int]:
    counted = ", ".join(f"count({c}) AS {c}" for c in copies.columns)
    (row,) = copies.rows(f"SELECT count(*) AS n, {counted} FROM {table}")
    return dict(row)


def _subtract(copies: Copies) -> None:
    """Make the scratch table: the rows that are in one copy more often than in both."""
    columns = ", ".join(copies.columns)
    copies.rows(
        f"{copies.create} {copies.scratch} AS SELECT min(leaf) AS leaf, 0 AS one,"
        f" {columns}, sum(side) AS n FROM"
        f" (SELECT leaf, {columns}, 1 AS side FROM {copies.before} UNION ALL"
        f" SELECT NULL, {columns}, -1 FROM {copies.after}) AS u"
        f" GROUP BY {columns} HAVING sum(side) <> 0"
    )


def _lost(
    copies: Copies, column: str, key: Sequence[str] | None
) -> Iterator[tuple[tuple[int, str], int]]:
    """Count what of the column's values is missing, of the rows where it has no name.

    Values of rows that are missing themselves, by ``key``, are not counted. Without a
    key, values are counted for themselves.
    """
    by = ", ".join(["one", *(key or ())])
    group = f"{by}, {column}" if column else by
    source, where = copies.scratch, "1 = 1"
    if column:
        source = (
            f"(SELECT *, sum(n) OVER (PARTITION BY {by}) AS gone"
            f" FROM {copies.scratch}) AS w"
        )
        where = f"{column} IS NOT NULL"
        if key is not None:
            where += " AND gone <= 0"
    found = copies.rows(
        f"SELECT leaf, sum(n) AS n FROM (SELECT min(leaf) AS leaf, sum(n) AS n"
        f" FROM {source} WHERE {where} GROUP BY {group} HAVING sum(n) > 0) AS g"
        " GROUP BY leaf"
    )
    for row in found:
        yield (row["leaf"], column), int(row["n"])
