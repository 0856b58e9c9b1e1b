"""Whether the SQL files, the revision modules, the ledger, the version table and
``SCHEMA_VERSION`` say one and the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair import revisions, version
from sqlpair.branch import current
from sqlpair.deployment import Place, Step, reached
from sqlpair.errors import HistoryError
from sqlpair.ledger import Applied
from sqlpair.settings import Settings
from sqlpair.standing import edited
from sqlpair.verify.problem import Kind, Problem, problem_of
from sqlpair.verify.subject import Subject, Subjects


def files(subject: Subject) -> Iterator[Problem]:
    """Check that what was applied is what the files hold, and that modules fit."""
    database = subject.name
    known = {item.number: item for item in subject.branch.migrations}
    for row in _without_file(subject):
        yield Problem(
            Kind.FILES,
            database,
            f"{database} {row.stem}: the file of an applied migration is gone",
            (f"applied {_when(row)}",),
            f"Restore sql/{database}/{row.stem}.sql from version control.",
        )
    for row in subject.state.applied:
        item = known.get(row.number)
        if item is not None and item.stem != row.stem:
            yield Problem(
                Kind.FILES,
                database,
                f"{database} {item.stem}: the file has another name than when it was"
                " applied",
                (f"applied as {row.stem}, {_when(row)}",),
                "Rename it back. A new migration takes the next free number.",
            )
    place = Place(subject.branch, subject.state, 0)
    for edit in edited(place):
        yield Problem(
            Kind.FILES,
            database,
            f"{database} {edit.migration.stem}: the SQL file was edited after it was"
            " applied",
            (
                f"recorded {edit.recorded[:12]} on {edit.applied_at[:10]};"
                f" the file is now {edit.now[:12]}",
            ),
            "Restore the file and put the change in a new migration, or run:"
            " make repair",
        )
    steps = [Step(subject.branch, m, upgrade=True) for m in subject.branch.migrations]
    try:
        revisions.load(steps)
    except HistoryError as error:
        yield problem_of(Kind.FILES, database, error)


def _without_file(subject: Subject) -> list[Applied]:
    """The applied migrations that were on this branch, and are not any more."""
    known = {item.number for item in subject.branch.migrations}
    last = max(known, default=0)
    rows = subject.state.applied
    return [row for row in rows if row.number not in known and row.number < last]


def _when(row: Applied) -> str:
    by = f" by {row.applied_by}" if row.applied_by else ""
    return f"on {row.applied_at[:10] or 'an unknown day'}{by}"


def versions(subject: Subject) -> Iterator[Problem]:
    """Check that the version table and the ledger name one place on the branch."""
    if subject.unrecorded:
        tables = sorted(key.name for key in subject.schema if key.kind == "table")
        yield Problem(
            Kind.VERSIONS,
            subject.name,
            f"{subject.name}: it holds tables, and no record of any migration",
            (", ".join(tables[:10]) + (", …" if len(tables) > 10 else ""),),
            f"Find out which version it is: sqlpair adopt {subject.name}",
        )
        return
    gone = _without_file(subject)  # said already
    rows = tuple(row for row in subject.state.applied if row not in gone)
    try:
        current(subject.branch, subject.state._replace(applied=rows))
    except HistoryError as error:
        yield problem_of(Kind.VERSIONS, subject.name, error)


def expected(settings: Settings, subjects: Subjects) -> Iterator[Problem]:
    """Check that the databases are where ``.env`` says the code expects them."""
    known = [subject.branch for subject in subjects.values()]
    name = settings.env_file.name
    try:
        wanted = version.expected(settings)
        version.refuse_unknown(settings, known)
    except HistoryError as error:
        yield problem_of(Kind.VERSIONS, "", error)
        return
    now = reached(
        {
            name: Place(subject.branch, subject.state, subject.position or 0)
            for name, subject in subjects.items()
        }
    )
    if wanted is None or wanted == now:
        return
    at = [f"{subject.name}: {_last(subject)}" for subject in subjects.values()]
    if wanted > now:
        yield Problem(
            Kind.VERSIONS,
            "",
            f"the code expects version {wanted}, the databases are at {now}",
            (f"{name}: {version.KEY}={wanted}", *at),
            "Apply what is pending: make migrate",
        )
    else:
        yield Problem(
            Kind.VERSIONS,
            "",
            f"{name} is behind: it says version {wanted}, the databases are at {now}",
            (f"{name}: {version.KEY}={wanted}", *at),
            f"If the deployed code is of version {now}, run make migrate, which writes"
            f" {version.KEY}={now}.",
        )


def _last(subject: Subject) -> str:
    rows = subject.state.applied
    return f"{rows[-1].stem} is applied" if rows else "nothing is applied"
