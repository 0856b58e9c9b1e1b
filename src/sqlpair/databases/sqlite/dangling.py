"""Foreign keys of a SQLite database that refer to nothing.

SQLite lets a key name a table that is not there, and columns that are not unique: it
says so when a row is written. Rows that break a key come from a time when foreign keys
were off, which they are by default.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from sqlpair.databases.interface import Dangling
from sqlpair.databases.quoting import quote
from sqlpair.databases.sqlite.tokens import fold, identifier

Fetch = Callable[[str], list[tuple[Any, ...]]]

SHOWN = 5  # rows
_KEYS = """
SELECT DISTINCT m.name, p."table" FROM main.sqlite_master m
JOIN pragma_foreign_key_list(m.name, 'main') p WHERE m.type = 'table'
"""
_TABLES = "SELECT name, type FROM main.sqlite_master WHERE type IN ('table', 'view')"


def dangling(fetch: Fetch) -> Iterator[Dangling]:
    """The keys, by table."""
    kinds = {fold(name): kind for name, kind in fetch(_TABLES)}
    broken: dict[str, list[str]] = {}
    for table, parent in sorted(fetch(_KEYS)):
        kind = kinds.get(fold(parent))
        if kind != "table":
            why = "which is a view" if kind else "which does not exist"
            yield Dangling(identifier(table), identifier(parent), why=why)
        broken.setdefault(table, [])
        if kind != "table":
            broken[table].append(fold(parent))
    for table, missing in broken.items():
        yield from _rows(fetch, table, missing)


def _rows(fetch: Fetch, table: str, missing: list[str]) -> Iterator[Dangling]:
    # By table: one key that does not match any ends the check of all.
    try:
        found = fetch(f"PRAGMA main.foreign_key_check({quote(table)})")
    except sqlite3.OperationalError as error:
        if "foreign key mismatch" not in str(error):
            raise
        parent = str(error).rpartition("referencing ")[2].strip('"')
        why = "whose columns are not a primary key or unique"
        yield Dangling(identifier(table), identifier(parent), why=why)
        return
    by_parent: dict[str, list[str]] = {}
    for _, rowid, parent, _ in found:
        row = "a row without rowid" if rowid is None else f"rowid {rowid}"
        by_parent.setdefault(parent, []).append(row)
    for parent, rows in by_parent.items():
        if fold(parent) not in missing:
            yield Dangling(
                identifier(table), identifier(parent), len(rows), tuple(rows[:SHOWN])
            )
