"""Up, down, up on rows: each migration of a database proved to come off again.

For each one, on a scratch database with rows in its tables:

    restored    from a dump of the version below: up, down, up
    proper      up, down, up
    on rows     rows made above the migration; down on a copy, then up again

After each step schema and rows are what they were at that version before. A rollback
may refuse to take a table of its own migration that has rows in it; it is then proved
with that table empty, and its refusal told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlpair.databases.interface import Report, driver_of
from sqlpair.errors import SqlpairError
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.prove import record, rows
from sqlpair.prove.lane import (
    Lane,
    Pair,
    Side,
    State,
    amount,
    differences,
    kept,
    read,
    unstable,
)
from sqlpair.prove.mutants import Count, Hunt, forgotten
from sqlpair.prove.seed import Seed

Unstable = Sequence[tuple[str, str]]


class Verdict(NamedTuple):
    """What was found of one migration.

    ``rows`` is how many its database held above it. A problem means that it is not
    proved; a note is something to know.
    """

    database: str
    migration: str
    rows: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    mutants: Count

    @property
    def proved(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems and not self.mutants.missed


def prove(
    settings: Settings,
    names: Sequence[str],
    report: Report,
    tell: Callable[[Verdict], None],
) -> tuple[Verdict, ...]:
    """Prove every migration of the databases ``names``, or of all.

    Touches none of them. ``tell`` is given each verdict as it comes; what is proved
    is remembered for the checklist of a plan.
    """
    for name in names:
        settings.database(name)
    verdicts: list[Verdict] = []
    for branch in branches(settings):
        if names and branch.name not in names:
            continue
        for verdict in _branch(branch, report):
            tell(verdict)
            verdicts.append(verdict)
        proved = {verdict.migration for verdict in verdicts if verdict.proved}
        record.keep(settings, (m for m in branch.migrations if m.stem in proved))
    return tuple(verdicts)


def _branch(branch: Branch, report: Report) -> Iterator[Verdict]:
    pairs = read(branch)
    files = [path for item in branch.migrations for path in (item.up, item.down)]
    seed = Seed(branch)
    with driver_of(branch.database).scratch(branch.database, files, report) as session:
        lane = Lane(session, report)
        for number, pair in enumerate(pairs, start=1):
            report(f"Proving {pair.up.step}")
            proof = _Proof(lane, pair)
            try:
                proof.run(seed, number)
            except _Unproved:
                yield proof.verdict()
                return  # what comes above it stands on it
            if number == len(pairs):
                proof.problems += seed.problem()
            yield proof.verdict()


class _Unproved(Exception):  # noqa: N818
    """The migration cannot be left applied, so no other can be tried."""


class _Proof:
    """The proof of one migration, and what comes to light on the way."""

    def __init__(self, lane: Lane, pair: Pair):
        self.lane = lane
        self.pair = pair
        self.before = lane.state()
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.counts: list[Count] = []
        self.rows = amount(self.before.contents)

    def verdict(self) -> Verdict:
        step = self.pair.up.step
        return Verdict(
            step.branch.name,
            step.migration.stem,
            self.rows,
            tuple(dict.fromkeys(self.problems)),
            tuple(dict.fromkeys(self.notes)),
            Count(
                sum(count.caught for count in self.counts),
                sum(count.without_effect for count in self.counts),
                tuple(missed for count in self.counts for missed in count.missed),
            ),
        )

    def run(self, seed: Seed, number: int) -> None:
        """Leave the migration applied, with rows for the next one."""
        lane, pair = self.lane, self.pair
        restored = self._restored()
        if not self.problems:
            self.counts.append(forgotten(lane, pair, self.before))
        tried = self._tried() or restored
        self._step("up", lane, pair.up)
        above = lane.state()
        noise = unstable(above, tried) if tried else []
        self.notes += [f"{t}.{c} differs from run to run" for t, c in noise]
        if restored:
            self._compare("up, restored", restored, above, noise)
        self._step("down", lane, pair.down)
        self._compare("down", self.before, lane.state())
        self._step("up again", lane, pair.up)
        self._compare("up again", above, lane.state(), noise)
        hunt = Hunt(lane, pair, self.before)
        if not self.problems:
            hunt.plain()
        self._fill(seed, number)
        self._on_rows(above)
        if not self.problems:
            hunt.on_rows()
        self.counts.append(hunt.count())

    def _restored(self) -> State | None:
        """Up, down, up where the version below was restored from a dump."""
        pair = self.pair
        with self.lane.copy() as copy:
            self._compare("restore", self.before, copy.state())
            if not self._try("up, restored", copy, pair.up):
                return None
            above = copy.state()
            if self._try("down, restored", copy, pair.down):
                self._compare("down, restored", self.before, copy.state())
                self._try("up again, restored", copy, pair.up)
            return above

    def _tried(self) -> State | None:
        """Up, and nothing of it stays: what differs afterwards differs by itself."""
        if not self.pair.up.file.transactional:
            return None
        try:
            with self.lane.transaction():
                self.lane.run_within(self.pair.up)
                return self.lane.state_within()
        except SqlpairError:
            return None  # it will fail again, and be told then

    def _fill(self, seed: Seed, number: int) -> None:
        session = self.lane.session
        seeded = seed.sow(self.lane)
        session.begin()
        try:
            unfilled = rows.fill(session, number, only_empty=seeded)
            session.check()
            session.commit()
        except SqlpairError as error:
            session.rollback()
            self.problems.append(f"rows: {error}")
        else:
            self.notes += map(str, unfilled)

    def _on_rows(self, above: State) -> None:
        """Down and up where rows were added above the migration."""
        pair = self.pair
        with self.lane.copy() as copy:
            self.rows = amount(copy.state().contents)
            try:
                copy.run(pair.down)
            except SqlpairError as error:
                if not self._emptied(copy, error):
                    return
            after = copy.state()
            self._compare(
                "down, on rows", State(self.before.schema, {}), State(after.schema, {})
            )
            lost = kept(self.before, after)
            self.problems += [f"down, on rows: {line}" for line in lost]
            if self._try("up again, on rows", copy, pair.up):
                again = State(copy.state().schema, {})
                self._compare("up again, on rows", State(above.schema, {}), again)

    def _emptied(self, copy: Lane, refusal: SqlpairError) -> bool:
        """Empty the migration's own tables and go down; say whether it does now."""
        try:
            emptied = rows.empty(copy.session, self.before.contents)
            if not emptied:
                raise refusal
            copy.run(self.pair.down)
        except SqlpairError:
            self.problems.append(f"down, on rows: {refusal}")
            return False
        self.notes.append(
            f"its rollback takes no rows of {', '.join(emptied)}: {refusal.what}"
        )
        return True

    def _step(self, name: str, lane: Lane, side: Side) -> None:
        if not self._try(name, lane, side):
            raise _Unproved

    def _try(self, name: str, lane: Lane, side: Side) -> bool:
        try:
            lane.run(side)
        except SqlpairError as error:
            self.problems.append(f"{name}: {error}")
            return False
        return True

    def _compare(
        self, name: str, expected: State, actual: State, noise: Unstable = ()
    ) -> None:
        found = differences(expected, actual, noise)
        self.problems += [f"{name}: {line}" for line in found]
