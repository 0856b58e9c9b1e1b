"""Which rows of a PostgreSQL table a run writes, where they are few.

Each row says which transaction wrote it (``xmin``), and keeps the number of one that
deleted it and was undone (``xmax``). So the rows of a large table that a run will
write, if it does the same again, are found by a scan that reads no value, and only
they are compared.

That it writes no others is proved, not assumed. The table is locked. Before the run,
there are so many rows besides those that were found. After it, a row that was not
written since, and is none of those by its place (``ctid``), is one of the former, as it
was. Where there are as many of these as before, they are the same, and only the rest
can differ. This holds whatever was found: ``xmax`` is a guess at what will be written.
``xmin`` is none: each transaction, and each savepoint in it, has a number of its own,
later than those before it. A row from long ago may look as if it was later; it does so
before the run, too.

A row keeps its place as long as its table keeps its file, which a rewrite, TRUNCATE and
CLUSTER replace; and what was not written is the same as long as its column is the same,
of the same type. See ``is_in_place``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlpair.databases.data_loss import CountedTable
from sqlpair.databases.postgresql.partitions import Family, source_of
from sqlpair.databases.postgresql.value_hash import Described
from sqlpair.databases.quoting import quote

# Where more than these are written, all rows of the table are compared.
MOST = 10_000
# Runs a query that reads the table.
Scan = Callable[[str, CountedTable], Sequence[tuple[Any, ...]]]


def find(family: Family, since: int, scan: Scan) -> None:
    """Remember the rows that were written or locked ``since`` that transaction.

    Not where there are too many, or where a row without a key is to be compared
    exactly: then all others tell what of it is lost.
    """
    if not family.kept or (family.exact and not family.is_keyed):
        return
    places: dict[int, list[str]] = {}
    for table in family.tables:
        written = f"{_later('xmin', since)} OR {_later('xmax', since)}"
        sql = f"SELECT ctid::text FROM {source_of(table)} WHERE {written}"
        found = scan(f"{sql} LIMIT {MOST + 1}", table)
        places[table.identity] = [place for (place,) in found]
    if sum(map(len, places.values())) <= MOST:
        family.places, family.since = places, since


def source_before(family: Family, table: CountedTable) -> str:
    """Return what the rows that are compared are selected from, before the run."""
    if family.places is None:
        return source_of(table)
    return f"{source_of(table)} WHERE {_among(family.places[table.identity])}"


def source_now(family: Family, table: CountedTable) -> str:
    """Return it for after the run: what was written, and what was found and was not."""
    if family.places is None:
        return source_of(table)
    select, later = (
        f"SELECT * FROM {source_of(table)} WHERE",
        _later("xmin", family.since),
    )
    found = _among(family.places[table.identity])
    return f"({select} {later} UNION ALL {select} {found} AND NOT {later}) AS w"


def others_stay(
    family: Family, now: Iterable[CountedTable], compared: int, scan: Scan
) -> bool:
    """Say whether all rows that are not compared are surely what they were.

    ``now`` are the tables after the run, in place, and ``compared`` is how many rows
    ``source_now`` selects.
    """
    rows = 0
    for table in now:
        rows += scan(f"SELECT count(*) FROM {source_of(table)}", table)[0][0]
    return rows - compared == family.rows - family.compared


def is_in_place(before: Described, after: Described) -> bool:
    """Say whether rows that were not written hold what they held.

    But for columns that are gone, in whose place no other has come under their name.
    """
    if not before or before.keys() != after.keys():
        return False
    for oid, columns in before.items():
        now = after[oid]
        same = columns.keys() & now.keys()
        new = {now[number].name for number in now.keys() - same}
        gone = {columns[number].name for number in columns.keys() - same}
        stored = [(columns[number].stored, now[number].stored) for number in same]
        if gone & new or not stored or any(was != at or not at for was, at in stored):
            return False
    return True


def _among(places: Sequence[str]) -> str:
    return f"ctid = ANY (ARRAY[{', '.join(map(quote, places))}]::tid[])"


def _later(number: str, since: int) -> str:
    # Numbers go round after four billion, so they are compared by their age; in a
    # subquery, that of ``since`` is computed once.
    age = "pg_catalog.age"
    return f"{age}({number}) <= (SELECT {age}('{since % 2**32}'::xid))"
