"""What a repeatable file may make, as statements that drop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.interface import identifier

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session


def droppable(session: Session) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    rows = session.rows(
        "SELECT type, name FROM main.sqlite_master WHERE type IN ('view', 'trigger')"
        " ORDER BY rowid DESC"
    )
    return [
        f"DROP {row['type'].upper()} IF EXISTS main.{identifier(row['name'])};"
        for row in rows
    ]
