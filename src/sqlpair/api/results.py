"""What the verbs of a project return: frozen values, each with ``to_json()``.

``Status``, ``Verified``, ``DryRun`` and ``Restored`` are those of the rooms that make
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlpair.backup.manifest import Manifest
    from sqlpair.deploy.recorded import RecordedRollback
    from sqlpair.runner.steps import BranchStatuses, Outcome
    from sqlpair.verify.recognise import Found


class MigrationRun(NamedTuple):
    """A migration that ran; ``direction`` is upgrade or downgrade."""

    database: str
    migration: str
    direction: str
    milliseconds: int


class DatabaseHead(NamedTuple):
    """Where a database is: its last applied migration, or base, and that one's number.

    At base the number is 0.
    """

    database: str
    migration: str
    number: int


class Deployed(NamedTuple):
    """What a deployment did, and where the databases are afterwards.

    ``deployment`` is its id, empty where there was nothing to do. ``version`` is the
    schema version: every migration numbered that or lower is applied.
    """

    deployment: str
    migrations: tuple[MigrationRun, ...]
    databases: tuple[DatabaseHead, ...]
    version: int

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "deployment": self.deployment,
            "migrations": [ran._asdict() for ran in self.migrations],
            "databases": {
                item.database: {"head": item.migration, "version": item.number}
                for item in self.databases
            },
            "version": self.version,
        }


def deployed(outcome: Outcome) -> Deployed:
    """Return what a program is told of ``outcome``."""
    ran = (
        MigrationRun(
            done.step.branch.name,
            done.step.migration.stem,
            done.step.direction,
            done.milliseconds,
        )
        for done in outcome.done
    )
    heads = _heads(outcome.statuses)
    return Deployed(outcome.deployment, tuple(ran), heads, outcome.version)


def _heads(statuses: BranchStatuses) -> tuple[DatabaseHead, ...]:
    return tuple(
        DatabaseHead(
            name, status.head, status.migration.number if status.migration else 0
        )
        for name, status in statuses.items()
    )


class Recognition(NamedTuple):
    """What ``adopt`` found of a database.

    ``migration`` is the version it is to be recorded at; empty where there is nothing
    to adopt, and ``why`` says so. ``lower`` are the versions below that have the same
    schema, ``replaces`` the revisions of another Alembic project, ``others`` the
    objects that no version makes. ``record`` is the table of another tool that named
    the version, ``unknown`` what else that names. ``differs`` is what of no object is
    another one than the files make, which ``verify`` tells from then on.
    """

    database: str
    migration: str
    why: str = ""
    lower: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    record: str = ""
    unknown: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


class Adopted(NamedTuple):
    """What was found, and where the databases are; None where nothing was recorded."""

    found: tuple[Recognition, ...]
    deployed: Deployed | None

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "databases": [item._asdict() for item in self.found],
            "adopted": self.deployed.to_json() if self.deployed else None,
        }


def recognitions(
    found: Sequence[Found], positions: dict[str, int]
) -> tuple[Recognition, ...]:
    """Return what a program is told of ``found``, of which ``positions`` are chosen."""
    from sqlpair.ledger.position import foreign
    from sqlpair.verify.recognise import Recognised, Untouched

    told = []
    for item in found:
        name = item.branch.name
        if isinstance(item, Untouched):
            told.append(Recognition(name, "", item.why))
        elif isinstance(item, Recognised):
            position = positions[name]
            highest = position == item.positions[-1]
            told.append(
                Recognition(
                    name,
                    item.branch.migrations[position - 1].stem,
                    lower=item.heads[:-1] if highest else (),
                    replaces=tuple(foreign(item.branch, item.state)),
                    others=item.others,
                    record=item.record.table if item.record else "",
                    unknown=tuple(item.record.unknown) if item.record else (),
                    differs=item.beside.get(position, ()),
                )
            )
    return tuple(told)


class RecordedFile(NamedTuple):
    """A rollback as the ledger keeps it."""

    database: str
    migration: str
    sql: str


def recorded_files(found: RecordedRollback) -> tuple[RecordedFile, ...]:
    """Return the rollbacks that are to run, the first one first."""
    ready = (*(one.ready for one in found.repeats), *found.steps)
    return tuple(
        RecordedFile(step.branch.name, step.migration.stem, file.text)
        for step, file, _ in ready
    )


class Backup(NamedTuple):
    """A backup that was made or is to be restored: its folder, and what is in it."""

    folder: Path
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {"folder": str(self.folder)} | self.manifest.to_json()
