"""A column of a PostgreSQL table, for references that cross databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg2

from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import ConnectError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

_DESCRIBE = """
SELECT a.attnum, format_type(t.oid, NULL) AS type,
    format_type(coalesce(NULLIF(t.typbasetype, 0), t.oid), NULL) AS base,
    EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = a.attrelid
        AND x.indkey[0] = a.attnum AND x.indisvalid) AS indexed
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass({table}) AND a.attname = {column}
    AND a.attnum > 0 AND NOT a.attisdropped
"""
_CAN_ASK = 160000  # pg_input_is_valid() is there


class PostgreSQLColumn:
    """See ``sqlpair.databases.reference_column.ReferenceColumn``."""

    def __init__(self, session: PostgreSQLSession, table: str, name: str):
        self._session = session
        self._table = ".".join(map(identifier, table.split(".")))
        self._column = identifier(name)
        found = session.rows(
            _DESCRIBE.format(table=quote(self._table), column=quote(name))
        )
        self._found: dict[str, Any] = found[0] if found else {}

    def is_there(self) -> bool:
        return bool(self._found)

    def type(self) -> str:
        return str(self._found["type"])

    def indexed(self) -> bool:
        return bool(self._found["indexed"])

    def count(self) -> int:
        found = self._session.rows(
            f"SELECT count({self._column}) AS values FROM {self._table}"
        )
        return int(found[0]["values"])

    def values(self) -> Iterator[tuple[Any, int]]:
        sql = (
            f"SELECT {self._column}::text AS value, count(*) AS rows FROM {self._table}"
            f" WHERE {self._column} IS NOT NULL GROUP BY {self._column}"
        )
        with self._session.snapshot():
            for row in self._session.stream(sql):
                yield row["value"], row["rows"]

    def malformed(self, values: Sequence[Any]) -> set[Any]:
        # No text of PostgreSQL's holds a NUL, and a blob is no text.
        wrong = {v for v in values if isinstance(v, bytes) or "\0" in str(v)}
        rest = [value for value in values if value not in wrong]
        if self._session.raw.server_version < _CAN_ASK:
            return wrong | self._refused(rest)
        type_ = quote(self.type())
        return wrong | self._chosen(rest, f"NOT pg_input_is_valid(v, {type_})")

    def absent(self, values: Sequence[Any]) -> set[Any]:
        # Not the declared type: a cast to varchar(10) cuts a longer value.
        return self._chosen(
            values,
            f"NOT EXISTS (SELECT FROM {self._table} t"
            f" WHERE t.{self._column} = v::{self._found['base']})",
        )

    def _chosen(self, values: Sequence[Any], condition: str) -> set[Any]:
        if not values:
            return set()
        sql = f"SELECT v, n FROM {_rows(values)} WHERE {condition}"
        with self._session.snapshot():
            return {values[row["n"] - 1] for row in self._session.rows(sql)}

    def _refused(self, values: Sequence[Any]) -> set[Any]:
        """What a cast refuses: by halves, until each is found."""
        if not values:
            return set()
        sql = f"SELECT count(v::{self.type()}) FROM {_rows(values)}"
        try:
            with self._session.snapshot():
                self._session.fetch(sql)
        except ConnectError as error:
            cause = error.__cause__
            # A domain's CHECK is of the second kind.
            if not isinstance(cause, psycopg2.DataError | psycopg2.IntegrityError):
                raise
            if len(values) == 1:
                return set(values)
            half = len(values) // 2
            return self._refused(values[:half]) | self._refused(values[half:])
        return set()


column = PostgreSQLColumn  # which is what the driver offers


def _rows(values: Sequence[Any]) -> str:
    """The values with their places: 1 and '1' are two, and one text."""
    texts = ", ".join(quote(str(value)) for value in values)
    return f"unnest(ARRAY[{texts}]::text[]) WITH ORDINALITY AS given(v, n)"
