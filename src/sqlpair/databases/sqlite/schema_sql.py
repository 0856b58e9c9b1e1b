"""The schema of a SQLite database as SQL, for a person to read in a diff.

Its own CREATE statements as it keeps them: each table with its indexes and triggers,
then each view with its triggers, by name. Last, what they set in the file's header.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sqlpair.databases.sqlite.catalog import MASTER, pragmas, shadows
from sqlpair.databases.sqlite.tokens import fold

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession

_ORDER = ("table", "view", "index", "trigger")


def schema_sql(session: SQLiteSession) -> list[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    master = session.raw.execute(MASTER).fetchall()
    left_out = {*session.table.names, *shadows(master)}
    kinds = {fold(name): kind for kind, name, _, _ in master}
    found = [
        ((kinds[fold(owner)] == "view", fold(owner), _ORDER.index(kind), name), sql)
        for kind, name, owner, sql in master
        if fold(owner) not in left_out
    ]
    # A file checked out on Windows makes the same.
    made = [_ended(sql.strip().replace("\r\n", "\n")) for _, sql in sorted(found)]
    return [*made, *header_sql(session)]


def header_sql(session: SQLiteSession, value: str = "") -> list[str]:
    """Return what sets what is set in the header, to ``value`` if there is one."""
    return [
        f"PRAGMA {key.name} = {value or described.attributes['value']};"
        for key, described in pragmas(session.fetch).items()
        if described.attributes["value"] != "0"
    ]


def _ended(statement: str) -> str:
    # What it keeps of one may end with a comment, which would swallow the semicolon.
    ended = f"{statement};"
    return ended if sqlite3.complete_statement(ended) else f"{statement}\n;"
