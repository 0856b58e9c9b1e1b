"""A database that is not there, or is empty, while the others have a history.

In development it is made. Elsewhere it is a mistyped address, or a disk that is not
mounted, far more often than a new database: it is made only where a person says so.
"""

from __future__ import annotations

from collections.abc import Container

from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report
from sqlpair.deploy.unrecorded import has_tables, recorded
from sqlpair.errors import HistoryError
from sqlpair.project.database import DEVELOPMENT, Database
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatuses


def refuse(
    settings: Settings, statuses: BranchStatuses, names: Container[str], report: Report
) -> None:
    """Raise HistoryError for the first such database of ``names``. Creates nothing."""
    there = [f"{n} is at {p.head}" for n, p in statuses.items() if recorded(p)]
    if settings.environment == DEVELOPMENT or not there:
        return
    for name, status in statuses.items():
        # Where there is no file to run, nothing is made, and nothing is missing.
        if name not in names or recorded(status) or not status.branch.files:
            continue
        database = status.branch.database
        if evidence := _absence(database, report):
            raise HistoryError(
                f"{name}: there is no database, though this project has a history",
                [evidence, *there],
                f"Correct {database.variable}, in the environment or in"
                f" {settings.env_file.name}.\n"
                "If it is to be made: sqlpair migrate --create, or alembic"
                " -x create=true upgrade heads",
            )


def _absence(database: Database, report: Report) -> str:
    with reading(database, report) as session:
        if session is None:
            return f"{database.address} is not there"
        empty = not has_tables(session)
    return f"what {database.variable} names holds no table" if empty else ""
