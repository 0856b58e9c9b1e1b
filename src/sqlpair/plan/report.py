"""The result of a dry run."""

from __future__ import annotations

from typing import NamedTuple

from sqlpair.databases.observed import Lock, Observed
from sqlpair.plan.losses import ObjectLoss
from sqlpair.runner.steps import Step
from sqlpair.schema.model import Change


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


class Held(NamedTuple):
    """A strong lock, and how long the dry run held it."""

    database: str
    lock: Lock
    milliseconds: int


class DryRun(NamedTuple):
    """What is pending, in its order, and what came of running it.

    ``absent`` are the databases that are not there yet; ``notes`` what to know of a
    database; ``failed`` says that something did not run which should have.
    """

    steps: tuple[StepResult, ...]
    absent: frozenset[str]
    held: tuple[Held, ...]
    notes: tuple[str, ...]
    failed: bool
