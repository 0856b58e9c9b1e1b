"""Rolling back with the rollbacks that the ledger keeps.

For a checkout that was reverted while the databases were not: the files of what is to
be undone are gone with it. What is applied is on its branch here, whether there is a
file or not, and runs the rollback that was recorded when it was applied. All else is
as in any rollback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from sqlpair.databases.driver import driver_of, reading
from sqlpair.databases.interface import Report
from sqlpair.deploy import deployment
from sqlpair.deploy.rollback import targets_of
from sqlpair.errors import HistoryError
from sqlpair.ledger import tables
from sqlpair.ledger.applied_files import expanded
from sqlpair.ledger.position import claimed, current
from sqlpair.project import sql_file
from sqlpair.project.branches import branches
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Settings
from sqlpair.runner import repeatable
from sqlpair.runner.migration import Ready, of_pair
from sqlpair.runner.repeatable import ReadyRepeat, Repeat
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome, Step, plan
from sqlpair.runner.survey import survey


class RecordedRollback(NamedTuple):
    """What runs, newest first, and where the databases were and will be.

    ``repeats`` are the repeatable files whose earlier text runs, ``undoes`` is the
    deployment that is undone, if it is one.
    """

    steps: tuple[Ready, ...]
    statuses: BranchStatuses
    goals: Mapping[str, int]
    repeats: tuple[ReadyRepeat, ...]
    undoes: str


def read(settings: Settings, report: Report, to: int | None = None) -> RecordedRollback:
    """Read what undoes the last deployment, or all above version ``to``.

    Creates nothing. HistoryError names what has no rollback in the ledger.
    """
    with deployment.refusals_logged(settings, report), ExitStack() as resources:
        known = branches(settings)
        found = survey(known, report, resources, locate=claimed)
        statuses = {name: _as_applied(status) for name, status in found.items()}
        targets = targets_of(to)
        goals = targets(statuses)
        steps = plan(statuses, goals)
        texts = {
            name: _recorded(statuses[name], steps, report)
            for name in dict.fromkeys(step.branch.name for step in steps)
        }
        ready = tuple(_ready(step, texts[step.branch.name]) for step in steps)
        repeats = _texts(repeatable.plan(statuses, goals, targets), report)
        undoes = getattr(targets, "undoes", "")
        return RecordedRollback(ready, statuses, goals, repeats, undoes)


def rollback(
    settings: Settings,
    shown: RecordedRollback,
    report: Report,
    *,
    allow_data_loss: bool = False,
) -> Outcome:
    """Run what a person was shown, in one deployment.

    HistoryError where the ledgers say something else by now.
    """
    from sqlpair.deploy.run import Deployment
    from sqlpair.deploy.stage import DeploymentOptions

    if not shown.steps and not shown.repeats:
        return Outcome("", (), shown.statuses)
    with deployment.refusals_logged(settings, report):
        deployment.finish_restores(settings, report)
    work = DeploymentOptions(
        report, allow_data_loss, settings.backups.first, recorded=shown.steps
    )
    with Deployment(settings, shown.statuses, AsShown(shown), work) as run:
        return run.migrate()


class AsShown:
    """The positions that a person was shown."""

    def __init__(self, shown: RecordedRollback):
        self._shown = shown
        self.undoes = shown.undoes

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return them; HistoryError where the ledgers say something else by now."""
        for name, status in self._shown.statuses.items():
            now = statuses[name].records
            if (now.applied, now.repeated) != (
                status.records.applied,
                status.records.repeated,
            ):
                raise HistoryError(
                    f"{name}: the ledger changed after its rollbacks were shown",
                    remedy="Run it again. Nothing was changed.",
                )
        return self._shown.goals


def _as_applied(status: BranchStatus) -> BranchStatus:
    """Return the status with a branch that holds whatever is applied."""
    branch, state = status.branch, status.records
    known = {item.number for item in branch.migrations}
    gone = (
        Migration(branch.name, row.number, row.stem, branch.database.sql)
        for row in state.applied
        if row.number not in known
    )
    branch = branch._replace(migrations=tuple(sorted((*branch.migrations, *gone))))
    return status._replace(branch=branch, position=current(branch, state))


def _texts(repeats: Sequence[Repeat], report: Report) -> tuple[ReadyRepeat, ...]:
    """Read what runs again of repeatable files."""
    known = {one.step.branch.name: one.step.branch.database for one in repeats}
    with ExitStack() as resources:
        sessions = {}
        for name, database in known.items():
            session = resources.enter_context(reading(database, report))
            assert session is not None  # its ledger was read
            sessions[name] = session
        return repeatable.read(repeats, (), sessions)


def _recorded(
    status: BranchStatus, steps: Sequence[Step], report: Report
) -> Mapping[int, bytes]:
    """Return the rollbacks of one database's steps, by number."""
    name, database = status.branch.name, status.branch.database
    numbers = {s.migration.number for s in steps if s.branch.name == name}
    rows = [row for row in status.records.applied if row.number in numbers]
    with reading(database, report) as session:
        assert session is not None  # its ledger was read
        with session.snapshot():
            kept = tables.rollbacks(session, sorted(numbers))
    if missing := [row for row in rows if row.number not in kept]:
        raise HistoryError(
            f"{name} {missing[-1].stem}: the ledger holds no rollback of it",
            [
                f"{row.stem}: applied on {row.applied_at[:10]} by {row.applied_by}"
                for row in missing
            ],
            "It was applied without a rollback file, by an older version or by another"
            "\nprogram, or its revision module does more than run its SQL files."
            "\nUse the checkout that has them: sqlpair rollback. Nothing was changed.",
        )
    return dict(_expanded(name, rows, kept))


def _expanded(
    name: str, rows: Sequence[tables.Applied], kept: Mapping[int, str]
) -> Iterator[tuple[int, bytes]]:
    for row in rows:
        try:
            data = expanded(kept[row.number])
        except ValueError:
            data = b""
        if sql_file.checksum(data) != row.rollback_checksum:
            raise HistoryError(
                f"{name} {row.stem}: the rollback in the ledger is not the one that"
                " was recorded",
                [f"its checksum is not {row.rollback_checksum[:12]}"],
                "Use the checkout that has its file: sqlpair rollback. Nothing was"
                " changed.",
            )
        yield row.number, data


def _ready(step: Step, texts: Mapping[int, bytes]) -> Ready:
    item = step.migration
    file = sql_file.parse(
        texts[item.number], item.down, driver_of(step.branch.database).split
    )
    return of_pair(step, file)
