"""``--sql``: the script a deployment would run, for a person to replay.

One script for each database, ledger included. A single one goes to Alembic's output;
several go to ``<database>.sql`` in the working folder, as each needs its own client.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sqlpair import ledger, revisions, sqlfile
from sqlpair.branch import Branch, branches, resolve
from sqlpair.deployment import Place, Step, plan, record
from sqlpair.drivers import Report, driver_of
from sqlpair.errors import HistoryError, UsageError
from sqlpair.settings import Settings
from sqlpair.targets import Destination

WHO = "offline"


def write(
    settings: Settings,
    destination: Destination,
    start: str | None,
    output: IO[str] | None,
    report: Report,
) -> None:
    """Write the scripts from ``start`` (base where None) to ``destination``."""
    places = {
        branch.name: Place(branch, ledger.EMPTY, position)
        for branch in branches(settings)
        if (position := _start(branch, start)) is not None
    }
    if not places:
        raise HistoryError(
            f"no revision is called {start!r}",
            remedy="Revisions are listed by: alembic history",
        )
    targets = destination(places)
    if destination.command == "stamp":
        scripts = {
            name: _stamp(places[name], position) for name, position in targets.items()
        }
    else:
        steps = plan(places, targets)
        scripts = {
            name: _script([step for step in steps if step.branch.name == name])
            for name in targets
            if any(step.branch.name == name for step in steps)
        }
    if len(scripts) == 1 and output is not None:
        output.write(next(iter(scripts.values())))
        return
    for name, script in scripts.items():
        path = Path(f"{name}.sql")
        path.write_text(script, encoding="utf-8")
        report(f"{name}: wrote {path}")


def _start(branch: Branch, start: str | None) -> int | None:
    if start is None:
        return 0
    if start.startswith(("+", "-")):
        raise UsageError(
            "with --sql, a range starts at a revision, not a relative step"
        )
    return resolve(start, branch, 0, upgrade=True)


def _stamp(place: Place, position: int) -> str:
    driver = driver_of(place.branch.database)
    table = driver.table(place.branch.database)
    kept = [
        (item, sqlfile.checksum(item.up.read_bytes()))
        for item in place.branch.migrations[:position]
    ]
    before = place.branch.migrations[: place.position]
    state = ledger.State(
        (), tuple(ledger.unknown(item) for item in before), has_ledger=True
    )
    entry = ledger.Entry(WHO, WHO, "stamp")
    return "\n".join(
        [
            driver.SCRIPT_BEGIN,
            ledger.tables(table),
            ledger.stamped(table, state, kept, entry),
            driver.SCRIPT_COMMIT,
        ]
    )


def _script(steps: Sequence[Step]) -> str:
    from alembic.runtime.migration import MigrationContext

    database = steps[0].branch.database
    driver = driver_of(database)
    table = driver.table(database)
    modules = revisions.load(steps)
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=database.driver, opts={"as_sql": True, "output_buffer": buffer}
    )
    buffer.write(f"{driver.SCRIPT_BEGIN}\n{ledger.tables(table)}")
    for step, module in zip(steps, modules, strict=True):
        path = step.migration.up if step.upgrade else step.migration.down
        file = sqlfile.read(path, driver.split)
        buffer.write(f"\n-- {step}: {step.direction}\n")
        if not file.transactional:
            buffer.write(f"{driver.SCRIPT_COMMIT}\n")

        def body(text: str = sqlfile.body(file)) -> None:
            buffer.write(text if text.endswith("\n") else f"{text}\n")

        revisions.run(step, module, context, body)
        if not file.transactional:
            buffer.write(f"{driver.SCRIPT_BEGIN}\n")
        buffer.write(driver.SCRIPT_RESET)
        entry = ledger.Entry(WHO, WHO, step.direction)
        buffer.write(record(step, file.checksum, table, entry))
    buffer.write(f"{driver.SCRIPT_COMMIT}\n")
    return buffer.getvalue()
