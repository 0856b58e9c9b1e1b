"""Databases that hold no record of any migration: no tables either, or some.

One that is not there, or is empty, while the others have a history, is made in
development. Elsewhere it is a mistyped address, or a disk that is not mounted, far more
often than a new database: it is made only where a person says so.

For one that holds tables, migrate points to adopt. A deployment of one stage may try:
if it meets what is there already, it is rolled back, and ``advise`` says what to do.
One of several stages would have committed some of them by then, so ``refuse`` looks
first.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress

from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import HistoryError, SqlpairError, StatementError
from sqlpair.project.database import DEVELOPMENT, Database
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses


def refuse_absent(
    settings: Settings, statuses: BranchStatuses, names: Container[str], report: Report
) -> None:
    """Raise HistoryError for the first such database of ``names``. Creates nothing."""
    there = [f"{n} is at {p.head}" for n, p in statuses.items() if p.records.exist]
    if settings.environment == DEVELOPMENT or not there:
        return
    for name, status in statuses.items():
        # Where there is no file to run, nothing is made, and nothing is missing.
        if name not in names or status.records.exist or not status.branch.files:
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


def refuse(
    settings: Settings,
    statuses: BranchStatuses,
    sessions: Mapping[str, Session],
    report: Report,
) -> None:
    """Raise HistoryError where one of them holds what migrations make.

    Tables of which no migration knows are in nobody's way. What the first migration
    alone makes is left to it: it may be a baseline, and else it is the first to fail.
    """
    names = [
        name
        for name, session in sessions.items()
        if not statuses[name].records.exist and has_tables(session)
    ]
    if not names:
        return
    from sqlpair.verify.recognise import Recognised, examine, refuse_unlike

    found = examine(settings, report, names)
    refuse_unlike(found)
    for item in found:
        if isinstance(item, Recognised) and item.positions[0] > 1:
            raise HistoryError(
                f"{item.branch.name}: it holds tables, and no record of any migration",
                [f"it is {' or '.join(item.heads)}"],
                f"Record that first: sqlpair adopt {item.branch.name}\n"
                "Nothing was changed.",
            )


def advise(
    error: StatementError, statuses: BranchStatuses, sessions: Mapping[str, Session]
) -> None:
    """Say it where a statement met what is there already."""
    status = statuses.get(error.clash)
    if status is None or status.records.exist:
        return
    with suppress(SqlpairError):
        if has_tables(sessions[error.clash]):
            error.add(f"{error.clash} held tables before, and no record of a migration")
            error.remedy = (
                f"Find out which version it is, and record that: sqlpair adopt"
                f" {error.clash}"
            )


def holds_tables(status: BranchStatus, report: Report) -> bool:
    """Say whether it has tables and no record of a migration; connects to ask."""
    if status.records.exist:
        return False
    with reading(status.branch.database, report) as session:
        return session is not None and has_tables(session)


def has_tables(session: Session) -> bool:
    with session.snapshot():
        return any(key.kind == "table" for key in session.schema())
