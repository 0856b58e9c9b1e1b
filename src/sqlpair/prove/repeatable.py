"""Repeatable files at the last version, on rows: each runs, and runs again.

The second run must change neither the schema nor a row. What a file changed, and how it
leads back, is for its earlier text in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import SqlpairError
from sqlpair.project.branches import Branch
from sqlpair.prove.compare import amount, row_differences, schema_differences
from sqlpair.prove.database import Half, ScratchDatabase, read
from sqlpair.prove.rows import Filler
from sqlpair.prove.seed import Seed
from sqlpair.prove.trial import Reason, Verdict
from sqlpair.runner import migration, repeatable
from sqlpair.runner.steps import Step

FIRST = "run"
SECOND = "run again"


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
        for step in repeatable.steps(branch):
            watch(str(step))
            yield _try(step, database, broken)


def _build(branch: Branch, database: ScratchDatabase) -> str:
    """Run every migration; return what keeps the last version from being reached."""
    for pair in read(branch):
        up = pair.up
        if not isinstance(up, Half):
            return f"{pair.migration.stem} cannot be read"
        try:
            database.run(up)
        except SqlpairError:
            return f"{pair.migration.stem} fails"
    return ""


def _try(step: Step, database: ScratchDatabase, broken: str) -> Verdict:
    before = after = again = database.state()
    problems: list[str] = []
    if broken:
        problems = [f"not tried: {broken}"]
    said = FIRST
    try:
        if not broken:
            (ready,) = migration.read([step])
            runner = migration.Runner(database.session)
            runner.apply(ready)
            after = database.state()
            said = SECOND
            runner.apply(ready)
            again = database.state()
    except SqlpairError as error:
        problems.append(f"{said}: {error}")
    else:
        found = schema_differences(after, again) or row_differences(after, again)
        problems += [f"{SECOND}: {line}" for line in found]
    return Verdict(
        step.branch.name,
        step.migration.stem,
        amount(again.contents),
        tuple(problems),
        reason=Reason.REPEAT if problems else None,
        effect=before != after,
    )
