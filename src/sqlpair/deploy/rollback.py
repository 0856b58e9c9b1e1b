"""Undoing the last deployment, whichever databases it touched, and nothing else.

``alembic downgrade -1`` is one step back on each database, no matter who made the last
steps. A rollback asks the ledgers instead: deployment ids sort by time, so the
newest one over all databases is the last deployment, and its rows are what goes.

Only what ran can be undone like that. A stamp, a forced version or a replayed
``--sql`` script says that something is applied, not what was done last: then the
person says how far to go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlpair import ids
from sqlpair.databases.interface import Report
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import refuse_unknown
from sqlpair.errors import HistoryError
from sqlpair.ledger.tables import Applied
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome, Targets

_HOW = {"stamp": "stamped", "force": "forced", "adopt": "adopted", "squash": "squashed"}
RAN = "upgrade"  # the method of a row whose SQL was run
NAME_IT = "Say how far to go back: sqlpair rollback --to N"


def rollback(
    settings: Settings,
    report: Report,
    to: int | None = None,
    *,
    allow_data_loss: bool = False,
) -> Outcome:
    """Undo the last deployment, or all above version ``to``.

    HistoryError, with nothing changed, when there is nothing to undo or when the
    ledgers do not tell what was done last; DataLossError when rows or values would go.
    """
    return deployment.deploy(
        settings, targets_of(to), report, allow_data_loss=allow_data_loss
    )


def targets_of(to: int | None) -> Targets:
    """Return where a rollback wants the databases."""
    return LastDeployment() if to is None else Down(to)


class Down:
    """Each database at its last migration numbered ``number`` or lower."""

    def __init__(self, number: int):
        self.number = number

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the positions; UsageError when no migration has that number."""
        refuse_unknown(self.number, statuses)
        targets = {
            name: min(status.position, status.branch.at(self.number))
            for name, status in _with_ledger(statuses)
        }
        missing = [
            f"{name} is at {status.head}"
            for name, status in statuses.items()
            if status.position < status.branch.at(self.number)
        ]
        moves = any(
            statuses[name].position != target for name, target in targets.items()
        )
        if missing and not moves:
            raise HistoryError(
                f"version {self.number} lies above, and a rollback goes down",
                missing,
                f"To go up: sqlpair migrate --to {self.number}. Nothing was changed.",
            )
        return targets


class LastDeployment:
    """Each database as it was before the last deployment."""

    def __init__(self) -> None:
        self.undoes = ""

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the positions. Called again under the locks, it means the same one."""
        last = _last(statuses)
        if self.undoes and last != self.undoes:
            raise HistoryError(
                "another deployment ended while this one waited for its locks",
                [f"the last one was {self.undoes}, now it is {last}"],
                "Look at it with sqlpair status. Nothing was changed.",
            )
        self.undoes = last
        return {name: _before(last, status) for name, status in _with_ledger(statuses)}


def _with_ledger(statuses: BranchStatuses) -> Iterator[tuple[str, BranchStatus]]:
    # All of them, so that all are locked and read again: a deployment that ended
    # between the first reads must not be undone in one database only.
    return ((name, p) for name, p in statuses.items() if p.records.has_ledger)


def _last(statuses: BranchStatuses) -> str:
    """Return the id of the last deployment."""
    rows = [(name, row) for name, p in statuses.items() for row in p.records.applied]
    repeated = [row for p in statuses.values() for row in p.records.repeated]
    if not rows and not repeated:
        raise HistoryError(
            "nothing is applied, so there is nothing to roll back",
            [f"{name} is at base" for name in statuses],
        )
    known = [row.deployment for _, row in rows] + [row.deployment for row in repeated]
    last = max((name for name in known if ids.ID.fullmatch(name)), default="")
    began = ids.began(last) if last else ""
    untold = [
        f"{name} {row.stem}: {_how(row)} on {row.applied_at[:19]}"
        for name, row in rows
        if (row.method != RAN or not ids.ID.fullmatch(row.deployment))
        and (row.deployment == last or row.applied_at >= began)
    ]
    if untold:
        raise HistoryError(
            "the ledger does not tell what was done last: not all of it was run here",
            untold,
            NAME_IT + ". Nothing was changed.",
        )
    return last


def _how(row: Applied) -> str:
    if row.method == RAN:
        offline = row.deployment == "offline"
        return "replayed from a script" if offline else f"run by {row.deployment}"
    return _HOW.get(row.method, "recorded by another program")


def _before(identifier: str, status: BranchStatus) -> int:
    """Return the position before deployment ``identifier``.

    HistoryError when migrations that another deployment applied lie above its own.
    """
    rows = status.records.applied
    own = [i for i, row in enumerate(rows) if row.deployment == identifier]
    if not own:
        # Not status.position: where an interrupted deployment was to take it is not
        # where to go when that deployment is what is undone.
        return len(rows)
    above = [row for row in rows[own[0] :] if row.deployment != identifier]
    if above:
        raise HistoryError(
            f"{status.branch.name}: migrations lie above what the last deployment did",
            [
                f"{identifier} applied {rows[own[0]].stem}",
                *(f"above it: {row.stem}, {_how(row)}" for row in above),
            ],
            NAME_IT + ". Nothing was changed.",
        )
    return own[0]
