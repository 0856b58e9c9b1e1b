"""Whether all that speaks of a database's version says one and the same: the SQL
files, the revision modules, the ledger, the version table, and ``SCHEMA_VERSION``.

Each disagreement is a problem with a sentence and a remedy of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlpair.errors import HistoryError
from sqlpair.ledger import squashed, version
from sqlpair.ledger.position import current, foreign
from sqlpair.ledger.tables import Applied
from sqlpair.project.settings import Settings
from sqlpair.runner import revision_modules
from sqlpair.runner.edits import Edit
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Step, reached
from sqlpair.verify.problem import Problem, ProblemKind, problem_of


def disagreements(status: BranchStatus, edits: Iterable[Edit]) -> Iterator[Problem]:
    """Check one database: its files, of which ``edits`` are known, then its records."""
    if error := squashed.error(status.branch, status.records):
        yield problem_of(ProblemKind.FILES, status.branch.name, error)
        return
    yield from _files(status, edits)
    gone = _without_file(status)  # said already
    if foreign(status.branch, status.records):
        gone = []
    rows = tuple(row for row in status.records.applied if row not in gone)
    try:
        current(status.branch, status.records._replace(applied=rows))
    except HistoryError as error:
        yield problem_of(ProblemKind.VERSIONS, status.branch.name, error)


def _files(status: BranchStatus, edits: Iterable[Edit]) -> Iterator[Problem]:
    """Check that what was applied is what the files hold, and that modules fit."""
    database, migrations = status.branch.name, status.branch.migrations
    known = {item.number: item for item in migrations}
    for row in _without_file(status):
        yield Problem(
            ProblemKind.FILES,
            database,
            f"{database} {row.stem}: the file of an applied migration is gone",
            (f"applied {_when(row)}",),
            f"Restore sql/{database}/{row.stem}.sql from version control, or, where it"
            " was renamed: sqlpair repair",
        )
    for row in status.records.applied:
        item = known.get(row.number)
        if item is not None and item.stem != row.stem:
            yield Problem(
                ProblemKind.FILES,
                database,
                f"{database} {item.stem}: the file has another name than when it was"
                " applied",
                (f"applied as {row.stem}, {_when(row)}",),
                "Rename it back, or accept the name: sqlpair repair\n"
                "A new migration takes the next free number.",
            )
    for edit in edits:
        yield problem_of(ProblemKind.FILES, database, edit.error())
    try:
        revision_modules.load(
            [Step(status.branch, item, upgrade=True) for item in migrations]
        )
    except HistoryError as error:
        yield problem_of(ProblemKind.FILES, database, error)


def _without_file(status: BranchStatus) -> list[Applied]:
    """The applied migrations that were on this branch, and are not any more."""
    known = {item.number for item in status.branch.migrations}
    last = max(known, default=0)
    rows = status.records.applied
    return [row for row in rows if row.number not in known and row.number < last]


def _when(row: Applied) -> str:
    by = f" by {row.applied_by}" if row.applied_by else ""
    return f"on {row.applied_at[:10] or 'an unknown day'}{by}"


def expected(settings: Settings, statuses: BranchStatuses) -> Iterator[Problem]:
    """Check that the databases are where ``.env`` says the code expects them."""
    known = [status.branch for status in statuses.values()]
    name = settings.env_file.name
    try:
        wanted = version.expected(settings)
        version.refuse_unknown(settings, known)
    except HistoryError as error:
        yield problem_of(ProblemKind.VERSIONS, "", error)
        return
    at = [f"{database}: {_last(status)}" for database, status in statuses.items()]
    if wanted is not None:
        yield from unexpected(name, wanted, reached(statuses), at)


def unexpected(
    name: str, wanted: int, now: int, at: Iterable[str]
) -> Iterator[Problem]:
    """Say where the file ``name`` wants another version than there is now."""
    if wanted == now:
        return
    if wanted > now:
        what = f"the code expects version {wanted}, the databases are at {now}"
        remedy = "Apply what is pending: sqlpair migrate"
    else:
        what = f"{name} is behind: it says version {wanted}, the databases are at {now}"
        remedy = (
            f"If the deployed code is of version {now}, run sqlpair migrate, which"
            f" writes {version.KEY}={now}."
        )
    evidence = (f"{name}: {version.KEY}={wanted}", *at)
    yield Problem(ProblemKind.VERSIONS, "", what, evidence, remedy)


def _last(status: BranchStatus) -> str:
    rows = status.records.applied
    return f"{rows[-1].stem} is applied" if rows else "nothing is applied"
