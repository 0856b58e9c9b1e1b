"""Mutation testing of prove: does it notice a rollback with one thing wrong?

A mutant is caught when it fails, or when the comparisons of prove see a difference. One
that is not caught is held to the engine's own dump, which this project had no hand in:
where the dump after the mutant is the dump after the real rollback, line by line, what
is wrong with it has no effect (a LOCK TABLE, or what a later DROP TABLE takes anyway).
Any other was missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from mutate import Mutant, mutants, with_more
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql.clone import dumped
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.project.statement import Statement
from sqlpair.prove.compare import (
    State,
    row_differences,
    schema_differences,
    unstable_columns,
)
from sqlpair.prove.database import Pair, ScratchDatabase, read
from sqlpair.prove.rows import Filler
from sqlpair.prove.seed import Seed
from sqlpair.runner.migration import Ready


class Trial(NamedTuple):
    """What came of a rollback: the failure, or the state it led to."""

    failure: str
    state: State | None


class Count(NamedTuple):
    """How many mutants were caught, how many have no effect, and the ones missed."""

    caught: int = 0
    without_effect: int = 0
    missed: tuple[str, ...] = ()


def nobody(_line: object) -> None:
    pass


def mutated(settings: Settings, database: str) -> dict[str, Count]:
    """Try every mutant of every rollback, lowest migration first."""
    (branch,) = (b for b in branches(settings) if b.name == database)
    files = [path for item in branch.migrations for path in (item.up, item.down)]
    counts = {}
    with driver_of(branch.database).scratch(branch.database, files, nobody) as session:
        scratch, seed, filler = ScratchDatabase(session, nobody), Seed(branch), Filler()
        for number, pair in enumerate(read(branch), start=1):
            before = scratch.state()
            forgetting = forgotten(scratch, pair, before)
            up, _ = halves(pair)
            scratch.run(up)
            rollback = Rollback(scratch, pair, before)
            rollback.without_rows()
            seed.run(session)
            filler.fill(session, number, only_empty=seed.exists)
            rollback.on_rows()
            counts[pair.migration.stem] = added(forgetting, rollback.count())
    return counts


def added(one: Count, other: Count) -> Count:
    return Count(
        one.caught + other.caught,
        one.without_effect + other.without_effect,
        one.missed + other.missed,
    )


def halves(pair: Pair) -> tuple[Ready, Ready]:
    assert isinstance(pair.up, Ready)
    assert isinstance(pair.down, Ready)
    return pair.up, pair.down


def statements_of(half: Ready) -> tuple[Statement, ...]:
    return tuple(sql_file.statements(half.file))


def with_statements(half: Ready, mutant: Mutant) -> Ready:
    text = half.file.text if mutant.statements else ""
    file = half.file._replace(text=text, kept=mutant.statements, left_out=())
    return half._replace(file=file)


class Rollback:
    """The mutants of one migration's rollback, where the migration is applied."""

    def __init__(self, scratch: ScratchDatabase, pair: Pair, before: State):
        self.scratch = scratch
        _, self.down = halves(pair)
        self.before = before
        self.caught = 0
        self.missed: list[Mutant] = []
        self.same: list[Mutant] = []

    def without_rows(self) -> None:
        """Try every mutant where nothing was added above the migration."""
        reference = None
        for mutant in mutants(statements_of(self.down)):
            trial = self.attempt(mutant)
            if is_no_sql(trial):
                continue
            if trial.state is None or differences(self.before, trial.state):
                self.caught += 1
                continue
            reference = reference or script(self.scratch, self.down)
            if script(self.scratch, self.mutated(mutant)) == reference:
                self.same.append(mutant)
            else:
                self.missed.append(mutant)

    def on_rows(self) -> None:
        """Try again what is left where the migration's own tables have rows."""
        expected = self.attempt(None)
        unstable = unstable_of(expected, self.attempt(None))
        for left in (self.same, self.missed):
            for mutant in list(left):
                if differ(expected, self.attempt(mutant), unstable):
                    left.remove(mutant)
                    self.caught += 1

    def count(self) -> Count:
        missed = tuple(str(mutant) for mutant in self.missed)
        return Count(self.caught, len(self.same), missed)

    def attempt(self, mutant: Mutant | None) -> Trial:
        """Run a mutant, or the rollback as it is, and leave no trace."""
        half = self.mutated(mutant) if mutant else self.down
        try:
            with self.after(half) as state:
                return Trial("", state)
        except SqlpairError as error:
            return Trial(str(error), None)

    @contextmanager
    def after(self, half: Ready) -> Iterator[State]:
        if half.file.transactional:
            with rolled_back(self.scratch):
                run_within(self.scratch, half)
                yield self.scratch.state()
        else:
            with self.scratch.copy() as copy:
                copy.run(half)
                yield copy.state()

    def mutated(self, mutant: Mutant) -> Ready:
        return with_statements(self.down, mutant)


def forgotten(scratch: ScratchDatabase, pair: Pair, before: State) -> Count:
    """Let the migration make what its rollback does not know of."""
    up, down = halves(pair)
    together = up.file.transactional and down.file.transactional
    caught, without_effect, missed = 0, 0, []
    reference = None
    for text in more(scratch, before):
        mutant = with_more(statements_of(up), text)
        bigger = with_statements(up, mutant)
        if together:
            found = up_and_down(scratch, bigger, down, before)
        else:
            with scratch.copy() as copy:
                found = one_by_one(copy, bigger, down, before)
        if found:
            caught += 1
            continue
        # A rollback that rebuilds the table takes along what it does not know of.
        reference = reference or script(scratch, up, down)
        if script(scratch, bigger, down) == reference:
            without_effect += 1
        else:
            missed.append(str(mutant))
    return Count(caught, without_effect, tuple(missed))


def differences(
    expected: State, actual: State, unstable: Sequence[tuple[str, str]] = ()
) -> list[str]:
    found = schema_differences(expected, actual)
    return found or row_differences(expected, actual, unstable)


@contextmanager
def rolled_back(scratch: ScratchDatabase) -> Iterator[None]:
    scratch.session.begin()
    try:
        yield
    finally:
        scratch.session.rollback()


def run_within(scratch: ScratchDatabase, *halves: Ready) -> None:
    """Run migrations' files in the open transaction."""
    for half in halves:
        scratch.session.run(statements_of(half), half.file.path)
        scratch.session.check()


def script(scratch: ScratchDatabase, *halves: Ready) -> Counter[str]:
    """The lines of the engine's own dump of a copy in which ``halves`` ran."""
    with scratch.copy() as copy:
        for half in halves:
            copy.run(half)
        session: Any = copy.session
        if session.database.driver == "postgresql":
            text = dumped(session)
        else:
            text = "\n".join(session.raw.iterdump())
    # The order of columns and rows is no difference; \\restrict has a random word.
    lines = (line.rstrip(",; ") for line in text.splitlines())
    return Counter(line for line in lines if not line.startswith("\\"))


def up_and_down(
    scratch: ScratchDatabase, up: Ready, down: Ready, before: State
) -> list[str]:
    try:
        with rolled_back(scratch):
            run_within(scratch, up, down)
            return differences(before, scratch.state())
    except SqlpairError as error:
        return [str(error)]


def one_by_one(
    scratch: ScratchDatabase, up: Ready, down: Ready, before: State
) -> list[str]:
    try:
        scratch.run(up)
        scratch.run(down)
    except SqlpairError as error:
        return [str(error)]
    return differences(before, scratch.state())


def more(scratch: ScratchDatabase, before: State) -> Iterator[str]:
    with scratch.session.snapshot():
        tables = scratch.driver.tables(scratch.session)
    for table in tables:
        if table.name in before.contents and table.columns:
            yield (
                f"CREATE INDEX sqlpair_forgotten ON {table.name}"
                f" ({table.columns[0].name})"
            )
            yield f"ALTER TABLE {table.name} ADD COLUMN sqlpair_forgotten integer"
            break


def differ(one: Trial, other: Trial, unstable: Sequence[tuple[str, str]]) -> bool:
    if one.state is None or other.state is None:
        return (one.state is None) != (other.state is None)
    return bool(differences(one.state, other.state, unstable))


def unstable_of(one: Trial, other: Trial) -> list[tuple[str, str]]:
    if one.state is None or other.state is None:
        return []
    return unstable_columns(one.state, other.state)


def is_no_sql(trial: Trial) -> bool:
    """Whether the mutant is no SQL at all: a mistake that nobody could make."""
    return "syntax error" in trial.failure or "incomplete input" in trial.failure
