"""Running what is pending for real, and rolling it back.

Each database in its turn, under its deployment lock, all its pending migrations in one
transaction, so that a later one finds what an earlier one made. After each migration
its rollback is run too, in a savepoint, to see what it would lose. A database that is
not there yet is stood in for by a scratch one.

A ``-- no-transaction`` file cannot be undone, so it is not run; neither is what comes
after a migration that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from sqlpair.databases.driver import driver_of, reading
from sqlpair.databases.interface import Report, Session
from sqlpair.deploy.check import check
from sqlpair.deploy.targets import Destination
from sqlpair.deploy.unrecorded import refuse_absent
from sqlpair.errors import HistoryError
from sqlpair.ledger import tables, version
from sqlpair.ledger.position import current
from sqlpair.plan.report import DryRun, Held, StepResult
from sqlpair.plan.run import DatabaseDryRun
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner import repeatable, two_phase
from sqlpair.runner.steps import BranchStatus, plan
from sqlpair.runner.survey import survey
from sqlpair.verify.interrupted import interruptions


def dry_run(settings: Settings, report: Report) -> DryRun:
    """Run what is pending and roll it back; no database is changed or made."""
    known = branches(settings)
    version.refuse_unknown(settings, known)
    heads = Destination(("heads",), "upgrade", report)
    with ExitStack() as resources:
        with ExitStack() as reading:
            statuses = survey(known, report, reading)
        notes = _interrupted(settings, statuses, report)
        goals = heads(statuses)
        names = {step.branch.name for step in plan(statuses, goals)}
        names |= {
            repeat.step.branch.name
            for repeat in repeatable.plan(statuses, goals, heads)
        }
        refusals = _refusals(settings, statuses, names, report)
        sessions, absent = _sessions(statuses, names, report, resources)
        notes += refusals
        notes += [
            f"{name}: no database is there yet; this was a scratch one"
            for name in absent
        ]
        for name, session in sessions.items():
            statuses[name] = _status(statuses[name], session)
        goals = heads(statuses)
        repeats = repeatable.plan(statuses, goals, heads)
        notes += repeatable.told(repeats)
        steps = [
            *plan(statuses, goals),
            *(repeat.step for repeat in repeats if repeat.from_file),
        ]
        ready = check(statuses, steps, allow_data_loss=True)
        found: dict[str, StepResult] = {}
        held: list[Held] = []
        failed = bool(refusals)
        for name, session in sessions.items():
            own = [item for item in ready if item.step.branch.name == name]
            run = DatabaseDryRun(session, settings, report)
            run.steps(own)
            found |= {str(item.step): item for item in run.found}
            held += run.held()
            notes += run.notes
            failed = failed or run.failed
    ran = tuple(found[str(step)] for step in steps)
    return DryRun(ran, frozenset(absent), tuple(held), tuple(notes), failed)


def _interrupted(
    settings: Settings, statuses: Mapping[str, BranchStatus], report: Report
) -> list[str]:
    """Say what was interrupted; HistoryError where a transaction is in doubt."""
    problems = interruptions(settings, statuses, report)
    for problem in problems:
        if any(status.undecided for status in statuses.values()):
            raise HistoryError(
                problem.what, problem.evidence, f"{problem.remedy}\nNothing was run."
            )
    return ["\n  ".join([p.what, *p.evidence, p.remedy]) for p in problems]


def _refusals(
    settings: Settings,
    statuses: Mapping[str, BranchStatus],
    names: set[str],
    report: Report,
) -> list[str]:
    try:
        refuse_absent(settings, statuses, names, report)
    except HistoryError as error:
        return [f"sqlpair migrate refuses this: {error}"]
    return []


def _sessions(
    statuses: Mapping[str, BranchStatus],
    names: set[str],
    report: Report,
    resources: ExitStack,
) -> tuple[dict[str, Session], list[str]]:
    """Connect to the databases of ``names`` and lock them; say which are absent."""
    databases = [p.branch.database for name, p in statuses.items() if name in names]
    absent = []
    for database in databases:
        with reading(database, report) as session:
            if session is None:
                absent.append(database)
    there = [database for database in databases if database not in absent]
    sessions = two_phase.lock(there, report, resources)
    for database in absent:
        branch = statuses[database.name].branch
        files = [*branch.files, *(item.down for item in branch.migrations)]
        driver = driver_of(database)
        scratch = resources.enter_context(driver.scratch(database, files, report))
        scratch.lock(report)
        sessions[database.name] = scratch
    ordered = {name: sessions[name] for name in statuses if name in sessions}
    return ordered, [database.name for database in absent]


def _status(status: BranchStatus, session: Session) -> BranchStatus:
    state = tables.read(session)
    return status._replace(records=state, position=current(status.branch, state))
