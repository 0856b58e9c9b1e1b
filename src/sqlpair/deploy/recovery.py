"""What an interrupted deployment left, and what a command means after it.

Where PostgreSQL promises its commit, nothing is left apart: ``two_phase.settle`` brings
all databases to one side. Where it cannot, a run may die between two databases'
commits. The history of those that committed then names one that did not, and where
it was to go.

A command such as ``downgrade -1`` counts from where the databases are. After either,
it would count from another place than whoever typed it thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError
from sqlpair.runner.steps import Places, Targets, plan
from sqlpair.verify.problem import Kind, Problem


class Unfinished(NamedTuple):
    """A transaction that not every database has committed.

    ``landed`` are those that have, ``missing`` maps the others to their positions
    after it.
    """

    transaction: str
    landed: tuple[str, ...]
    missing: Mapping[str, int]

    def __str__(self) -> str:
        """Say it in a sentence."""
        deployment = self.transaction.partition("/")[0]
        missing = " and ".join(self.missing)
        # The same is found where one address was changed and the other was not.
        return (
            f"deployment {deployment} has reached {' and '.join(self.landed)}, but not"
            f" {missing}: it was interrupted between their commits, or it went to"
            f" another {missing}"
        )


def unfinished(places: Places) -> Unfinished | None:
    """Return the newest such transaction that no later one has overtaken."""
    lasts = {place.state.last.name: place.state.last for place in places.values()}
    for name in sorted(filter(None, lasts), reverse=True):
        heads = {
            database: places[database].branch.at(-1 if number is None else number)
            for database, number in lasts[name].databases.items()
            if database in places
        }
        missing = {
            database: position
            for database, position in heads.items()
            # Names sort by time: a later one has taken this database elsewhere.
            if places[database].state.last.name < name
            and places[database].position != position
        }
        if missing:
            return Unfinished(name, tuple(sorted(set(heads) - set(missing))), missing)
    return None


def in_doubt(places: Places) -> Iterator[Problem]:
    """Say what an interrupted deployment left undecided, or half done."""
    for name, place in places.items():
        for transaction in place.undecided:
            yield Problem(
                Kind.VERSIONS,
                name,
                f"{name}: a transaction of an interrupted deployment is in doubt",
                (f"prepared, neither committed nor rolled back: {transaction}",),
                "What becomes of it the next run finds out: sqlpair migrate",
            )
    left = unfinished(places)
    if left is not None and not any(place.undecided for place in places.values()):
        yield Problem(
            Kind.VERSIONS,
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
    before: Places, after: Places, targets: Targets, settled: Sequence[str]
) -> None:
    """HistoryError when settling has changed what ``targets`` means."""
    if all(after[name].position == place.position for name, place in before.items()):
        return
    meant, means = _means(targets, before), _means(targets, after)
    if means is not None and (meant == means or not plan(after, means)):
        return
    raise HistoryError(
        "an interrupted deployment was finished first: what was asked for counts from"
        " where the databases are",
        [*settled, *(f"{name} is at {place.head}" for name, place in after.items())],
        "Nothing more was changed. If it is still wanted, run the command again.",
    )


def _means(targets: Targets, places: Places) -> Mapping[str, int] | None:
    try:
        return targets(places)
    except HistoryError:
        return None
