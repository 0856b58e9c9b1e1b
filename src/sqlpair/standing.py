"""Where every database stands, and whether all that speaks of it agrees. Read only.

Five voices: the SQL files, the revision modules, the ledger, the version table, and
``SCHEMA_VERSION`` of ``.env``. Each disagreement is a problem, told in a sentence.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

from sqlpair import revisions, sqlfile, version
from sqlpair.branch import Branch, branches, current
from sqlpair.deployment import Place, Places, reached, survey
from sqlpair.drivers import Report
from sqlpair.errors import HistoryError
from sqlpair.ledger import Applied, State
from sqlpair.migration import Migration
from sqlpair.settings import Settings


class Edit(NamedTuple):
    """An applied migration whose file is no longer what was applied."""

    migration: Migration
    recorded: str
    now: str
    applied_at: str

    def __str__(self) -> str:
        """Name it, with both checksums."""
        return (
            f"{self.migration.database} {self.migration.stem}:"
            f" recorded {self.recorded[:12]} on {self.applied_at[:10]},"
            f" the file is now {self.now[:12]}"
        )


class Standing(NamedTuple):
    """One database: what is applied, what is pending, what does not fit."""

    name: str
    revisions: tuple[str, ...]
    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    edited: tuple[Edit, ...]
    problems: tuple[str, ...]

    @property
    def version(self) -> int:
        """The number of the last applied migration, 0 at base."""
        return self.applied[-1].number if self.applied else 0

    @property
    def head(self) -> str:
        """The last applied migration, or base."""
        return self.applied[-1].stem if self.applied else "base"


class Overview(NamedTuple):
    """All databases, and the version that speaks for all of them.

    ``expected`` is ``SCHEMA_VERSION`` of ``.env``, None where it does not say.
    """

    environment: str
    env_file: str
    databases: tuple[Standing, ...]
    version: int
    latest: int
    expected: int | None
    problems: tuple[str, ...]

    @property
    def pending(self) -> tuple[Migration, ...]:
        """What ``make migrate`` would run, in its order."""
        found = [item for standing in self.databases for item in standing.pending]
        return tuple(sorted(found, key=lambda item: item.number))


def guess(branch: Branch, state: State) -> int:
    """Return a position even where ``current`` refuses: the version table's."""
    known = [branch.position(name) for name in state.revisions]
    return max((position or 0 for position in known), default=0)


def overview(settings: Settings, report: Report) -> Overview:
    """Read where every database stands. Creates nothing."""
    with ExitStack() as resources:
        places = survey(branches(settings), report, resources, locate=guess)
    standings = tuple(_standing(place) for place in places.values())
    expected, problems = _expected(settings, places)
    return Overview(
        environment=settings.environment,
        env_file=settings.env_file.name,
        databases=standings,
        version=reached(places),
        latest=version.latest([place.branch for place in places.values()]),
        expected=expected,
        problems=(*(p for item in standings for p in item.problems), *problems),
    )


def edited(place: Place) -> tuple[Edit, ...]:
    """Return the applied migrations whose files differ from their checksums."""
    files = {item.number: item for item in place.branch.migrations}
    found = []
    for row in place.state.applied:
        item = files.get(row.number)
        if item is None or not row.checksum:
            continue
        now = sqlfile.checksum(item.up.read_bytes())
        if now != row.checksum:
            found.append(Edit(item, row.checksum, now, row.applied_at))
    return tuple(found)


def _standing(place: Place) -> Standing:
    edits = edited(place)
    applied = {row.number for row in place.state.applied}
    return Standing(
        name=place.branch.name,
        revisions=place.state.revisions,
        applied=place.state.applied,
        pending=tuple(m for m in place.branch.migrations if m.number not in applied),
        edited=edits,
        problems=(*_disagreements(place), *(f"edited: {edit}" for edit in edits)),
    )


def _disagreements(place: Place) -> tuple[str, ...]:
    problems = []
    try:
        current(place.branch, place.state)
    except HistoryError as error:
        problems.append(_sentence(error))
    try:
        without = revisions.missing(place.branch)
    except HistoryError as error:
        problems.append(_sentence(error))
    else:
        problems += [
            f"{place.branch.name} {item.stem}: the SQL file has no revision module"
            for item in without
        ]
    return tuple(problems)


def _expected(settings: Settings, places: Places) -> tuple[int | None, tuple[str, ...]]:
    """Return what ``.env`` expects, and how that disagrees with the databases."""
    name = settings.env_file.name
    known = [place.branch for place in places.values()]
    try:
        expected = version.expected(settings)
    except HistoryError as error:
        return None, (_sentence(error),)
    try:
        version.refuse_unknown(settings, known)
    except HistoryError as error:
        return expected, (_sentence(error),)
    now = reached(places)
    if expected is None or expected == now:
        return expected, ()
    return expected, (f"{name} expects version {expected}, the databases are at {now}",)


def _sentence(error: HistoryError) -> str:
    return "; ".join((error.what, *error.evidence))
