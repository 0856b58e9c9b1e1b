"""What SQLite tables hold, before and after a run that may change them.

The rows are copied into temporary tables, which take as much room in SQLite's
temporary folder as in the file. A value is cast back to the old type by the affinity of
the copy's column, which is that of the old one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlpair.databases import missing_rows
from sqlpair.databases.data_loss import CountedTable, Missing
from sqlpair.databases.missing_rows import Copies, Counts
from sqlpair.databases.quoting import identifier, quote

# What a migration leaves in the temporary schema is dropped after it; not these.
PREFIX = "sqlpair_"
# Where a full text index keeps its rows, and an R*Tree its auxiliary columns. What else
# they keep, they arrange as they like.
_ROWS = "_content"
_AUXILIARY = re.compile(r"a\d+")


class KeptRows:
    """What some tables held before a run; ``find`` returns what one is now."""

    def __init__(
        self,
        raw: sqlite3.Connection,
        find: Callable[[CountedTable], CountedTable | None],
    ):
        self._raw = raw
        self._find = find
        self._kept: list[_KeptTable] = []

    def keep(self, tables: Iterable[CountedTable]) -> None:
        """Copy the tables."""
        self._kept = [
            _KeptTable(self._raw, number, table)
            for number, table in enumerate(sorted(tables))
        ]

    def missing(self) -> list[Missing]:
        """Return what is missing now of what they held, and drop the copies."""
        found: list[Missing] = []
        for kept in self._kept:
            counts = kept.missing(self._find(kept.table))
            names = {"": "", **{f"c{i}": name for i, name in enumerate(kept.columns)}}
            order = list(names)
            found += [
                Missing(kept.table.name, names[column], number)
                for (_leaf, column), number in sorted(
                    counts.items(), key=lambda each: order.index(each[0][1])
                )
            ]
            kept.drop()
        return found


class _KeptTable:
    """The copy of one table, made before the run."""

    def __init__(self, raw: sqlite3.Connection, number: int, table: CountedTable):
        self.table = table
        self._raw = raw
        self._copy = f"temp.{PREFIX}before_{number}"
        self._after = f"temp.{PREFIX}after_{number}"
        self._scratch = f"temp.{PREFIX}difference_{number}"
        key = self._key()
        self.columns = list(table.columns.values())
        if self._is_arranged():
            self.columns = [
                name for name in self.columns if name in key or _AUXILIARY.match(name)
            ]
        self.key = [f"c{self.columns.index(name)}" for name in key]
        self.drop()
        values = [f"{identifier(c)} AS c{i}" for i, c in enumerate(self.columns)]
        raw.execute(
            f"CREATE TABLE {self._copy} AS SELECT {', '.join(['0 AS leaf', *values])}"
            f" FROM main.{identifier(table.name)}"
        )

    def _key(self) -> list[str]:
        found = self._raw.execute(
            "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE pk > 0 ORDER BY pk",
            (self.table.name,),
        )
        return [name for (name,) in found]

    def _is_arranged(self) -> bool:
        if sqlite3.sqlite_version_info < (3, 37):
            return False
        found = self._raw.execute(
            "SELECT 1 FROM pragma_table_list"
            " WHERE schema = 'main' AND type = 'shadow' AND name = ?",
            (self.table.name,),
        )
        return found.fetchone() is not None and not self.table.name.endswith(_ROWS)

    def drop(self) -> None:
        for name in (self._copy, self._after, self._scratch):
            self._raw.execute(f"DROP TABLE IF EXISTS {name}")

    def missing(self, now: CountedTable | None) -> Counts:
        """Count what is missing now that the table is ``now``."""
        if now is None:
            return +Counts({(0, ""): self._count(self._copy)})
        # By the copy's columns: what the value is called now.
        names = {
            f"c{self.columns.index(name)}": identifier(now.columns[key])
            for key, name in self.table.columns.items()
            if key in now.columns and name in self.columns
        }
        gone = [i for i in range(len(self.columns)) if f"c{i}" not in names]
        counts = Counts({(0, f"c{i}"): self._count(self._copy, f"c{i}") for i in gone})
        if names:
            counts.update(self._compared(now, names))
        else:
            counts[0, ""] = self._count(self._copy) - self._count(_main(now))
        return +counts

    def _compared(self, now: CountedTable, names: Mapping[str, str]) -> Counts:
        values = self._cast_back(names)
        copies = Copies(
            self._rows,
            before=self._copy,
            after=_main(now),
            columns=list(names),
            scratch=self._scratch,
            create="CREATE TABLE",
            differs="COLLATE BINARY IS NOT",
        )
        if self._is_keyed(names):
            return missing_rows.by_key(
                copies,
                " AND ".join(
                    f"a.{names[column]} = b.{column} COLLATE BINARY"
                    for column in self.key
                ),
                f"a.{names[self.key[0]]} IS NULL",
                values,
            )
        self._raw.execute(
            f"CREATE TABLE {self._after} AS"
            f" SELECT leaf, {', '.join(names)} FROM {self._copy} WHERE 0"
        )
        self._raw.execute(
            f"INSERT INTO {self._after}"
            f" SELECT 0, {', '.join(values[c] for c in names)} FROM {_main(now)} AS a"
        )
        return missing_rows.by_rows(copies._replace(after=self._after))

    def _is_keyed(self, names: Mapping[str, str]) -> bool:
        if not self.key or not set(self.key) <= names.keys():
            return False
        # SQLite lets a primary key be NULL, and more than once.
        anywhere = " OR ".join(f"{column} IS NULL" for column in self.key)
        found = self._raw.execute(f"SELECT 1 FROM {self._copy} WHERE {anywhere}")
        return found.fetchone() is None

    def _cast_back(self, names: Mapping[str, str]) -> dict[str, str]:
        name = self._copy.partition(".")[2]
        types = self._raw.execute(
            f"SELECT name, type FROM pragma_table_info({quote(name)}, 'temp')"
        )
        texts = {column for column, kind in types if kind == "TEXT"}
        return {
            # A comparison of text with a number would make a number of the text.
            column: f"CASE WHEN typeof(a.{new}) IN ('integer', 'real')"
            f" THEN CAST(a.{new} AS TEXT) ELSE a.{new} END"
            if column in texts
            # The new column's affinity would make a number of a text to be compared.
            else f"+a.{new}"
            for column, new in names.items()
        }

    def _count(self, table: str, column: str = "*") -> int:
        (found,) = self._raw.execute(f"SELECT count({column}) FROM {table}").fetchone()
        return int(found)

    def _rows(self, sql: str) -> Sequence[Mapping[str, Any]]:
        cursor = self._raw.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _main(table: CountedTable) -> str:
    return f"main.{identifier(table.name)}"
