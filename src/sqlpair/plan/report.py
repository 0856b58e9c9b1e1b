"""The result of a dry run."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlpair.databases.observer import Lock, Observed
from sqlpair.plan.losses import ObjectLoss
from sqlpair.runner.steps import Step
from sqlpair.schema.model import BEFORE, Change, describe


class Undo(NamedTuple):
    """A migration's rollback, run right after it.

    ``left`` is what it does not put back, ``refused`` why it fails; ``unknown`` says
    why it was not run to its end, where nothing speaks against it.
    """

    losses: tuple[ObjectLoss, ...] = ()
    left: tuple[Change, ...] = ()
    refused: str = ""
    unknown: str = ""


class StepResult(NamedTuple):
    """One pending migration; ``reason`` says why its dry run did not reach the end.

    ``losses`` is what it deletes itself, None where that was not counted in time.
    """

    step: Step
    reason: str
    milliseconds: int = 0
    statements: tuple[Observed, ...] = ()
    changes: tuple[Change, ...] = ()
    undo: Undo | None = None
    losses: tuple[ObjectLoss, ...] | None = ()

    @property
    def deletes(self) -> tuple[str, ...]:
        """What it deletes itself, in words."""
        if self.losses is None:
            return ("not counted within plan_lock_limit",)
        return tuple(loss.described() for loss in self.losses)


class Held(NamedTuple):
    """A strong lock, and how long the dry run held it."""

    database: str
    lock: Lock
    milliseconds: int


class ChecklistItem(NamedTuple):
    """A line of the checklist; ``good`` is None where a person has to judge."""

    question: str
    good: bool | None
    answer: str

    @property
    def mark(self) -> str:
        """The answer in a word."""
        return {True: "yes", False: "NO", None: "?"}[self.good]


class DryRun(NamedTuple):
    """What is pending, in its order, and what came of running it.

    ``absent`` are the databases that are not there yet; ``notes`` what to know of a
    database; ``failed`` says that something did not run which should have.
    ``checklist`` and ``environment`` are empty where they were not asked for.
    """

    steps: tuple[StepResult, ...]
    absent: frozenset[str]
    held: tuple[Held, ...]
    notes: tuple[str, ...]
    failed: bool
    checklist: tuple[ChecklistItem, ...] = ()
    environment: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "migrations": [
                {
                    "database": item.step.branch.name,
                    "migration": item.step.migration.stem,
                    "rehearsed": not item.reason,
                    "reason": item.reason,
                    "milliseconds": item.milliseconds,
                    "statements": [
                        one._asdict()
                        | {"locks": [lock._asdict() for lock in one.locks]}
                        for one in item.statements
                    ],
                    "changes": [_plain_change(change) for change in item.changes],
                    "losses": None
                    if item.losses is None
                    else [loss._asdict() for loss in item.losses],
                    "rollback": None if item.undo is None else _plain_undo(item.undo),
                }
                for item in self.steps
            ],
            "held": [
                {"database": held.database, "milliseconds": held.milliseconds}
                | held.lock._asdict()
                for held in self.held
            ],
            "notes": list(self.notes),
            "failed": self.failed,
            "checklist": [answer._asdict() for answer in self.checklist],
        }


def _plain_change(change: Change) -> dict[str, Any]:
    return change._asdict() | {"words": describe(change, BEFORE)}


def _plain_undo(undo: Undo) -> dict[str, Any]:
    return {
        "losses": [loss._asdict() for loss in undo.losses],
        "left": [_plain_change(change) for change in undo.left],
        "refused": undo.refused,
        "unknown": undo.unknown,
    }
