"""A column of a SQLite table, for references that cross databases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlpair.databases.quoting import identifier, quote
from sqlpair.databases.sqlite.affinity import affinity

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession


class SQLiteColumn:
    """See ``sqlpair.databases.reference_column.ReferenceColumn``."""

    def __init__(self, session: SQLiteSession, table: str, name: str):
        self._session = session
        self._table, self._column = identifier(table), identifier(name)
        self._plain = quote(table), quote(name)
        found = session.rows(
            f"SELECT type, pk FROM pragma_table_xinfo({quote(table)})"
            f" WHERE name = {quote(name)} COLLATE NOCASE"
        )
        self._found: dict[str, Any] = found[0] if found else {}

    def is_there(self) -> bool:
        return bool(self._found)

    def type(self) -> str:
        return str(self._found["type"]) or "any"

    def indexed(self) -> bool:
        table, column = self._plain
        leading = self._session.rows(
            f"SELECT 1 FROM pragma_index_list({table}) l"
            " JOIN pragma_index_info(l.name) i"
            f" WHERE i.seqno = 0 AND i.name = {column} COLLATE NOCASE"
        )
        return bool(leading) or self._is_rowid()

    def _is_rowid(self) -> bool:
        return self._found["pk"] == 1 and self.type().upper() == "INTEGER"

    def count(self) -> int:
        found = self._session.rows(
            f"SELECT count({self._column}) AS n FROM {self._table}"
        )
        return int(found[0]["n"])

    def values(self) -> Iterator[tuple[Any, int]]:
        # With an index on the column nothing is sorted; else on disk, not in memory.
        sql = (
            f"SELECT {self._column} AS value, count(*) AS n FROM {self._table}"
            f" WHERE {self._column} IS NOT NULL GROUP BY {self._column}"
        )
        # A file may hold text that is no text; that is for the check to say.
        self._session.raw.text_factory = _lenient
        with self._session.snapshot():
            for row in self._session.stream(sql):
                yield row["value"], row["n"]

    def malformed(self, values: Sequence[Any]) -> set[Any]:
        wrong: set[Any] = {value for value in values if isinstance(value, bytes)}
        type_ = self.type().upper()
        if affinity(type_) not in ("TEXT", "BLOB") and type_ != "ANY":
            wrong |= {v for v in values if isinstance(v, str) and not _is_number(v)}
        return wrong

    def absent(self, values: Sequence[Any]) -> set[Any]:
        # The column's affinity applies to what JSON gives: '5' finds 5.
        sql = (
            "SELECT key FROM json_each(?) given WHERE NOT EXISTS (SELECT 1"
            f" FROM {self._table} t WHERE t.{self._column} = given.value)"
        )
        with self._session.snapshot():
            found = self._session.raw.execute(sql, [json.dumps(list(values))])
            return {values[row[0]] for row in found}


column = SQLiteColumn  # which is what the driver offers


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
