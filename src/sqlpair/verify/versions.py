"""How far a live schema is from what the files build at each version."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.ledger import record_tables
from sqlpair.project import imported
from sqlpair.project.branches import Branch
from sqlpair.runner import repeatable, scratch
from sqlpair.runner.migration import read
from sqlpair.schema.model import ObjectKey, Schema, describe, difference, remaining
from sqlpair.verify import bookkeeping, drift


class Versions:
    """How far a live schema is from what the files build at those looked at so far.

    Objects that the server has by itself (``bare``) count for nothing; ``made`` are
    those that one of the versions makes.
    """

    def __init__(
        self,
        branch: Branch,
        live: Schema,
        ignore: Sequence[str],
        report: Report,
        *,
        privileges: bool,
    ):
        self.branch = branch
        self._came = imported.read(branch.database.sql)
        self.live = live
        self.bare: Collection[ObjectKey] = ()
        self.made: set[ObjectKey] = set()
        self._ignore = ignore
        self._privileges = privileges
        self._report = report
        self.repeated: set[ObjectKey] = set()  # what only repeatable files make
        self._properties: dict[int, Schema] = {}
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
                built = without(self._ours(schema), self.bare)
                self._compare(position, built)
                self._read_beside(opened)
            if wanted[-1] == len(self.branch.migrations):
                self._look_above(opened, built)

    def _look_above(self, opened: scratch.Scratch, head: Schema) -> None:
        """See what the repeatable files make and change at head.

        Whether they have run counts for nothing: the next migration runs them.
        """
        opened.repeat(read(repeatable.steps(self.branch)))
        built = self._ours(opened.schema(opened.position))
        self.repeated = built.keys() - {*head, *self.bare}
        own = without(built, {*self.repeated, *self.bare})
        common = len(own.keys() & self.live.keys())
        missing = len(own) - common + _different(own, self.live)
        if missing < self._missing[opened.position]:
            self._missing[opened.position] = missing
            self._common[opened.position] = common
            self._read_beside(opened)

    def _read_beside(self, opened: scratch.Scratch) -> None:
        """Read the properties of a version that has all of its objects."""
        if not self._missing[opened.position]:
            session = opened.session
            with session.snapshot():
                self._properties[opened.position] = driver_of(
                    session.database
                ).properties(session, privileges=self._privileges)

    def beside(self, position: int, live: Schema) -> tuple[str, ...]:
        """Say what else is another one than at a position; verify tells it, too."""
        made = self._properties.get(position, {})
        common = made.keys() & live.keys() & self.live.keys()
        changes = drift.beside(self._came, made, live, common, self._ignore)
        return tuple(map(describe, changes)) if made else ()

    def records(self, position: int, live: Schema) -> list[str]:
        """Name what may be another program's record, and is no object."""
        made = self._properties.get(position, {})
        return [
            str(key)
            for key in live
            if drift.is_record(self._came, key, made) and live[key] != made[key]
        ]

    def _ours(self, built: Schema) -> Schema:
        """What counts of a schema that the files build."""
        return remaining(apart_from_record(self._came, built), self._ignore)

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
        return without(self.live, {*self.bare, *self.made, *self.repeated})

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


def apart_from_record(came: imported.Imported | None, built: Schema) -> Schema:
    """Without the record of the tool that it came from, which a file may make."""
    return bookkeeping.split(built, record_tables.names(came, built))[0]


def without(schema: Schema, keys: Collection[ObjectKey]) -> Schema:
    return {key: described for key, described in schema.items() if key not in keys}


def _different(expected: Schema, live: Schema) -> int:
    return sum(change.attribute is not None for change in difference(expected, live))
