"""What an interrupted run left: a deployment that not every database has committed, or
a restore's folder among the backups.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlpair.ids import ID
from sqlpair.ledger import tables, version
from sqlpair.project.branches import Branch
from sqlpair.project.presence import ABSENT
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatuses

MOVES = ("upgrade", "downgrade")


class Unfinished(NamedTuple):
    """A transaction that not every database has committed.

    ``landed`` are those that have, ``missing`` maps the others to their positions
    after it.
    """

    transaction: tables.Transaction
    landed: tuple[str, ...]
    missing: Mapping[str, int]

    def __str__(self) -> str:
        """Say it in a sentence."""
        missing = " and ".join(self.missing)
        # The same is found where one address was changed and the other was not.
        return (
            f"deployment {self.transaction.deployment} has reached"
            f" {' and '.join(self.landed)}, but not"
            f" {missing}: it was interrupted between their commits, or it went to"
            f" another {missing}"
        )

    def where(self, statuses: BranchStatuses) -> tuple[str, ...]:
        """Say where each of its databases is, and where the others were to be."""
        after = {
            name: statuses[name]._replace(position=position).head
            for name, position in self.missing.items()
        }
        return (
            *(f"{name} is at {statuses[name].head}" for name in self.landed),
            *(
                f"{name} is at {statuses[name].head}, and was to be at {head}"
                for name, head in after.items()
            ),
        )

    def command(self, statuses: BranchStatuses) -> str:
        """Return what finishes it, and moves nothing else."""
        if self.transaction.action not in MOVES:
            return self._alembic("stamp", statuses)
        numbers = self.transaction.databases.values()
        number = max(0 if number is None else number for number in numbers)
        positions = {name: status.position for name, status in statuses.items()}
        goal = positions | dict(self.missing)
        reached = {name: status.branch.at(number) for name, status in statuses.items()}
        if self.transaction.action == "downgrade":
            down = {name: min(positions[name], at) for name, at in reached.items()}
            if down == goal:
                return f"sqlpair rollback --to {number}"
        elif goal == {name: max(positions[name], at) for name, at in reached.items()}:
            whole = number >= version.latest([p.branch for p in statuses.values()])
            return "sqlpair migrate" if whole else f"sqlpair migrate --to {number}"
        return self._alembic(self.transaction.action, statuses)

    def _alembic(self, command: str, statuses: BranchStatuses) -> str:
        return " && ".join(
            f"alembic {command} {name}@{_revision(statuses[name].branch, position)}"
            for name, position in self.missing.items()
        )


def _revision(branch: Branch, position: int) -> str:
    return branch.migrations[position - 1].revision if position else "base"


def unfinished(statuses: BranchStatuses) -> Unfinished | None:
    """Return the newest such transaction that no later one has overtaken."""
    lasts = {
        status.records.last.name: status.records.last for status in statuses.values()
    }
    for last in sorted(lasts.values(), key=lambda one: one.order, reverse=True):
        heads = {
            database: statuses[database].branch.at(-1 if number is None else number)
            for database, number in last.databases.items()
            if database in statuses
        }
        missing = {
            database: position
            for database, position in heads.items()
            # A later one has taken this database elsewhere.
            if statuses[database].records.last.order < last.order
            and statuses[database].position != position
        }
        if missing:
            return Unfinished(last, tuple(sorted(set(heads) - set(missing))), missing)
    return None


def restore_folder(settings: Settings, identifier: str) -> Path:
    """Return the folder in which the restore ``identifier`` works (``backup.swap``)."""
    return settings.backups.folder / f"{_prefix(settings)}{identifier}"


def restores(settings: Settings) -> tuple[str, ...]:
    """Return the ids of restores that were interrupted, or still run.

    OSError where the folder cannot be listed: one may be there.
    """
    prefix = _prefix(settings)
    try:
        found = os.listdir(settings.backups.folder)  # noqa: PTH208 - names are enough
    except OSError as error:
        if error.errno in ABSENT:
            return ()
        raise
    names = (name.removeprefix(prefix) for name in found if name.startswith(prefix))
    return tuple(sorted(name for name in names if ID.fullmatch(name)))


def _prefix(settings: Settings) -> str:
    # Another environment has other databases, and the same folder.
    return f".restore-{settings.environment}-"
