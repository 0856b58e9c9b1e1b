"""Write bookkeeping only: no SQL file runs."""

from __future__ import annotations

from contextlib import ExitStack

from sqlpair.databases.interface import Report, Table
from sqlpair.deploy.deployment import _settle_restores, refusals_logged
from sqlpair.deploy.survey import survey
from sqlpair.ledger import tables, write_sql
from sqlpair.ledger.position import current
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import (
    Outcome,
    Place,
    Targets,
    Writing,
)


def stamp(
    settings: Settings, targets: Targets, report: Report, *, method: str, purge: bool
) -> Outcome:
    """Let version table and ledger say what ``targets`` says; run no SQL file.

    With ``purge``, also where the version table names no revision of this checkout.
    """

    def locate(branch: Branch, state: tables.State) -> int:
        known = [branch.position(name) for name in state.revisions]
        if None in known and not purge:
            current(branch, state)  # says so
        return max((position or 0 for position in known), default=0)

    from sqlpair.deploy.run import Run

    with ExitStack() as resources:
        with refusals_logged(settings):
            _settle_restores(settings, report)
            known = branches(settings)
            places = survey(known, report, resources, locate=locate)
        with Run(settings, known, report, locate=locate) as run:
            run.hold(places, targets)
            goals = targets(run.places)

            def writing(place: Place, table: Table, entry: write_sql.Entry) -> str:
                kept = [
                    (item, sql_file.checksum(item.up.read_bytes()))
                    for item in place.branch.migrations[: goals[place.branch.name]]
                ]
                return write_sql.stamped(table, kept, entry)

            return run.record(goals, writing, method)


def record_only(
    settings: Settings,
    targets: Targets,
    writing: Writing,
    report: Report,
    *,
    method: str,
) -> Outcome:
    """Write bookkeeping to the databases that ``targets`` names; nothing moves."""
    from sqlpair.deploy.run import Run

    with ExitStack() as resources:
        with refusals_logged(settings):
            _settle_restores(settings, report)
            known = branches(settings)
            places = survey(known, report, resources)
        with Run(settings, known, report) as run:
            run.hold(places, targets)
            return run.record(targets(run.places), writing, method)
