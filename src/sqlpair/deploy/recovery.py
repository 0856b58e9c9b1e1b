"""What an interrupted deployment left, and what a command means after it.

Where PostgreSQL prepares its transaction, ``two_phase.recover`` brings all databases to
one side. Where it cannot, a run may die between two databases'
commits. The history of those that committed then names one that did not, and where
it was to go.

A command such as ``downgrade -1`` counts from where the databases are. After either,
or after another run that it waited for, it would count from another position than the
person who typed it thought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError
from sqlpair.runner.steps import BranchStatuses, Targets, plan
from sqlpair.runner.unfinished import unfinished


def resume(
    statuses: BranchStatuses, targets: Targets, report: Report
) -> Mapping[str, int]:
    """Return where ``targets`` wants the databases, and say what that finishes.

    The same command again finishes what an interrupted one began, and goes no step
    further. HistoryError for another one that counts from where the databases are.
    """
    goals = targets(statuses)
    left = unfinished(statuses)
    if left is None:
        return goals
    report(str(left))
    finished = {
        name: status._replace(position=left.missing.get(name, status.position))
        for name, status in statuses.items()
    }
    if _means(targets, finished) == goals:
        return goals
    if {name: goals.get(name) for name in left.missing} == left.missing:
        report(f"finishing it on {' and '.join(left.missing)}, and nothing more")
        return left.missing
    raise HistoryError(
        "an interrupted deployment comes first: what was asked for counts from where"
        " the databases are",
        [str(left), *left.where(statuses)],
        f"Finish it first: {left.command(statuses)}\nNothing was changed.",
    )


def refuse_moved(
    before: BranchStatuses,
    after: BranchStatuses,
    targets: Targets,
    what: str,
    evidence: Sequence[str] = (),
) -> None:
    """HistoryError when what has moved the databases changed what ``targets`` means.

    ``what`` tells what that was.
    """
    moved = [name for name in after if after[name].position != before[name].position]
    if not moved:
        return
    meant, means = _means(targets, before), _means(targets, after)
    if means is not None and (meant == means or not plan(after, means)):
        return
    raise HistoryError(
        f"{what}: what was asked for counts from where the databases are",
        [
            *evidence,
            *(
                f"{name} is at {status.head}"
                + (f", and was at {before[name].head}" if name in moved else "")
                for name, status in after.items()
            ),
        ],
        "Nothing more was changed. If it is still wanted, run the command again.",
    )


def _means(targets: Targets, statuses: BranchStatuses) -> Mapping[str, int] | None:
    try:
        return targets(statuses)
    except HistoryError:
        return None
