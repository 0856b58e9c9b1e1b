"""Whether a deployment or a restore was interrupted, and the command that ends it.

Read only: the next command that changes something ends what is in doubt
(``runner.two_phase.recover``), finishes what is half done, and a restore.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from sqlpair.databases.interface import Report
from sqlpair.ledger.position import claimed
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses
from sqlpair.runner.survey import survey
from sqlpair.runner.unfinished import Unfinished, restores, unfinished
from sqlpair.verify.problem import Problem, ProblemKind

PAUSE = 0.5  # seconds, in which a deployment that lives has committed everywhere

# A commit may take longer than that, and a restore looks the same while it runs.
UNLESS = "If it is not at work any more"


def claims(settings: Settings, report: Report) -> dict[str, BranchStatus]:
    """Read where every database says it is. Creates nothing."""
    with ExitStack() as resources:
        return survey(branches(settings), report, resources, locate=claimed)


def interruptions(
    settings: Settings, statuses: BranchStatuses, report: Report
) -> tuple[Problem, ...]:
    """Return a problem for each transaction in doubt, or that is half done.

    ``statuses`` were read one after the other. Where they look like that, they are read
    once more: a deployment may just have committed in between.
    """
    found = tuple(_deployments(statuses))
    if found:
        time.sleep(PAUSE)
        again = claims(settings, report)
        found = tuple(_deployments({name: again[name] for name in statuses}))
    return (*_restores(settings), *found)


def _deployments(statuses: BranchStatuses) -> Iterator[Problem]:
    left = unfinished(statuses)
    in_doubt = [
        _in_doubt(name, transaction, left, statuses)
        for name, status in statuses.items()
        for transaction in status.undecided
    ]
    yield from in_doubt
    if left is not None and not in_doubt:
        yield Problem(
            ProblemKind.VERSIONS,
            "",
            f"{left}",
            left.where(statuses),
            f"{UNLESS}, this finishes it: {left.command(statuses)}",
        )


def _in_doubt(
    name: str, transaction: str, left: Unfinished | None, statuses: BranchStatuses
) -> Problem:
    if left is not None and left.transaction.name == transaction:
        landed, end = " and ".join(left.landed), "commits it, too"
        rest, command = left.where(statuses), left.command(statuses)
    else:
        landed, end = "no other database", "rolls it back"
        rest, command = (), "sqlpair migrate"
    return Problem(
        ProblemKind.VERSIONS,
        name,
        f"{name}: a transaction of an interrupted deployment is in doubt",
        (
            f"prepared, neither committed nor rolled back: {transaction}",
            f"{landed} has committed it: the next command that changes something {end}",
            *rest,
        ),
        f"{UNLESS}, this ends it: {command}",
    )


def _restores(settings: Settings) -> Iterator[Problem]:
    try:
        found = restores(settings)
    except OSError as error:
        yield Problem(
            ProblemKind.VERSIONS,
            "",
            "it cannot be told whether a restore was interrupted",
            (f"{error.filename}: {error.strerror}",),
            "Run the command as a user who may list that folder.",
        )
        return
    for identifier in found:
        yield Problem(
            ProblemKind.VERSIONS,
            "",
            f"restore {identifier} was interrupted, or is at work",
            ("not every database may be restored",),
            f"{UNLESS}, this ends it: sqlpair migrate",
        )
