"""The ledger of repeatable files: every text that ran, and at which version.

A row is a run. The last row of a name is what the database has of that file; those
after it were undone by a rollback, which deletes them. A row without a checksum says
that the file was gone from then on. ``text`` is what ran, and ``undo`` what drops what
was not there before. Made with the first repeatable file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Session

COLUMNS = (
    "id",
    "name",
    "version",
    "checksum",
    "text",
    "undo",
    "applied_at",
    "deployment",
)


class Repeated(NamedTuple):
    """One row, of which these columns are read.

    ``version`` is that of the migrations that were applied.
    """

    id: int
    name: str
    version: int
    checksum: str
    applied_at: str
    deployment: str
    applied_by: str
    milliseconds: int | None


def latest(rows: Iterable[Repeated]) -> dict[str, Repeated]:
    """Return the last row of each name, in the order of the names."""
    return dict(sorted({row.name: row for row in rows}.items()))


def read(rows: Iterable[Mapping[str, str | None]]) -> tuple[Repeated, ...]:
    """Return ``rows`` as what they say, oldest first."""
    found = (
        Repeated(
            int(row["id"] or 0),
            row["name"] or "",
            int(row["version"] or 0),
            row["checksum"] or "",
            row["applied_at"] or "",
            row["deployment"] or "",
            row["applied_by"] or "",
            int(row["milliseconds"]) if row["milliseconds"] else None,
        )
        for row in rows
    )
    return tuple(sorted(found))


def texts(session: Session, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return text and undo of rows as the ledger keeps them, by id."""
    wanted = ", ".join(map(str, ids))
    if not wanted:
        return {}
    found = session.rows(
        f"SELECT id, text, undo FROM {session.table.repeatable} WHERE id IN ({wanted})"
    )
    return {row["id"]: (row["text"] or "", row["undo"] or "") for row in found}


def table(table: BookkeepingSQL) -> str:
    """Return the SQL that makes the table where it is missing."""
    return (
        f"CREATE TABLE IF NOT EXISTS {table.repeatable}"
        f" (id {table.key} PRIMARY KEY, name varchar(255) NOT NULL,"
        " version integer NOT NULL, checksum varchar(64) NOT NULL, text text,"
        f" undo text, applied_at {table.timestamp} NOT NULL DEFAULT ({table.now}),"
        " deployment varchar(64) NOT NULL, applied_by varchar(255),"
        " milliseconds integer);\n"
    )
