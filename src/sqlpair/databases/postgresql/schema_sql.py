"""The schema of a PostgreSQL database as SQL, for a person to read in a diff.

``pg_dump`` writes it, for it alone knows the order in which a schema loads. Left out
is what it writes beside the statements (comments, versions, a key that changes every
time), settings that make no schema, and what only some versions write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.postgresql.clone import dumped
from sqlpair.databases.postgresql.split import split
from sqlpair.databases.postgresql.viewdef import unqualified
from sqlpair.databases.quoting import quote

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

_OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-security-labels",
)
# psql takes nothing but SQL in between; from 2025's minor versions on.
_RESTRICT = re.compile(r"\A(?:--[^\n]*\n|\n)*\\restrict (\w+)\n")
_NO_PATH = "SELECT pg_catalog.set_config('search_path', '', false);"
_HEAP = "SET default_table_access_method = heap;"
# Settings of who loads it, not each known to every version; what comes along with an
# extension.
_NO_SCHEMA = re.compile(
    r"COMMENT ON EXTENSION |SET (?:statement_timeout|lock_timeout"
    r"|idle_in_transaction_session_timeout|transaction_timeout|client_min_messages"
    r"|row_security|default_tablespace)\b"
)
# What newer servers note in a column's options (pg_attver, seen in 15.20) is another
# number in each database; a pg_dump that is older than its server writes it.
_COLUMN_OPTIONS = re.compile(
    r"(ALTER (?:FOREIGN )?TABLE .* ALTER COLUMN .* SET) \((.*)\);"
)
_NOTED = re.compile(r"(?:, )?pg_\w+=\d+")
_ORDER = "\n  ORDER BY "
# It leaves the version to the server that loads it.
_PINNED = """
SELECT quote_ident(e.extname), e.extversion FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_available_extensions() a ON a.name = e.extname
WHERE e.extversion <> a.default_version
"""
_VIEW = re.compile(r"CREATE (?:OR REPLACE )?(?:MATERIALIZED )?VIEW ")
# From 18 on, the server names what was not named.
_NAMED_NOT_NULL = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*")"""
    r"""|CONSTRAINT (?:\w+_not_null\d*|"(?:[^"]|"")*_not_null\d*") (?=NOT NULL)"""
)


def schema_sql(session: PostgreSQLSession) -> list[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    own = [name for table in session.table.names for name in (table, f"{table}_id_seq")]
    excluded = [f"--exclude-table={session.table.prefix}{name}" for name in own]
    text = dumped(session, *_OPTIONS, *excluded, newest=True).replace("\r\n", "\n")
    if restricted := _RESTRICT.match(text):
        text = text[restricted.end() :].replace(f"\\unrestrict {restricted[1]}\n", "")
    statements = [_plain(statement.text) for statement in split(text)]
    for name, version in session.fetch(_PINNED):
        created = f"CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA "
        statements = [
            f"{item[:-1]} VERSION {quote(version)};"
            if item.startswith(created)
            else item
            for item in statements
        ]
    return _without_noise(statements)


def _without_noise(statements: Sequence[str]) -> list[str]:
    # Where one table is not a heap, the others are only with this.
    heap = {s for s in statements if s.startswith(_HEAP.partition("=")[0])} <= {_HEAP}
    return [
        statement
        for statement in statements
        if statement
        and not _NO_SCHEMA.match(statement)
        and not (heap and statement == _HEAP)
    ]


def _plain(statement: str) -> str:
    """Write it as every version does."""
    if _VIEW.match(statement):
        name, divider, query = statement.partition(" AS\n")
        return name + divider + _unqualified(query)
    if statement == _NO_PATH:
        return "SET search_path = '';"
    if statement.startswith("CREATE TABLE "):
        return _NAMED_NOT_NULL.sub(lambda found: found[1] or "", statement)
    if options := _COLUMN_OPTIONS.fullmatch(statement):
        left = _NOTED.sub("", options[2]).removeprefix(", ")
        return f"{options[1]} ({left});" if left else ""
    return statement


def _unqualified(query: str) -> str:
    """Leave the table's name out, unless ORDER BY would then mean another column."""
    plain = unqualified(query)
    _, divider, order = query.rpartition(_ORDER)
    results = re.findall(r" AS (\S+?),?$", query, re.MULTILINE)
    if divider and any(f".{name}" in order for name in results):
        return plain.rpartition(_ORDER)[0] + divider + order
    return plain
