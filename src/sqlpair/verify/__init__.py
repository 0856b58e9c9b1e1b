"""Verify: do the files, the records of them and the databases agree?

Read only: nothing is created or changed in a database that is looked at. What the files
build is built in a scratch database; what a database differs in from that is drift.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Dangling, Report
from sqlpair.errors import amount, several
from sqlpair.progress import Note, unseen
from sqlpair.project import pyproject
from sqlpair.project.branches import branches
from sqlpair.project.read_once import read_once
from sqlpair.project.settings import Settings
from sqlpair.runner.edits import edited
from sqlpair.runner.repeatable import files
from sqlpair.verify import assertions, drift, records, references
from sqlpair.verify.interrupted import interruptions
from sqlpair.verify.problem import Problem, ProblemKind
from sqlpair.verify.subject import ReadDatabase, subjects

__all__ = ["DatabaseReport", "Problem", "ProblemKind", "Verified", "verify"]


class DatabaseReport(NamedTuple):
    """Where a database is that was looked at, and what is pending there."""

    name: str
    head: str
    pending: tuple[str, ...]


class Verified(NamedTuple):
    """All that was found."""

    databases: tuple[DatabaseReport, ...]
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "ok": not self.problems,
            "databases": {
                item.name: {"head": item.head, "pending": list(item.pending)}
                for item in self.databases
            },
            "problems": [problem._asdict() for problem in self.problems],
        }


def verify(
    settings: Settings,
    report: Report,
    names: Collection[str] = (),
    progress: Note = unseen,
    *,
    keep: bool = True,
) -> Verified:
    """Check the databases called ``names``, all when there are none.

    Without ``keep`` what the files build is not kept, so that no file is written.
    """
    for name in names:
        settings.database(name)
    ignore = pyproject.texts(settings.root, "ignore")
    privileges = pyproject.flag(settings.root, "privileges")
    declared = references.declared(settings)
    problems: list[Problem] = []
    state = settings.root / "state" if keep else None
    with (
        read_once(),
        subjects(branches(settings), report, names, privileges=privileges) as found,
    ):
        wanted = {n: s for n, s in found.items() if not names or n in names}
        for subject in wanted.values():
            report(f"{subject.name}: comparing")
            problems += _database(subject, state, ignore, report, privileges=privileges)
        for reference in declared:
            if reference.of[0] in wanted:
                problems += references.check(found, reference, progress)
        statuses = {name: subject.status for name, subject in found.items()}
        recorded = {
            name: status
            for name, status in statuses.items()
            if status.undecided or not found[name].unrecorded
        }
        problems += interruptions(settings, recorded, report)
        if not names:
            problems += records.expected(settings, statuses)
        verdicts = tuple(_verdict(subject) for subject in wanted.values())
    order = list(ProblemKind)
    problems.sort(key=lambda problem: order.index(problem.kind))
    return Verified(verdicts, tuple(problems))


def _database(
    subject: ReadDatabase,
    state: Path | None,
    ignore: tuple[str, ...],
    report: Report,
    *,
    privileges: bool,
) -> list[Problem]:
    problems = list(records.disagreements(subject.status, edited(subject.status)))
    if subject.unrecorded:
        return [*problems, _unrecorded(subject)]
    if subject.session is None or subject.position is None:
        return problems
    problems += drift.check(
        subject, subject.position, state, ignore, report, privileges=privileges
    )
    problems += assertions.check(subject, subject.position)
    driver = driver_of(subject.branch.database)
    problems += [
        _dangling(subject.name, found)
        for found in driver.dangling(subject.session)
        if not _is_ignored(found, ignore)
    ]
    return problems


def _unrecorded(subject: ReadDatabase) -> Problem:
    tables = sorted(key.name for key in subject.schema if key.kind == "table")
    return Problem(
        ProblemKind.VERSIONS,
        subject.name,
        f"{subject.name}: it holds tables, and no record of any migration",
        (several(tables, 10),),
        f"Find out which version it is: sqlpair adopt {subject.name}",
    )


def _is_ignored(found: Dangling, ignore: tuple[str, ...]) -> bool:
    names = f"table {found.table}", f"foreign key {found.table} to {found.parent}"
    return any(fnmatchcase(name, pattern) for name in names for pattern in ignore)


def _dangling(name: str, found: Dangling) -> Problem:
    if found.why:
        return Problem(
            ProblemKind.REFERENCES,
            name,
            f"{name}: a foreign key of {found.table} refers to {found.parent},"
            f" {found.why}",
            ("no row that refers to something can be written to it",),
            "Let a new migration build the table again with the key it should have.",
        )
    rest = found.rows - len(found.shown)
    return Problem(
        ProblemKind.REFERENCES,
        name,
        f"{name}: {amount(found.rows, 'row')} of {found.table}"
        f" {'violates' if found.rows == 1 else 'violate'} the foreign key to"
        f" {found.parent}",
        (*found.shown, *([f"… and {amount(rest, 'row')} more"] if rest else [])),
        "Restore what they refer to, or correct or delete them. Let every program that"
        " writes\nuse PRAGMA foreign_keys = ON.",
    )


def _verdict(subject: ReadDatabase) -> DatabaseReport:
    migrations = subject.branch.migrations
    if subject.position is None:
        return DatabaseReport(subject.name, "unknown", ())
    head = subject.branch.stem_at(subject.position)
    pending = (
        *(item.stem for item in migrations[subject.position :]),
        *(file.stem for file in files(subject.status) if file.pending),
    )
    return DatabaseReport(subject.name, head, pending)
