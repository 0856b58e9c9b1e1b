"""A mark that differs once SQLite's schema was changed: its schema cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession


def schema_mark(
    session: SQLiteSession,
    *,
    transactional: bool,  # noqa: ARG001
) -> str:
    """See ``sqlpair.databases.interface.Driver``; the same within and without."""
    (row,) = session.rows("PRAGMA main.schema_version")
    return str(row["schema_version"])
