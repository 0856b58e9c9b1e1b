"""Databases that hold tables and no record of any migration: migrate points to adopt.

A deployment of one stage may try: if it meets what is there already, it is rolled
back, and ``advise`` says what to do. One of several stages would have committed some
of them by then, so ``refuse`` looks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import HistoryError, SqlpairError, StatementError
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses


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
        if not recorded(statuses[name]) and has_tables(session)
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
    if status is None or recorded(status):
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
    if recorded(status):
        return False
    with reading(status.branch.database, report) as session:
        return session is not None and has_tables(session)


def recorded(status: BranchStatus) -> bool:
    return bool(status.records.revisions) or status.records.has_ledger


def has_tables(session: Session) -> bool:
    with session.snapshot():
        return any(key.kind == "table" for key in session.schema())
