"""Recognise: find out which version a database without records is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, StatementError, amount
from sqlpair.ledger import record_tables, squashed
from sqlpair.ledger.position import current, refuse_ahead
from sqlpair.ledger.record_tables import Recorded
from sqlpair.ledger.tables import Records
from sqlpair.project import imported, pyproject
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.runner import scratch
from sqlpair.schema.model import (
    ObjectKey,
    Schema,
    describe,
    difference,
    remaining,
    root,
)
from sqlpair.verify import unbuilt
from sqlpair.verify.subject import ReadDatabase, subjects
from sqlpair.verify.versions import Versions, apart_from_record, without


class Recognised(NamedTuple):
    """A database that is what the files build at each of ``positions``, lowest first.

    Several, where migrations leave no trace and no other tool's ``record`` names the
    one. ``others`` are the objects that no version makes. ``beside`` is what of no
    object is another one than at a position: a number in SQLite's header.
    """

    branch: Branch
    state: Records
    positions: tuple[int, ...]
    others: tuple[str, ...]
    record: Recorded | None = None
    beside: Mapping[int, tuple[str, ...]] = MappingProxyType({})

    @property
    def heads(self) -> tuple[str, ...]:
        """The last migration of each of its positions."""
        return tuple(self.branch.stem_at(position) for position in self.positions)


class Unlike(NamedTuple):
    """A database that no version builds; ``differences`` are from the nearest one.

    Where another tool's ``record`` names the version, from that one.
    """

    branch: Branch
    nearest: str
    differences: tuple[str, ...]
    record: str = ""


class Untouched(NamedTuple):
    """A database with nothing to adopt, and why."""

    branch: Branch
    why: str


_UNLIKE = (
    "Nothing was changed. Bring it there by hand and adopt again; or, if a difference"
    " is\nanother program's, add it to ignore in [tool.sqlpair] of pyproject.toml."
)
Found = Recognised | Unlike | Untouched


def examine(
    settings: Settings,
    report: Report,
    names: Collection[str] = (),
    number: int | None = None,
) -> tuple[Found, ...]:
    """Find out what the databases called ``names`` are, all if there are none.

    ``number`` is a version that is to be among those looked at. Creates nothing in
    them.
    """
    ignore = pyproject.texts(settings.root, "ignore")
    privileges = pyproject.flag(settings.root, "privileges")
    known = branches(settings, names)
    with subjects(known, report, privileges=privileges) as found:
        return tuple(
            _explained(subject, ignore, number, report, privileges=privileges)
            for subject in found.values()
        )


def _explained(
    subject: ReadDatabase,
    ignore: Sequence[str],
    number: int | None,
    report: Report,
    *,
    privileges: bool,
) -> Found:
    try:
        return _examine(subject, ignore, number, report, privileges=privileges)
    except StatementError as error:
        unbuilt.explain(subject.branch, error)
        raise


def _examine(
    subject: ReadDatabase,
    ignore: Sequence[str],
    number: int | None,
    report: Report,
    *,
    privileges: bool,
) -> Found:
    branch, state = subject.branch, subject.state
    squashed.whole(branch, state)
    if state.revisions or state.applied:
        with suppress(HistoryError):  # records that disagree are no records
            head = branch.stem_at(current(branch, state))
            return Untouched(branch, f"is recorded as {head} already")
        refuse_ahead(branch, state)
    live = remaining(subject.schema, ignore)
    count = len(branch.migrations)
    record = None if number is not None else _recorded(subject)
    seen = Versions(branch, live, ignore, report, privileges=privileges)
    if record:
        head = branch.stem_at(record.position)
        report(f"{branch.name}: comparing with what the files build at {head}")
        seen.look({*_samples(count), record.position})
        exact: tuple[int, ...] = (record.position,)
    else:
        versions = amount(count, "version")
        report(f"{branch.name}: comparing with what the files build at {versions}")
        seen.look({*_samples(count), *_positions(branch, number)})
        seen.look(seen.around())
        if not seen.certain():
            seen.look(range(1, count + 1))
        if not seen.ours:
            return Untouched(branch, "holds nothing that the migrations make")
        exact = tuple(seen.nearest())
    if seen.faults(exact[0]):
        unlike = _unlike(branch, exact[-1], live, seen.made, report)
        return unlike._replace(record=record.table if record else "")
    beside = {at: seen.beside(at, subject.properties) for at in exact}
    if number is None:
        fewest = min(map(len, beside.values()))
        exact = tuple(at for at in exact if len(beside[at]) == fewest)
    others = sorted(
        [
            str(key)
            for key, described in seen.foreign.items()
            if described.part_of not in seen.foreign
        ]
        + seen.records(exact[-1], subject.properties)
    )
    left = unbuilt.stubs(branch.migrations[: exact[-1]])
    if others and left:
        report(f"{branch.name}: {left}; what no version makes may be theirs")
    return Recognised(branch, state, exact, tuple(others), record, beside)


def _recorded(subject: ReadDatabase) -> Recorded | None:
    """Read where the tool that its history was imported from says that it is."""
    branch = subject.branch
    theirs = imported.read(branch.database.sql)
    if theirs is None or subject.session is None:
        return None
    return record_tables.read(
        subject.session, branch, theirs, subject.theirs, subject.state
    )


def _samples(count: int) -> Iterator[int]:
    """Positions to look at first: the first, the last, and closer towards the last.

    A database is mostly at the last version or a few before it, and to describe a
    schema takes longer than to run one migration.
    """
    yield 1
    distance = 0
    while distance < count:
        yield count - distance
        distance = 2 * distance or 1


def _positions(branch: Branch, number: int | None) -> Iterator[int]:
    if number is not None:
        yield max(1, branch.at(number))


def _unlike(
    branch: Branch,
    position: int,
    live: Schema,
    made: Collection[ObjectKey],
    report: Report,
) -> Unlike:
    with scratch.opened(branch, report) as opened:
        opened.goal = position
        came = imported.read(branch.database.sql)
        expected = apart_from_record(came, opened.schema(position))
    theirs = {key for key in live if root(key, live) not in made}
    changes = difference(expected, without(live, theirs - expected.keys()))
    return Unlike(branch, branch.stem_at(position), tuple(map(describe, changes)))


def refuse_unlike(found: Sequence[Found]) -> None:
    """Raise HistoryError when one of them is at no version of the files."""
    for item in found:
        if isinstance(item, Unlike):
            lines = [line for text in item.differences for line in text.splitlines()]
            where, by = "any version", f"nearest is {item.nearest}"
            if item.record:
                where, by = item.nearest, f"{item.record} says that it is that"
            left = unbuilt.stubs(item.branch.migrations)
            raise HistoryError(
                f"{item.branch.name}: it is not what the files build at {where}",
                [
                    f"{by}, from which it differs:",
                    *(f"  {line}" for line in lines),
                    *([left] if left else []),
                ],
                (f"{unbuilt.REMEDY}\n" if left else "") + _UNLIKE,
            )
