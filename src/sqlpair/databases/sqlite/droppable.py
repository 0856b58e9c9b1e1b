"""What a repeatable file may make, as statements that drop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.quoting import identifier, quote
from sqlpair.databases.sqlite.catalog import MASTER, shadows
from sqlpair.databases.sqlite.schema_sql import header_sql
from sqlpair.databases.sqlite.tokens import fold

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession


def droppable(session: SQLiteSession, *, everything: bool = False) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    kinds, left_out = "'view', 'trigger'", set()
    own = ", ".join(map(quote, session.table.names))
    if everything:  # triggers go with their tables, and what a virtual one keeps
        kinds = "'view', 'table'"
        left_out = shadows(session.raw.execute(MASTER).fetchall())
    rows = session.rows(
        f"SELECT type, name FROM main.sqlite_master WHERE type IN ({kinds})"
        f" AND name NOT IN ({own}) AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " ORDER BY type DESC, rowid DESC"
    )
    drops = [
        f"DROP {row['type'].upper()} IF EXISTS main.{identifier(row['name'])};"
        for row in rows
        if fold(row["name"]) not in left_out
    ]
    return [*drops, *header_sql(session, "0")] if everything else drops
