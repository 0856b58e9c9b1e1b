"""The proof of the proof: a rollback with one thing wrong has to be noticed.

A mutant is caught when it fails, or when schema or rows come out in another way than
they were. One that is not caught is held to the engine's own dump, which this project
had no hand in: where the dump after the mutant is the dump after the real rollback,
line by line, what is wrong with it has no effect (a LOCK TABLE, or what a later DROP
TABLE takes anyway); it is then counted as without effect. Any other was missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlpair.prove.lane import Lane, Pair, Side, State, differences, unstable
from sqlpair.prove.mutate import Mutant, mutants, with_more

from sqlpair.errors import SqlpairError


class Trial(NamedTuple):
    """What came of a rollback: the failure, or the state it led to."""

    failure: str
    state: State | None


class Count(NamedTuple):
    """How many mutants were caught, how many had no effect, and the ones missed."""

    caught: int = 0
    without_effect: int = 0
    missed: tuple[str, ...] = ()


class Hunt:
    """The mutants of one migration's rollback, in the lane where it is applied."""

    def __init__(self, lane: Lane, pair: Pair, before: State):
        self.lane = lane
        self.pair = pair
        self.before = before
        self.caught = 0
        self.survivors: list[Mutant] = []
        self._same: list[Mutant] = []

    def plain(self) -> None:
        """Try every mutant where nothing was added above the migration."""
        reference = None
        for mutant in mutants(self.pair.down.statements):
            trial = self.attempt(mutant)
            if _is_stillborn(trial):
                continue
            if trial.state is None or differences(self.before, trial.state):
                self.caught += 1
                continue
            reference = reference or _script(self.lane, self.pair.down)
            if _script(self.lane, self._side(mutant)) == reference:
                self._same.append(mutant)
            else:
                self.survivors.append(mutant)

    def on_rows(self) -> None:
        """Try again what is left where the migration's own tables have rows."""
        expected = self.attempt(None)
        noise = _noise(expected, self.attempt(None))
        for left in (self._same, self.survivors):
            for mutant in list(left):
                if _differ(expected, self.attempt(mutant), noise):
                    left.remove(mutant)
                    self.caught += 1

    def count(self) -> Count:
        """Say how it went."""
        missed = tuple(str(mutant) for mutant in self.survivors)
        return Count(self.caught, len(self._same), missed)

    def attempt(self, mutant: Mutant | None) -> Trial:
        """Run a mutant, or the rollback as it is, and leave no trace."""
        side = self._side(mutant) if mutant else self.pair.down
        try:
            with self._place(side) as lane:
                return Trial("", lane.state_within())
        except SqlpairError as error:
            return Trial(str(error), None)

    @contextmanager
    def _place(self, side: Side) -> Iterator[Lane]:
        """Yield the lane, or a copy of it, after ``side`` ran there."""
        if side.file.transactional:
            with self.lane.transaction():
                self.lane.run_within(side)
                yield self.lane
        else:
            with self.lane.copy() as copy:
                copy.run(side)
                with copy.session.snapshot():
                    yield copy

    def _side(self, mutant: Mutant) -> Side:
        return self.pair.down._replace(statements=mutant.statements)


def forgotten(lane: Lane, pair: Pair, before: State) -> Count:
    """Let the migration make what its rollback does not know of."""
    together = pair.transactional and not _up_and_down(lane, pair.up, pair.down, before)
    caught, swept, missed = 0, 0, []
    reference = None
    for text in _more(lane, before):
        mutant = with_more(pair.up.statements, text)
        up = pair.up._replace(statements=mutant.statements)
        if together:
            found = _up_and_down(lane, up, pair.down, before)
        else:
            with lane.copy() as copy:
                found = _one_by_one(copy, up, pair.down, before)
        if found:
            caught += 1
            continue
        # A rollback that builds the table anew takes along what it does not know of.
        reference = reference or _script(lane, pair.up, pair.down)
        if _script(lane, up, pair.down) == reference:
            swept += 1
        else:
            missed.append(str(mutant))
    return Count(caught, swept, tuple(missed))


def _script(lane: Lane, *sides: Side) -> Counter[str]:
    """Return the lines of the engine's own dump of a copy in which ``sides`` ran."""
    with lane.copy() as copy:
        for side in sides:
            copy.run(side)
        text = copy.driver.script(copy.session)
    # In which order columns and rows lie is no difference; \\restrict is a dice.
    lines = (line.rstrip(",; ") for line in text.splitlines())
    return Counter(line for line in lines if not line.startswith("\\"))


def _up_and_down(lane: Lane, up: Side, down: Side, before: State) -> list[str]:
    try:
        with lane.transaction():
            lane.run_within(up, down)
            return differences(before, lane.state_within())
    except SqlpairError as error:
        return [str(error)]


def _one_by_one(lane: Lane, up: Side, down: Side, before: State) -> list[str]:
    try:
        lane.run(up)
        lane.run(down)
    except SqlpairError as error:
        return [str(error)]
    return differences(before, lane.state())


def _more(lane: Lane, before: State) -> Iterator[str]:
    with lane.session.snapshot():
        tables = lane.driver.tables(lane.session)
    for table in tables:
        if table.name in before.contents and table.columns:
            yield (
                f"CREATE INDEX sqlpair_forgotten ON {table.name}"
                f" ({table.columns[0].name})"
            )
            yield f"ALTER TABLE {table.name} ADD COLUMN sqlpair_forgotten integer"
            break


def _differ(one: Trial, other: Trial, noise: Sequence[tuple[str, str]]) -> bool:
    if one.state is None or other.state is None:
        return (one.state is None) != (other.state is None)
    return bool(differences(one.state, other.state, noise))


def _noise(one: Trial, other: Trial) -> list[tuple[str, str]]:
    if one.state is None or other.state is None:
        return []
    return unstable(one.state, other.state)


def _is_stillborn(trial: Trial) -> bool:
    """Whether it is no SQL at all, which would be no mistake anybody could make."""
    return "syntax error" in trial.failure or "incomplete input" in trial.failure
