"""What an interrupted deployment left, and what a command means after it.

Where PostgreSQL prepares its transaction, ``two_phase.recover`` brings all databases to
one side. Where it cannot, a run may die between two databases'
commits. The history of those that committed then names one that did not, and where
it was to go.

A command such as ``downgrade -1`` counts from where the databases are. After either,
or after another run that it waited for, it would count from another place than the
person who typed it thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError
from sqlpair.runner.steps import Places, Targets, plan
from sqlpair.runner.unfinished import unfinished
from sqlpair.verify.problem import Problem, ProblemKind


def in_doubt(places: Places) -> Iterator[Problem]:
    """Say what an interrupted deployment left undecided, or half done."""
    for name, place in places.items():
        for transaction in place.undecided:
            yield Problem(
                ProblemKind.VERSIONS,
                name,
                f"{name}: a transaction of an interrupted deployment is in doubt",
                (f"prepared, neither committed nor rolled back: {transaction}",),
                "What becomes of it the next run finds out: sqlpair migrate",
            )
    left = unfinished(places)
    if left is not None and not any(place.undecided for place in places.values()):
        yield Problem(
            ProblemKind.VERSIONS,
            "",
            str(left),
            remedy="Repeat the interrupted command, sqlpair migrate for example.",
        )


def resume(places: Places, targets: Targets, report: Report) -> Mapping[str, int]:
    """Return where ``targets`` wants the databases, and say what that finishes.

    The same command again finishes what an interrupted one began, and goes no step
    further. HistoryError for another one that counts from where the databases are.
    """
    goals = targets(places)
    left = unfinished(places)
    if left is None:
        return goals
    report(str(left))
    finished = {
        name: place._replace(position=left.missing.get(name, place.position))
        for name, place in places.items()
    }
    if _means(targets, finished) == goals:
        return goals
    if {name: goals.get(name) for name in left.missing} == left.missing:
        report(f"finishing it on {' and '.join(left.missing)}, and nothing more")
        return left.missing
    heads = {
        name: place._replace(position=left.missing[name]).head
        for name, place in places.items()
        if name in left.missing
    }
    raise HistoryError(
        "an interrupted deployment comes first: what was asked for counts from where"
        " the databases are",
        [str(left), *(f"{name} was to be at {head}" for name, head in heads.items())],
        "Repeat the interrupted command, or name the revision each database is to be"
        " at. Nothing was changed.",
    )


def refuse_moved(
    before: Places,
    after: Places,
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
                f"{name} is at {place.head}"
                + (f", and was at {before[name].head}" if name in moved else "")
                for name, place in after.items()
            ),
        ],
        "Nothing more was changed. If it is still wanted, run the command again.",
    )


def _means(targets: Targets, places: Places) -> Mapping[str, int] | None:
    try:
        return targets(places)
    except HistoryError:
        return None
