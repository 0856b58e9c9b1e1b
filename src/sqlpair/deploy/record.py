"""Write bookkeeping only: no SQL file runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Report
from sqlpair.deploy.deployment import finish_restores, refusals_logged
from sqlpair.ledger import squashed, tables, write_sql
from sqlpair.ledger.position import claimed, current, foreign, known_position
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.runner import applied_files, revision_modules
from sqlpair.runner.steps import (
    BranchStatus,
    Outcome,
    Step,
    Targets,
    Writing,
)
from sqlpair.runner.survey import survey


def stamp(
    settings: Settings, targets: Targets, report: Report, *, method: str, purge: bool
) -> Outcome:
    """Let version table and ledger say what ``targets`` says; run no SQL file.

    With ``purge``, also where the version table names no revision of this checkout.
    """

    def locate(branch: Branch, state: tables.Records) -> int:
        if not purge:
            for revision in state.revisions:
                known_position(branch, revision)
        return claimed(branch, state)

    return record_only(
        settings, targets, _stamped, report, method=method, locate=locate
    )


def record_only(
    settings: Settings,
    targets: Targets,
    writing: Writing,
    report: Report,
    *,
    method: str,
    locate: Callable[[Branch, tables.Records], int] = current,
) -> Outcome:
    """Write bookkeeping to the databases that ``targets`` names; nothing moves.

    ``locate`` says where on its branch a database is, by its records.
    """
    from sqlpair.deploy.run import Deployment
    from sqlpair.deploy.stage import DeploymentOptions

    with ExitStack() as resources:
        with refusals_logged(settings, report):
            finish_restores(settings, report)
            known = branches(settings)
            for branch in known:  # recorded is what Alembic finds, too
                revision_modules.load(
                    [Step(branch, item, upgrade=True) for item in branch.migrations]
                )
            statuses = survey(known, report, resources, locate=locate)
        options = DeploymentOptions(report)
        with Deployment(settings, statuses, targets, options, locate=locate) as run:
            return run.record(writing, method)


def _stamped(
    status: BranchStatus, table: BookkeepingSQL, entry: write_sql.Entry
) -> str:
    """Record that every migration up to its position is applied."""
    kept = applied_files.present_up_to(status.branch, status.position)
    theirs = foreign(status.branch, status.records)
    forgotten = squashed.forgotten(status.branch, table) if kept else ""
    return forgotten + write_sql.stamped(table, kept, entry, theirs)
