"""What PostgreSQL tables hold, before and after a run that may change them.

A table's checksum is the sum of a hash of each row, whatever their order. Where it is
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
from sqlpair.databases.postgresql.partitions import (
    Family,
    FamilyNow,
    columns_left,
    copied_as,
    renamed_columns,
    source_of,
)
from sqlpair.databases.postgresql.value_hash import (
    HASHED,
    ZONED,
    checksum,
    describe,
    hashed,
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

    def foresee(self, tables: Iterable[CountedTable]) -> None:
        """See ``sqlpair.databases.data_loss.Inspector``."""
        for old in self._grouped(tables):
            names = columns_left(old, self._now(old))
            self._foreseen |= {table.name: names for table in old}

    def keep(self, tables: Iterable[CountedTable], exact: Set[str]) -> None:
        """See ``sqlpair.databases.data_loss.Inspector``; they are locked already."""
        self._families = [
            Family(old, exact=any(table.name in exact for table in old))
            for old in self._grouped(tables)
        ]
        for number, family in enumerate(self._families):
            old = family.tables
            described = describe(self._session, [table.identity for table in old])
            family.columns = {
                column.name: column
                for column in described.get(old[0].identity, {}).values()
                if not column.generated
            }
            foreseen = self._foreseen.get(old[0].name, frozenset())
            family.kept = [name for name in family.columns if name in foreseen]
            for table in old:
                self._measure(family, table)
            if family.exact:
                self._copy_before(family, number)

    def missing(self) -> tuple[list[Missing], Set[str]]:
        """See ``sqlpair.databases.data_loss.Inspector``."""
        found: list[Missing] = []
        unknown: set[str] = set()
        for number, family in enumerate(self._families):
            now = self._describe_now(family)
            lost = list(_gone(family, now))
            if not now or self._is_same(family, now):
                found += lost
            elif family.exact:
                found += _ordered(family, lost, self._compare(family, now, number))
            else:
                unknown |= {table.name for table in family.tables}
            if family.exact:
                before = self._copies(family, number).before
                self._session.execute(f"DROP TABLE {before}")
        return sorted(found, key=lambda each: each.table), unknown

    def _grouped(self, tables: Iterable[CountedTable]) -> Iterator[list[CountedTable]]:
        ordered = sorted(tables, key=lambda t: (self._family(t), t.name))
        for _root, some in groupby(ordered, key=self._family):
            yield list(some)

    def _measure(self, family: Family, table: CountedTable) -> None:
        counted = ["count(*) AS n", *(f"count({name})" for name in family.columns)]
        values = [family.columns[name].value() for name in family.kept]
        sql = f"SELECT {', '.join(counted)}, {checksum(values)} FROM {source_of(table)}"
        doing = f"what {table.name} would lose cannot be counted"
        with self._session.guarded(doing) as cursor:
            cursor.execute(SETTINGS + sql)
            found = cursor.fetchone()
            cursor.execute(RESET)
        assert found is not None
        *counts, total = found
        family.sizes.append(dict(zip(["", *family.columns], counts, strict=True)))
        family.checksum += int(total)

    def _describe_now(self, family: Family) -> list[FamilyNow]:
        """Return what holds the rows of the family now."""
        found = self._now(family.tables)
        described = describe(self._session, [table.identity for table, _ in found])
        renamed: dict[str, str] = {}
        now = []
        # Those that are still the same first: they tell how columns are called now.
        for table, old in sorted(found, key=lambda each: each[1] is None):
            columns = described.get(table.identity, {})
            names = renamed_columns(table, old, renamed)
            renamed = renamed or names
            by_name = {column.name: column for column in columns.values()}
            now.append(
                FamilyNow(
                    source_of(table),
                    {
                        was: by_name[names[was]]
                        for was in family.columns
                        if names.get(was) in by_name
                    },
                )
            )
        return now

    def _is_same(self, family: Family, now: Sequence[FamilyNow]) -> bool:
        rows = total = 0
        for each in now:
            if any(name not in each.columns for name in family.kept):
                return False
            values = [
                family.columns[name].cast(each.columns[name]) for name in family.kept
            ]
            found = self._tried(
                f"SELECT count(*), {checksum(values)} FROM {each.source}"
            )
            if found is None:
                return False
            rows, total = rows + found[0][0], total + int(found[0][1])
        before = sum(size[""] for size in family.sizes)
        return (rows, total) == (before, family.checksum)

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
            f"SELECT {', '.join([f'{leaf} AS leaf', *values])} FROM {source_of(table)}"
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


def _gone(family: Family, now: Sequence[FamilyNow]) -> Iterator[Missing]:
    """Count rows of tables, and values of columns, that are not there any more."""
    for table, size in zip(family.tables, family.sizes, strict=True):
        if not now:
            if size[""]:
                yield Missing(table.name, "", size[""])
            continue
        for column in family.columns:
            if size[column] and any(column not in each.columns for each in now):
                yield Missing(table.name, column, size[column])


def _ordered(
    family: Family, gone: Iterable[Missing], counts: Counts
) -> Iterator[Missing]:
    names = {copied_as(family, column): column for column in family.columns} | {"": ""}
    order = ["", *family.columns]
    found = [
        Missing(family.tables[leaf].name, names[column], number)
        for (leaf, column), number in counts.items()
    ]
    yield from sorted([*gone, *found], key=lambda m: (m.table, order.index(m.column)))


def _rows_alone(
    family: Family, session: PostgreSQLSession, now: Sequence[FamilyNow]
) -> Counts:
    counted = " + ".join(f"(SELECT count(*) FROM {each.source})" for each in now)
    (row,) = session.rows(f"SELECT {counted} AS n")
    return +Counts({(0, ""): sum(size[""] for size in family.sizes) - row["n"]})


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
