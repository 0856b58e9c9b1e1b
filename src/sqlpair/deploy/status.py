"""Where every database is, what is pending, and what disagrees. Read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.deploy.unrecorded import holds_tables
from sqlpair.errors import HistoryError
from sqlpair.ledger import version
from sqlpair.ledger.tables import Applied
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Settings
from sqlpair.runner.edits import FileKind, edited
from sqlpair.runner.repeatable import RepeatableFile, files
from sqlpair.runner.steps import BranchStatus, reached
from sqlpair.verify import records
from sqlpair.verify.interrupted import claims, interruptions
from sqlpair.verify.problem import Problem

# What is told of a repeatable file's last run.
_OF_LAST_RUN = (
    *("version", "applied_at", "applied_by", "milliseconds", "deployment", "checksum"),
)


class DatabaseStatus(NamedTuple):
    """One database: what is applied, what is pending, what does not fit.

    ``latest`` is its last file; ``edited`` are the files of applied migrations that
    differ, each with its number; ``repeatable`` are the repeatable files, those that
    are gone too; ``unrecorded`` is a database that has tables, and no record of any
    migration.
    """

    name: str
    revisions: tuple[str, ...]
    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    latest: str
    edited: frozenset[tuple[int, FileKind]]
    repeatable: tuple[RepeatableFile, ...]
    problems: tuple[Problem, ...]
    unrecorded: bool

    @property
    def version(self) -> int:
        """The number of the last applied migration, 0 at base."""
        return self.applied[-1].number if self.applied else 0

    @property
    def head(self) -> str:
        """The last applied migration, or base."""
        return self.applied[-1].stem if self.applied else "base"


class Status(NamedTuple):
    """All databases, and the version that speaks for all of them.

    ``expected`` is ``SCHEMA_VERSION`` of ``.env``, None where it does not say.
    """

    environment: str
    env_file: str
    databases: tuple[DatabaseStatus, ...]
    version: int
    latest: int
    expected: int | None
    problems: tuple[Problem, ...]

    @property
    def pending(self) -> tuple[Migration, ...]:
        """What ``sqlpair migrate`` would run, in its order."""
        found = [m for database in self.databases for m in database.pending]
        return tuple(sorted(found, key=lambda item: item.number))

    @property
    def repeats(self) -> int:
        """How many repeatable files ``sqlpair migrate`` would have to do with."""
        return sum(file.pending for item in self.databases for file in item.repeatable)

    def with_problems(self, more: Iterable[Problem]) -> Status:
        """Return it with what else is wrong, each problem once."""
        return self._replace(problems=tuple(dict.fromkeys([*self.problems, *more])))

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        databases = {}
        for item in self.databases:
            databases[item.name] = {
                "version": item.version,
                "head": item.head,
                "applied": [
                    {
                        "version": row.number,
                        "migration": row.stem,
                        "applied_at": row.applied_at,
                        "applied_by": row.applied_by,
                        "milliseconds": row.milliseconds,
                        "method": row.method,
                        "deployment": row.deployment,
                        "checksum": row.checksum,
                        "edited": (row.number, FileKind.SQL) in item.edited,
                        "rollback_checksum": row.rollback_checksum,
                        "rollback_edited": (row.number, FileKind.ROLLBACK)
                        in item.edited,
                        "module_checksum": row.module_checksum,
                        "module_edited": (row.number, FileKind.MODULE) in item.edited,
                    }
                    for row in item.applied
                ],
                "pending": [
                    {"version": migration.number, "migration": migration.stem}
                    for migration in item.pending
                ],
                "repeatable": [
                    {"name": file.name, "state": file.state}
                    | {key: getattr(file.row, key, None) for key in _OF_LAST_RUN}
                    for file in item.repeatable
                ],
            }
        return {
            "environment": self.environment,
            "version": self.version,
            "latest": self.latest,
            "expected": self.expected,
            "problems": [problem._asdict() for problem in self.problems],
            "databases": databases,
        }


def overview(settings: Settings, report: Report) -> Status:
    """Read the status of every database. Creates nothing."""
    statuses = claims(settings, report)
    databases = tuple(_database(status, report) for status in statuses.values())
    problems = [problem for item in databases for problem in item.problems]
    return Status(
        environment=settings.environment,
        env_file=settings.env_file.name,
        databases=databases,
        version=reached(statuses),
        latest=version.latest([status.branch for status in statuses.values()]),
        expected=_expected(settings),
        problems=(
            *problems,
            *interruptions(settings, statuses, report),
            *records.expected(settings, statuses),
        ),
    )


def _database(status: BranchStatus, report: Report) -> DatabaseStatus:
    applied = {row.number for row in status.records.applied}
    edits = edited(status)
    return DatabaseStatus(
        name=status.branch.name,
        revisions=status.records.revisions,
        applied=status.records.applied,
        pending=tuple(m for m in status.branch.migrations if m.number not in applied),
        latest=next((m.stem for m in reversed(status.branch.migrations)), "none"),
        edited=frozenset((edit.migration.number, edit.file) for edit in edits),
        repeatable=files(status),
        problems=tuple(records.disagreements(status, edits)),
        unrecorded=holds_tables(status, report),
    )


def _expected(settings: Settings) -> int | None:
    try:
        return version.expected(settings)
    except HistoryError:  # a problem, and told as one
        return None
