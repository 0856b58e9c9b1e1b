"""What PostgreSQL tables hold, before and after a run that may change them.

A table's checksum is the sum of a hash of each row, whatever their order; of those rows
alone that were written, where these are few (``written_rows.py``). Where it is
another one afterwards, the rows' hashes are kept in a table of the transaction itself,
value by value, and compared: it is not temporary, since a transaction with temporary
tables cannot be prepared, and it is dropped before the commit.

Partitions of one table are compared as one: a row may move from one to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg2

from sqlpair.databases import missing_rows
from sqlpair.databases.data_loss import CountedTable, Missing
from sqlpair.databases.missing_rows import Copies, Counts
from sqlpair.databases.postgresql import written_rows
from sqlpair.databases.postgresql.partitions import (
    Family,
    FamilyNow,
    columns_left,
    copied_as,
    lost_whole,
    renamed_columns,
    source_of,
)
from sqlpair.databases.postgresql.value_hash import (
    HASHED,
    ZONED,
    Described,
    checksum,
    describe,
    hashed,
)
from sqlpair.databases.postgresql.written_rows import (
    is_in_place,
    others_stay,
    source_before,
    source_now,
)

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

# All rows, whatever a policy lets us see; all digits.
SETTINGS = "SET LOCAL row_security = off; SET LOCAL extra_float_digits = 1; "
RESET = "RESET row_security; RESET extra_float_digits; "


class KeptRows:
    """What the tables of one session held before a run.

    ``family`` returns a table's root, as oid and name, and ``now`` the tables that hold
    the rows of some tables of one root now, each with the old table that it is.
    """

    def __init__(
        self,
        session: PostgreSQLSession,
        family: Callable[[CountedTable], tuple[int, str]],
        now: Callable[
            [Sequence[CountedTable]], list[tuple[CountedTable, CountedTable | None]]
        ],
    ):
        self._session = session
        self._family = family
        self._now = now
        self._families: list[Family] = []
        self._foreseen: dict[str, frozenset[str]] = {}
        self._since = 0
        # What was run and undone has left these so; these are compared as a whole.
        self._undone: dict[str, Described] = {}
        self._whole = set[str]()

    def foresee(self, tables: Iterable[CountedTable], since: int) -> None:
        """See ``sqlpair.databases.data_loss.Inspector``.

        No transaction of the run is older than ``since``.
        """
        self._since = since
        for old in self._grouped(tables):
            now = self._now(old)
            self._foreseen |= {table.name: columns_left(old, now) for table in old}
            self._undone[old[0].name] = describe(
                self._session, [table.identity for table, _ in now]
            )

    def keep(self, tables: Iterable[CountedTable], exact: Set[str]) -> None:
        """See ``sqlpair.databases.data_loss.Inspector``; they are locked already."""
        self._families = [
            Family(old, exact=any(table.name in exact for table in old))
            for old in self._grouped(tables)
        ]
        for number, family in enumerate(self._families):
            old = family.tables
            described = describe(self._session, [table.identity for table in old])
            family.described = described
            family.columns = {
                column.name: column
                for column in described[old[0].identity].values()
                if not column.generated
            }
            foreseen = self._foreseen.get(old[0].name, frozenset())
            family.kept = [name for name in family.columns if name in foreseen]
            first = old[0].name
            if first not in self._whole and is_in_place(described, self._undone[first]):
                written_rows.find(family, self._since, self._scanned)
            for table in old:
                self._measure(family, table)
            if family.exact:
                self._copy_before(family, number)

    def missing(self) -> tuple[list[Missing], Set[str]]:
        """See ``sqlpair.databases.data_loss.Inspector``."""
        found: list[Missing] = []
        unknown: set[str] = set()
        for number, family in enumerate(self._families):
            lost = self._lost(family, number)
            if lost is None:
                unknown |= {table.name for table in family.tables}
            else:
                found += lost
            if family.exact:
                before = self._copies(family, number).before
                self._session.execute(f"DROP TABLE {before}")
        return sorted(found, key=lambda each: each.table), unknown

    def _lost(self, family: Family, number: int) -> list[Missing] | None:
        """Return what is missing; None where more has to be kept to tell."""
        left = self._now(family.tables)
        tables = [table for table, _ in left]
        described = describe(self._session, [table.identity for table in tables])
        now = self._described_now(family, left, described)
        counted = self._counted(family, now)
        if family.places is not None and not (
            counted
            and is_in_place(family.described, described)
            and others_stay(family, tables, counted[0], self._scanned)
        ):
            self._whole.add(family.tables[0].name)
            return None
        gone = list(lost_whole(family, now))
        if not now or counted == (family.compared, family.checksum):
            return gone
        if not family.exact:
            return None
        return _ordered(family, gone, self._compare(family, now, number))

    def _grouped(self, tables: Iterable[CountedTable]) -> Iterator[list[CountedTable]]:
        ordered = sorted(tables, key=lambda t: (self._family(t), t.name))
        for _root, some in groupby(ordered, key=self._family):
            yield list(some)

    def _measure(self, family: Family, table: CountedTable) -> None:
        # Of the columns that will be gone; of all, where what is lost is told exactly.
        columns = [c for c in family.columns if family.exact or c not in family.kept]
        counted = ["count(*)", *(f"count({name})" for name in columns)]
        total = checksum([family.columns[name].value() for name in family.kept])
        if family.places is not None:
            total = f"(SELECT {total} FROM {source_before(family, table)})"
        sql = f"SELECT {', '.join(counted)}, {total} FROM {source_of(table)}"
        *counts, found = self._scanned(sql, table)[0]
        family.sizes.append(dict(zip(["", *columns], counts, strict=True)))
        family.checksum += int(found)

    def _scanned(self, sql: str, table: CountedTable) -> list[tuple[Any, ...]]:
        doing = f"what {table.name} would lose cannot be counted"
        with self._session.guarded(doing) as cursor:
            cursor.execute(SETTINGS + sql)
            found = cursor.fetchall()
            cursor.execute(RESET)
        return found

    def _described_now(
        self,
        family: Family,
        left: Sequence[tuple[CountedTable, CountedTable | None]],
        described: Described,
    ) -> list[FamilyNow]:
        """Return what holds the rows of the family now."""
        renamed: dict[str, str] = {}
        now = []
        # Those that are still the same first: they tell how columns are called now.
        for table, old in sorted(left, key=lambda each: each[1] is None):
            columns = described[table.identity]
            names = renamed_columns(table, old, renamed)
            renamed = renamed or names
            by_name = {column.name: column for column in columns.values()}
            now.append(
                FamilyNow(
                    source_now(family, table),
                    {
                        was: by_name[names[was]]
                        for was in family.columns
                        if names.get(was) in by_name
                    },
                )
            )
        return now

    def _counted(
        self, family: Family, now: Sequence[FamilyNow]
    ) -> tuple[int, int] | None:
        """Return how many rows there are now, with their checksum."""
        rows = total = 0
        for each in now:
            if any(name not in each.columns for name in family.kept):
                return None
            values = [
                family.columns[name].cast(each.columns[name]) for name in family.kept
            ]
            found = self._tried(
                f"SELECT count(*), {checksum(values)} FROM {each.source}"
            )
            if found is None:
                return None
            rows, total = rows + found[0][0], total + int(found[0][1])
        return rows, total

    def _tried(self, sql: str) -> list[tuple[Any, ...]] | None:
        """Run it; None where a value cannot be cast back."""
        with self._session.guarded("what would be lost cannot be counted") as cursor:
            cursor.execute(f"{SETTINGS} SAVEPOINT sqlpair_cast")
            try:
                cursor.execute(sql)
            except psycopg2.DataError:
                cursor.execute(f"ROLLBACK TO SAVEPOINT sqlpair_cast; {RESET}")
                return None
            found = cursor.fetchall() if cursor.description else []
            cursor.execute(f"RELEASE SAVEPOINT sqlpair_cast; {RESET}")
            return found

    # -- exactly ---------------------------------------------------------------

    def _copies(self, family: Family, number: int) -> Copies:
        prefix = f"{self._session.table.prefix}sqlpair_"
        return Copies(
            self._session.rows,
            before=f"{prefix}before_{number}",
            after=f"{prefix}after_{number}",
            columns=[copied_as(family, name) for name in family.kept],
            scratch=f"{prefix}difference_{number}",
            create="CREATE UNLOGGED TABLE",
            differs="IS DISTINCT FROM",
        )

    def _copy_before(self, family: Family, number: int) -> None:
        values = [
            f"{hashed(column.value())} AS {copied_as(family, name)}"
            for name, column in family.columns.items()
        ]
        parts = [
            f"SELECT {', '.join([f'{leaf} AS leaf', *values])}"
            f" FROM {source_before(family, table)}"
            for leaf, table in enumerate(family.tables)
        ]
        copies = self._copies(family, number)
        self._session.execute(
            f"{SETTINGS} CREATE UNLOGGED TABLE {copies.before} AS"
            f" {' UNION ALL '.join(parts)}; {RESET}"
        )

    def _compare(self, family: Family, now: Sequence[FamilyNow], number: int) -> Counts:
        family.kept = [
            name for name in family.columns if all(name in each.columns for each in now)
        ]
        copies = self._copies(family, number)
        if not family.kept:
            return _rows_alone(family, self._session, now)
        counts = self._compared(copies, family, now)
        if counts and any(
            {column.type, each.columns[name].type} <= ZONED
            and column.type != each.columns[name].type
            for each in now
            for name, column in family.columns.items()
            if name in each.columns
        ):
            # It may have been converted by USING … AT TIME ZONE 'UTC'.
            self._session.execute("SET LOCAL TimeZone = 'UTC'")
            counts = min(counts, self._compared(copies, family, now), key=Counts.total)
            self._session.execute("RESET TimeZone")
        return counts

    def _compared(
        self, copies: Copies, family: Family, now: Sequence[FamilyNow]
    ) -> Counts:
        if self._tried(_copy_after(copies, family, now, castable=True)) is None:
            self._session.execute(_copy_after(copies, family, now, castable=False))
        if family.is_keyed:
            key = [copied_as(family, n) for n, c in family.columns.items() if c.key]
            counts = missing_rows.by_key(
                copies,
                " AND ".join(f"a.{column} = b.{column}" for column in key),
                f"a.{key[0]} IS NULL",
                {column: f"a.{column}" for column in copies.columns},
            )
        else:
            counts = missing_rows.by_rows(copies)
        self._session.execute(
            f"DROP TABLE {copies.after}; DROP TABLE IF EXISTS {copies.scratch}"
        )
        return counts


def _ordered(family: Family, gone: Iterable[Missing], counts: Counts) -> list[Missing]:
    names = {copied_as(family, column): column for column in family.columns} | {"": ""}
    order = ["", *family.columns]
    found = [
        Missing(family.tables[leaf].name, names[column], number)
        for (leaf, column), number in counts.items()
    ]
    return sorted([*gone, *found], key=lambda m: (m.table, order.index(m.column)))


def _rows_alone(
    family: Family, session: PostgreSQLSession, now: Sequence[FamilyNow]
) -> Counts:
    counted = " + ".join(f"(SELECT count(*) FROM {each.source})" for each in now)
    (row,) = session.rows(f"SELECT {counted} AS n")
    return +Counts({(0, ""): family.rows - row["n"]})


def _copy_after(
    copies: Copies, family: Family, now: Sequence[FamilyNow], *, castable: bool
) -> str:
    parts = []
    for each in now:
        values = []
        for name in family.kept:
            old, new = family.columns[name], each.columns[name]
            if castable or old.type == new.type or old.type not in HASHED:
                value = hashed(old.cast(new))
            else:  # not one value is known to be the same
                value = "NULL::int8"
            values.append(f"{value} AS {copied_as(family, name)}")
        parts.append(f"SELECT {', '.join(values)} FROM {each.source}")
    return f"CREATE UNLOGGED TABLE {copies.after} AS {' UNION ALL '.join(parts)}"
