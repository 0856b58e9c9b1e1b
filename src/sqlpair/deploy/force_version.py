"""Setting the version by hand: ledger, version table and ``.env``, and no SQL runs.

For a database whose tables are right and whose bookkeeping is not. Anyone who forces a
version vouches for the tables; the ledger keeps ``force`` as the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.deploy import deployment, record
from sqlpair.deploy.targets import refuse_unknown
from sqlpair.ledger.position import claimed, refuse_ahead
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome
from sqlpair.runner.survey import survey


class VersionChange(NamedTuple):
    """What forcing writes to one database.

    ``before`` is what its version table says, ``recorded`` and ``forgotten`` are the
    ledger rows that come and go.
    """

    database: str
    before: tuple[str, ...]
    after: str
    recorded: tuple[str, ...]
    forgotten: tuple[str, ...]


def preview(
    settings: Settings, number: int, report: Report
) -> tuple[VersionChange, ...]:
    """Say what ``force`` would write. Creates nothing; a refusal is logged."""
    with deployment.refusals_logged(settings, report), ExitStack() as resources:
        statuses = survey(branches(settings), report, resources, locate=claimed)
        refuse_unknown(number, statuses)
        _refuse_ahead(statuses)
        return tuple(_change(status, number) for status in statuses.values())


def force(settings: Settings, number: int, report: Report) -> Outcome:
    """Let every database say that it is at version ``number``."""

    def targets(statuses: BranchStatuses) -> Mapping[str, int]:
        refuse_unknown(number, statuses)
        _refuse_ahead(statuses)
        return {name: status.branch.at(number) for name, status in statuses.items()}

    return record.stamp(settings, targets, report, method="force", purge=True)


def _refuse_ahead(statuses: BranchStatuses) -> None:
    for status in statuses.values():
        refuse_ahead(status.branch, status.records)


def _change(status: BranchStatus, number: int) -> VersionChange:
    kept = status.branch.migrations[: status.branch.at(number)]
    known = {row.number for row in status.records.applied}
    numbers = {item.number for item in kept}
    return VersionChange(
        status.branch.name,
        status.records.revisions,
        kept[-1].revision if kept else "base",
        tuple(item.stem for item in kept if item.number not in known),
        tuple(row.stem for row in status.records.applied if row.number not in numbers),
    )
