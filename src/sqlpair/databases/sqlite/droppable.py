"""What a repeatable file may make, as statements that drop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.quoting import identifier, quote

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session


def droppable(session: Session, *, everything: bool = False) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    kinds = "'view', 'trigger'"
    own = ", ".join(map(quote, session.table.names))
    if everything:  # triggers go with their tables
        kinds = "'view', 'table'"
    rows = session.rows(
        f"SELECT type, name FROM main.sqlite_master WHERE type IN ({kinds})"
        f" AND name NOT IN ({own}) AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " ORDER BY type DESC, rowid DESC"
    )
    return [
        f"DROP {row['type'].upper()} IF EXISTS main.{identifier(row['name'])};"
        for row in rows
    ]
