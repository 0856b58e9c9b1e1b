"""Repeatable files at the last version, on rows: all run, and each runs again.

The second run must change neither the schema nor a row: also nothing that another file
made, as the DROP … CASCADE of an edited file would. What a file changed, and how it
leads back, is for its earlier text in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import SqlpairError
from sqlpair.project.branches import Branch
from sqlpair.prove.compare import (
    State,
    row_count,
    row_differences,
    schema_differences,
)
from sqlpair.prove.database import ScratchDatabase, read
from sqlpair.prove.rows import Filler
from sqlpair.prove.seed import Seed
from sqlpair.prove.trial import Reason, Verdict
from sqlpair.runner import migration, repeatable
from sqlpair.runner.migration import Ready
from sqlpair.runner.steps import Step

FIRST = "run"
SECOND = "run again"


class _FirstRun(NamedTuple):
    step: Step
    ready: Ready | None
    problem: str = ""
    effect: bool = False


def verdicts(
    branch: Branch, report: Report, watch: Callable[[str], None]
) -> Iterator[Verdict]:
    """Try each repeatable file of ``branch``, in the order they run."""
    driver = driver_of(branch.database)
    with driver.scratch(branch.database, branch.files, report) as session:
        database = ScratchDatabase(session, report)
        broken = _build(branch, database)
        seed = Seed(branch)
        seed.run(session)
        Filler().fill(session, len(branch.migrations) + 1, only_empty=seed.exists)
        runs = []
        for step in repeatable.steps(branch):
            watch(str(step))
            runs.append(_first(step, database, broken))
        above = database.state()
        for run in runs:
            yield _again(run, database, above)


def _build(branch: Branch, database: ScratchDatabase) -> str:
    """Run every migration; return what keeps the last version from being reached."""
    for pair in read(branch):
        up = pair.up
        if not isinstance(up, Ready):
            return f"{pair.migration.stem} cannot be read"
        try:
            database.run(up)
        except SqlpairError:
            return f"{pair.migration.stem} fails"
    return ""


def _first(step: Step, database: ScratchDatabase, broken: str) -> _FirstRun:
    if broken:
        return _FirstRun(step, None, f"not tried: {broken}")
    before = database.state()
    try:
        (ready,) = migration.read([step])
        migration.Runner(database.session).apply(ready)
    except SqlpairError as error:
        return _FirstRun(step, None, f"{FIRST}: {error}")
    return _FirstRun(step, ready, effect=before != database.state())


def _again(run: _FirstRun, database: ScratchDatabase, above: State) -> Verdict:
    """Run a file again, where all have run; ``above`` is what they made."""
    problems = [run.problem] if run.problem else []
    if run.ready is not None:
        before = database.state()
        try:
            migration.Runner(database.session).apply(run.ready)
        except SqlpairError as error:
            problems = [f"{SECOND}: {error}"]
        else:
            after = database.state()
            # One that makes again what another's second run dropped is not to blame.
            if after != above:
                found = schema_differences(before, after)
                found = found or row_differences(before, after)
                problems = [f"{SECOND}: {line}" for line in found]
    return Verdict(
        run.step.branch.name,
        run.step.migration.stem,
        row_count(above.contents),
        tuple(problems),
        reason=Reason.REPEAT if problems else None,
        effect=run.effect,
    )
