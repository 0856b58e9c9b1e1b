"""Whether there is anything to do: mostly there is not, as a service asks at its start.

``answer`` is then all of ``sqlpair migrate``, without what a command line imports. It
decides nothing else: whatever there is to do or to refuse is left for the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from sqlpair import signals
from sqlpair.errors import SqlpairError
from sqlpair.ledger import version
from sqlpair.project import revisions
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings, load
from sqlpair.runner.edits import FileKind, edited
from sqlpair.runner.steps import (
    BranchStatus,
    BranchStatuses,
    Outcome,
    Targets,
    plan,
    reached,
)
from sqlpair.runner.survey import survey
from sqlpair.runner.unfinished import restores, unfinished

NOTHING_TO_DO = "Nothing to do: every migration is applied."


class Answer(NamedTuple):
    """What the command prints: its result, and what it reports on the way."""

    result: list[str]
    reported: list[str]


def answer(config: Path) -> Answer | None:
    """Return what ``sqlpair migrate`` says of a project with nothing to do, or None."""
    reported: list[str] = []
    try:
        with signals.handled(), ExitStack() as resources:
            settings = load(config)
            if settings.fleets or any(one.embedded for one in settings.databases):
                return None  # takes longer than the command line
            if restores(settings):
                return None
            known = branches(settings)
            version.refuse_unknown(settings, known)
            statuses = survey(known, reported.append, resources)
            if not is_done(settings, statuses, _Heads()):
                return None
    except (SqlpairError, OSError, RuntimeError, MemoryError):
        return None
    return Answer([NOTHING_TO_DO, *Outcome("", (), statuses).where()], reported)


class _Heads:
    upward = True

    def __call__(self, statuses: BranchStatuses) -> dict[str, int]:
        return {
            name: len(status.branch.migrations) for name, status in statuses.items()
        }


def is_done(settings: Settings, statuses: BranchStatuses, targets: Targets) -> bool:
    """Say whether nothing leads to ``targets``, and nothing was interrupted.

    HistoryError where databases are at head, and their files are not what was applied.
    """
    if _is_interrupted(settings, statuses):
        return False
    goals = targets(statuses)
    if plan(statuses, goals) or _repeats(statuses, goals, targets):
        return False
    for name, status in statuses.items():
        if goals.get(name) == len(status.branch.migrations):
            # A caller who asks for what is applied is told when the files have changed.
            refuse_changed(status)
    return True


def _repeats(
    statuses: BranchStatuses, goals: Mapping[str, int], targets: Targets
) -> bool:
    if not any(p.branch.repeatable or p.records.repeated for p in statuses.values()):
        return False
    from sqlpair.runner import repeatable

    return bool(repeatable.plan(statuses, goals, targets))


def _is_interrupted(settings: Settings, statuses: BranchStatuses) -> bool:
    """Say whether an interrupted run left something to do.

    A transaction in doubt, a database that it has not reached, or ``.env``.
    """
    written = version.expected(settings)
    return (
        any(status.undecided for status in statuses.values())
        or unfinished(statuses) is not None
        or (version.is_kept(settings) and written != reached(statuses))
    )


def refuse_changed(status: BranchStatus) -> None:
    """Raise HistoryError unless the files still are what they were when applied.

    That is: applied SQL is unedited, and each SQL pair has its revision module. A pair
    that was lost would look like a migration that never was.
    """
    revisions.require(status.branch)
    if edits := edited(status, [FileKind.SQL]):
        raise edits[0].error()
