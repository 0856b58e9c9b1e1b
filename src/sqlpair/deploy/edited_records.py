"""A file that speaks of the tables that record which migrations are applied.

It may read them, as a script that goes by what was applied before it. It may not
change what they say: the version would be another one than the databases are at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlpair.errors import HistoryError
from sqlpair.ledger import tables

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session
    from sqlpair.ledger.tables import Records
    from sqlpair.project.sql_file import SqlFile
    from sqlpair.runner.steps import Step


def names_records(file: SqlFile, session: Session) -> bool:
    """Say whether a file names one of the tables."""
    return any(name in file.text for name in session.table.names)


def refuse_edited(step: Step, before: Records, session: Session) -> None:
    """Raise HistoryError where ``step`` changed what is applied.

    Where it dropped or replaced a table, what looks for lost rows comes first, and
    what writes the records fails.
    """
    try:
        now = tables.read(session)
    except HistoryError:
        return
    was, is_ = (
        ([row.number for row in found.applied], found.revisions)
        for found in (before, now)
    )
    if now.has_ledger and was != is_:
        raise HistoryError(
            f"{step}: the file changes what records which migrations are applied",
            remedy="Take that out: a rollback undoes a migration, and sqlpair"
            " force-version sets\nthe version without running one.",
        )
