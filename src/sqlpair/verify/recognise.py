"""Recognise: find out which version a database without records is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, StatementError, amount
from sqlpair.ledger import record_tables, squashed
from sqlpair.ledger.position import current
from sqlpair.ledger.record_tables import Recorded
from sqlpair.ledger.tables import Records
from sqlpair.project import imported, pyproject
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.runner import repeatable, scratch
from sqlpair.runner.migration import read
from sqlpair.schema.model import (
    ObjectKey,
    Schema,
    describe,
    difference,
    remaining,
    root,
)
from sqlpair.verify import bookkeeping, unbuilt
from sqlpair.verify.subject import ReadDatabase, subjects


class Recognised(NamedTuple):
    """A database that is what the files build at each of ``positions``, lowest first.

    Several, where migrations leave no trace and no other tool's ``record`` names the
    one. ``others`` are the objects that no version makes.
    """

    branch: Branch
    state: Records
    positions: tuple[int, ...]
    others: tuple[str, ...]
    record: Recorded | None = None

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
    with subjects(branches(settings, names), report) as found:
        return tuple(
            _explained(subject, ignore, number, report) for subject in found.values()
        )


def _explained(
    subject: ReadDatabase, ignore: Sequence[str], number: int | None, report: Report
) -> Found:
    try:
        return _examine(subject, ignore, number, report)
    except StatementError as error:
        unbuilt.explain(subject.branch, error)
        raise


def _examine(
    subject: ReadDatabase, ignore: Sequence[str], number: int | None, report: Report
) -> Found:
    branch, state = subject.branch, subject.state
    squashed.whole(branch, state)
    if state.revisions or state.applied:
        with suppress(HistoryError):  # records that disagree are no records
            head = branch.stem_at(current(branch, state))
            return Untouched(branch, f"is recorded as {head} already")
    live = remaining(subject.schema, ignore)
    count = len(branch.migrations)
    record = None if number is not None else _recorded(subject)
    seen = Versions(branch, live, ignore, report)
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
    others = sorted(
        str(key)
        for key, described in seen.foreign.items()
        if described.part_of not in seen.foreign
    )
    left = unbuilt.stubs(branch.migrations[: exact[-1]])
    if others and left:
        report(f"{branch.name}: {left}; what no version makes may be theirs")
    return Recognised(branch, state, exact, tuple(others), record)


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


class Versions:
    """How far a live schema is from what the files build at those looked at so far.

    Objects that the server has by itself (``bare``) count for nothing; ``made`` are
    those that one of the versions makes.
    """

    def __init__(
        self, branch: Branch, live: Schema, ignore: Sequence[str], report: Report
    ):
        self.branch = branch
        self._came = imported.read(branch.database.sql)
        self.live = live
        self.bare: Collection[ObjectKey] = ()
        self.made: set[ObjectKey] = set()
        self._ignore = ignore
        self._report = report
        self.repeated: set[ObjectKey] = set()  # what only repeatable files make
        self._missing: dict[int, int] = {}
        self._common: dict[int, int] = {}

    def look(self, positions: Collection[int]) -> None:
        """Compare with the versions at ``positions``, on one way up."""
        wanted = sorted({*positions} - self._common.keys())
        if not wanted:
            return
        with scratch.opened(self.branch, self._report) as opened:
            opened.goal = wanted[-1]
            self.bare = opened.schema(0).keys()
            for position, schema in opened.way_up(wanted):
                built = _without(self._ours(schema), self.bare)
                self._compare(position, built)
            if wanted[-1] == len(self.branch.migrations):
                self._look_above(opened, built)

    def _look_above(self, opened: scratch.Scratch, head: Schema) -> None:
        """See what the repeatable files make and change at head.

        Whether they have run counts for nothing: the next migration runs them.
        """
        opened.repeat(read(repeatable.steps(self.branch)))
        built = self._ours(opened.schema(opened.position))
        self.repeated = built.keys() - {*head, *self.bare}
        own = _without(built, {*self.repeated, *self.bare})
        common = len(own.keys() & self.live.keys())
        missing = len(own) - common + _different(own, self.live)
        if missing < self._missing[opened.position]:
            self._missing[opened.position] = missing
            self._common[opened.position] = common

    def _ours(self, built: Schema) -> Schema:
        """What counts of a schema that the files build."""
        return remaining(_apart_from_record(self._came, built), self._ignore)

    def _compare(self, position: int, built: Schema) -> None:
        self.made |= built.keys()
        common = len(built.keys() & self.live.keys())
        self._common[position] = common
        self._missing[position] = len(built) - common + _different(built, self.live)

    @property
    def ours(self) -> int:
        """How many objects some version makes and the database has."""
        return len(self.made & self.live.keys())

    @property
    def foreign(self) -> Schema:
        """The objects that no version makes."""
        return _without(self.live, {*self.bare, *self.made, *self.repeated})

    def faults(self, position: int) -> int:
        """How many objects are missing, different, or there for another version."""
        return self._missing[position] + self.ours - self._common[position]

    def nearest(self) -> list[int]:
        """The positions with the fewest faults, lowest first."""
        fewest = min(map(self.faults, self._common))
        return sorted(at for at in self._common if self.faults(at) == fewest)

    def around(self) -> range:
        """The positions between the nearest one and those looked at beside it."""
        nearest = self.nearest()[-1]
        seen = sorted(self._common)
        index = seen.index(nearest)
        after = seen[index + 1] if index + 1 < len(seen) else nearest
        return range(seen[max(0, index - 1)], after + 1)

    def certain(self) -> bool:
        """Whether the versions that were not looked at can change nothing.

        They could where none of the others fits, or where a file names an object that
        none of the others makes.
        """
        if self.faults(self.nearest()[0]):
            return False
        texts = [item.up.read_text(errors="replace") for item in self.branch.migrations]
        words = {word for text in texts for word in re.findall(r"\w+", text.lower())}
        return not any(
            word in words
            for key in self.foreign
            for word in re.findall(r"\w+", key.name.partition("(")[0].lower())[-1:]
        )


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
        expected = _apart_from_record(came, opened.schema(position))
    theirs = {key for key in live if root(key, live) not in made}
    changes = difference(expected, _without(live, theirs - expected.keys()))
    return Unlike(branch, branch.stem_at(position), tuple(map(describe, changes)))


def _apart_from_record(came: imported.Imported | None, built: Schema) -> Schema:
    """Without the record of the tool that it came from, which a file may make."""
    return bookkeeping.split(built, record_tables.names(came, built))[0]


def _without(schema: Schema, keys: Collection[ObjectKey]) -> Schema:
    return {key: described for key, described in schema.items() if key not in keys}


def _different(expected: Schema, live: Schema) -> int:
    return sum(change.attribute is not None for change in difference(expected, live))


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
