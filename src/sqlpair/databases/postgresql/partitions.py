"""A table with its partitions: what is compared as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlpair.databases.data_loss import CountedTable, Missing
from sqlpair.databases.postgresql.value_hash import (
    LARGE_OBJECTS,
    ComparedColumn,
    Described,
)

_LARGE_OBJECTS = (
    "(SELECT oid AS loid, lo_get(oid) AS data FROM pg_catalog.pg_largeobject_metadata)"
    " AS o"
)


class FamilyNow(NamedTuple):
    """A table that holds rows of a family now: for each old column the new one."""

    source: str
    columns: Mapping[str, ComparedColumn]


class Family:
    """A table, or the touched partitions of one, before the run."""

    def __init__(self, tables: Sequence[CountedTable], exact: bool):
        self.tables = tables
        self.exact = exact
        self.described: Described = {}
        self.columns: dict[str, ComparedColumn] = {}
        self.kept: Sequence[str] = ()  # the columns that are compared
        # By table, the places of the rows that are compared, where it is not all; and
        # the transaction since which they may have been written.
        self.places: dict[int, list[str]] | None = None
        self.since = 0
        self.sizes: list[dict[str, int]] = []
        self.checksum = 0

    @property
    def rows(self) -> int:
        """Return how many rows there were."""
        return sum(size[""] for size in self.sizes)

    @property
    def compared(self) -> int:
        """Return how many rows are compared."""
        if self.places is None:
            return self.rows
        return sum(map(len, self.places.values()))

    @property
    def is_keyed(self) -> bool:
        key = [name for name, column in self.columns.items() if column.key]
        return bool(key) and set(key) <= set(self.kept)


def source_of(table: CountedTable) -> str:
    """Return what its rows are selected from."""
    return _LARGE_OBJECTS if table.identity == LARGE_OBJECTS else f"ONLY {table.name}"


def copied_as(family: Family, column: str) -> str:
    """Return the name that a column has in a copy."""
    return f"c{list(family.columns).index(column)}"


def renamed_columns(
    table: CountedTable, old: CountedTable | None, renamed: Mapping[str, str]
) -> dict[str, str]:
    """Map the old columns' names to those of ``table``, which ``old`` is now."""
    there = set(table.columns.values())
    if old is None:
        return {**{name: name for name in there}, **renamed}
    same = {
        name: table.columns[key]
        for key, name in old.columns.items()
        if key in table.columns
    }
    # One that was made in the place of another, under its name.
    taken = {*same.values()}
    return {**{name: name for name in there if name not in taken}, **same}


def columns_left(
    old: Sequence[CountedTable], now: Sequence[tuple[CountedTable, CountedTable | None]]
) -> frozenset[str]:
    """Return which of the columns of ``old`` are still there."""
    names: set[str] = set(old[0].columns.values()) if now else set()
    renamed: dict[str, str] = {}
    for table, was in sorted(now, key=lambda each: each[1] is None):
        pairs = renamed_columns(table, was, renamed)
        renamed = renamed or pairs
        there = set(table.columns.values())
        names &= {name for name, new in pairs.items() if new in there}
    return frozenset(names)


def lost_whole(family: Family, now: Sequence[FamilyNow]) -> Iterator[Missing]:
    """Count rows of tables, and values of columns, that are not there any more."""
    for table, size in zip(family.tables, family.sizes, strict=True):
        if not now:
            if size[""]:
                yield Missing(table.name, "", size[""])
            continue
        for column in family.columns:
            if any(column not in each.columns for each in now) and size.get(column):
                yield Missing(table.name, column, size[column])
