"""Recognise: find out which version a database without records is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError
from sqlpair.ledger.position import current
from sqlpair.ledger.tables import Records
from sqlpair.project import pyproject
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
from sqlpair.verify.subject import ReadDatabase, subjects


class Recognised(NamedTuple):
    """A database that is what the files build at each of ``positions``, lowest first.

    Several, where migrations leave no trace. ``others`` are the objects that no
    version makes.
    """

    branch: Branch
    state: Records
    positions: tuple[int, ...]
    others: tuple[str, ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """The last migration of each of its positions."""
        return tuple(_head(self.branch, position) for position in self.positions)


class Unlike(NamedTuple):
    """A database that no version builds; ``differences`` are from the nearest one."""

    branch: Branch
    nearest: str
    differences: tuple[str, ...]


class Untouched(NamedTuple):
    """A database with nothing to adopt, and why."""

    branch: Branch
    why: str


Found = Recognised | Unlike | Untouched


def examine(
    settings: Settings, report: Report, names: Collection[str] = ()
) -> tuple[Found, ...]:
    """Find out what the databases called ``names`` are, all if there are none.

    Creates nothing in them.
    """
    for name in names:
        settings.database(name)
    ignore = pyproject.texts(settings.root, "ignore")
    known = tuple(b for b in branches(settings) if not names or b.name in names)
    with subjects(known, report) as found:
        return tuple(_examine(subject, ignore, report) for subject in found.values())


def _examine(subject: ReadDatabase, ignore: Sequence[str], report: Report) -> Found:
    branch, state = subject.branch, subject.state
    if state.revisions or state.applied:
        with suppress(HistoryError):  # records that disagree are no records
            head = _head(branch, current(branch, state))
            return Untouched(branch, f"is recorded as {head} already")
    live = remaining(subject.schema, ignore)
    count = len(branch.migrations)
    versions = "version" if count == 1 else "versions"
    report(f"{branch.name}: comparing with what the files build at {count} {versions}")
    missing, common, made = [], [], set[ObjectKey]()
    with scratch.opened(branch, report) as opened:
        bare = opened.schema(0).keys()
        for position in range(1, count + 1):
            schema = _without(remaining(opened.schema(position), ignore), bare)
            made |= schema.keys()
            common.append(len(schema.keys() & live.keys()))
            missing.append(len(schema) - common[-1] + _different(schema, live))
    ours = len(made & live.keys())
    if not ours:
        return Untouched(branch, "holds nothing that the migrations make")
    # What other versions make is too many in this one.
    faults = [lacks + ours - has for lacks, has in zip(missing, common, strict=True)]
    if min(faults):
        nearest = 1 + min(range(count), key=lambda index: (faults[index], -index))
        return _unlike(branch, nearest, live, made, report)
    exact = tuple(i for i, wrong in enumerate(faults, start=1) if not wrong)
    foreign = _without(live, bare | made)
    others = sorted(str(k) for k, o in foreign.items() if o.part_of not in foreign)
    return Recognised(branch, state, exact, tuple(others))


def _unlike(
    branch: Branch,
    position: int,
    live: Schema,
    made: Collection[ObjectKey],
    report: Report,
) -> Unlike:
    with scratch.opened(branch, report) as opened:
        opened.goal = position
        expected = opened.schema(position)
    theirs = {key for key in live if root(key, live) not in made}
    changes = difference(expected, _without(live, theirs - expected.keys()))
    return Unlike(branch, _head(branch, position), tuple(map(describe, changes)))


def _without(schema: Schema, keys: Collection[ObjectKey]) -> Schema:
    return {key: described for key, described in schema.items() if key not in keys}


def _different(expected: Schema, live: Schema) -> int:
    return sum(change.attribute is not None for change in difference(expected, live))


def _head(branch: Branch, position: int) -> str:
    return branch.migrations[position - 1].stem if position else "base"


def refuse_unlike(found: Sequence[Found]) -> None:
    """Raise HistoryError when one of them is at no version of the files."""
    for item in found:
        if isinstance(item, Unlike):
            lines = [line for text in item.differences for line in text.splitlines()]
            raise HistoryError(
                f"{item.branch.name}: it is not what the files build at any version",
                [
                    f"nearest is {item.nearest}, from which it differs:",
                    *(f"  {line}" for line in lines),
                ],
                "Nothing was changed. Bring it there by hand and adopt again; or, if a"
                " difference is\nanother program's, add it to ignore in [tool.sqlpair]"
                " of pyproject.toml.",
            )
