"""``--sql``: the script a deployment would run, for a person to replay.

One script for each database, ledger included. A single one goes to Alembic's output;
several go to ``<database>.sql`` in the working folder, as each needs its own client,
and the output says so. No database is opened, so a script begins by checking where the
database is. It stops at the first failure, and records nothing that failed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sqlpair.authoring.file_changes import FileChanges
from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Driver, Report
from sqlpair.databases.quoting import quote
from sqlpair.deploy.targets import Destination, parse, positions
from sqlpair.errors import SettingsError, UsageError
from sqlpair.ledger import repeatable as repeatable_ledger
from sqlpair.ledger import tables, write_sql
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Settings
from sqlpair.runner import applied_files, repeatable, revision_modules
from sqlpair.runner.migration import Ready, of_pair, read_file
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Step, plan, record

DEPLOYMENT = "offline"
# Fails in either client: who runs it takes it for the migrations.
INSTEAD = """\
-- No migration is in here. Each database has a script for its own client:
{files}-- The script of one database comes here: alembic upgrade NAME@head --sql
SELECT * FROM the_scripts_named_above;
"""

EARLIER = """
-- The texts that repeatable files had before are in the database's ledger, which a
-- script cannot read: they do not run here. What the files made stays as it is.
"""


def write(
    settings: Settings,
    destination: Destination,
    start: str | None,
    output: IO[str],
    report: Report,
) -> None:
    """Write the scripts from ``start`` (base where None) to ``destination``.

    A start that names a database or a revision leaves the other databases out.
    """
    statuses = _statuses(settings, destination, start)
    targets = destination(statuses)
    if destination.command == "stamp":
        scripts = {
            name: _stamp(statuses[name], position) for name, position in targets.items()
        }
    else:
        steps = plan(statuses, targets)
        scripts = {
            name: _script(statuses[name], mine, targets[name])
            for name in targets
            if (mine := [step for step in steps if step.branch.name == name])
        }
    if not scripts:
        report("Nothing to do: the range holds no migration")
    elif len(scripts) == 1:
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(encoding="utf-8")  # as SQL files are, in any locale
        output.write(next(iter(scripts.values())))
    else:
        _write_files(scripts)
        report(f"wrote {' and '.join(f'{name}.sql' for name in scripts)}")
        output.write(INSTEAD.format(files="".join(f"--   {n}.sql\n" for n in scripts)))


def _statuses(
    settings: Settings, destination: Destination, start: str | None
) -> BranchStatuses:
    known = branches(settings)
    if start is None:
        return {branch.name: BranchStatus(branch, tables.EMPTY, 0) for branch in known}
    address = parse(start)
    if not address.revision:
        raise UsageError(
            f"the range starts at {start}, which depends on a database",
            remedy="With --sql a range starts at base or a revision: base:head",
        )
    starts = positions(address, known)
    for end in destination.addresses:
        if end.database and settings.database(end.database).name not in starts:
            raise UsageError(
                f"{start}:{end.text} starts in {' and '.join(starts)}, and ends in"
                f" {end.database}",
                remedy="Let a range be of one database.",
            )
    return {
        branch.name: BranchStatus(branch, tables.EMPTY, starts[branch.name])
        for branch in known
        if branch.name in starts
    }


def _write_files(scripts: dict[str, str]) -> None:
    """Write each to a file of its own; SettingsError where one is there already."""
    names = " or ".join(f"{name}@head" for name in scripts)
    remedy = (
        "Run the command in another folder, or move away what is there. The script of"
        f" one\ndatabase goes to stdout: name it, {names}."
    )
    with FileChanges("the scripts cannot be written", remedy, SettingsError) as files:
        for name, script in scripts.items():
            files.create(Path(f"{name}.sql").absolute(), script.encode())


def _stamp(status: BranchStatus, position: int) -> str:
    driver = driver_of(status.branch.database)
    table = driver.table(status.branch.database)
    revision_modules.load(
        [Step(status.branch, m, upgrade=True) for m in status.branch.migrations]
    )
    kept = applied_files.present_up_to(status.branch, position)
    return "".join(
        [
            driver.SCRIPT_HEADER,
            driver.SCRIPT_BEGIN,
            _tables(table),
            write_sql.stamped(table, kept, _entry("stamp")),
            driver.SCRIPT_COMMIT,
        ]
    )


def _script(status: BranchStatus, steps: Sequence[Step], target: int) -> str:
    from alembic.runtime.migration import MigrationContext

    database = status.branch.database
    driver = driver_of(database)
    table = driver.table(database)
    modules = revision_modules.load(steps)
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=database.driver,
        # Or what a module says with Alembic's op would have its % doubled.
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": buffer},
    )
    buffer.write(driver.SCRIPT_HEADER + _variables(status.branch, steps, driver))
    buffer.write(driver.SCRIPT_BEGIN + _tables(table))
    buffer.write(_guard(table, status.branch.migrations[: status.position]))
    for step, module in zip(steps, modules, strict=True):
        path = step.migration.up if step.upgrade else step.migration.down
        file = sql_file.read(path, driver.split)
        buffer.write(f"\n-- {step}: {step.direction}\n")
        if not file.transactional:
            buffer.write(driver.SCRIPT_COMMIT)

        def body(text: str = sql_file.body(file)) -> None:
            buffer.write(text if text.endswith("\n") else f"{text}\n")

        revision_modules.run(step, module, context, body)
        if not file.transactional:
            buffer.write(driver.SCRIPT_BEGIN)
        buffer.write(driver.SCRIPT_RESET)
        files = applied_files.of_ready(Ready(step, file, module))
        own = (step, files, _entry(step.direction))
        buffer.write(record([own], table))
        if not file.transactional:  # what it did stays, whatever fails after it
            buffer.write(driver.SCRIPT_COMMIT + driver.SCRIPT_BEGIN)
    if steps[-1].upgrade and target == len(status.branch.migrations):
        buffer.write(_repeatable(status.branch, driver, table))
    elif not steps[-1].upgrade and status.branch.repeatable:
        buffer.write(EARLIER)
    buffer.write(driver.SCRIPT_COMMIT)
    return buffer.getvalue()


def _variables(branch: Branch, steps: Sequence[Step], driver: Driver) -> str:
    """Return what a script begins with whose files use variables."""
    repeated = repeatable.steps(branch) if steps[-1].upgrade else []
    files = [read_file(step) for step in (*steps, *repeated)]
    names = sorted({name for file in files for name in file.used})
    return driver.script_variables(names) if names else ""


def _repeatable(branch: Branch, driver: Driver, table: BookkeepingSQL) -> str:
    """Return the SQL of all repeatable files: a script cannot look what has changed."""
    script = repeatable_ledger.table(table) if branch.repeatable else ""
    for step in repeatable.steps(branch):
        ready = of_pair(step, read_file(step))
        text = sql_file.body(ready.file)
        script += f"\n-- {ready.step}\n{text}" + "\n" * (not text.endswith("\n"))
        script += driver.SCRIPT_RESET
        one = repeatable.ReadyRepeat(repeatable.Repeat(ready.step), ready)
        script += repeatable.record([(one, (), _entry("upgrade"))], table)
    return script


def _entry(method: str) -> write_sql.Entry:
    return write_sql.Entry(DEPLOYMENT, DEPLOYMENT, method)


def _tables(table: BookkeepingSQL) -> str:
    """Return ``tables``, and what completes a ledger of the documented columns.

    A script cannot look first what there is.
    """
    own_table = table.ledger
    names = [name for name, _ in tables.EXTRA_COLUMNS]
    if table.add_column:
        widen = "".join(
            f"ALTER TABLE {own_table} {table.add_column} {name} {kind};\n"
            for name, kind in tables.EXTRA_COLUMNS
        )
    else:
        # A name that the ledger lacks is looked up one level further out, where it
        # is NULL: so each row keeps what it has.
        own = "".join(
            f", (SELECT {name} FROM {own_table} AS own WHERE own.rowid = old.place)"
            for name in names
        )
        nulls = "".join(f", NULL AS {name}" for name in names)
        widen = (
            "-- Its rows stay; a ledger of other programs gets the columns it lacks.\n"
            "CREATE TEMP TABLE kept_ledger AS SELECT id, version, migration_name,"
            f" applied_at{own} FROM (SELECT rowid AS place, id, version,"
            f" migration_name, applied_at{nulls} FROM {own_table}) AS old"
            " ORDER BY place;\n"
            f"DROP TABLE {own_table};\n"
            f"CREATE TABLE {own_table} {tables.columns(table)};\n"
            f"INSERT INTO {own_table} SELECT * FROM temp.kept_ledger;\n"
            "DROP TABLE temp.kept_ledger;\n"
        )
    return tables.tables(table) + widen


def _guard(table: BookkeepingSQL, below: Sequence[Migration]) -> str:
    """Return the SQL that fails unless just ``below`` is applied."""
    version_table = table.version
    head = below[-1].revision if below else ""
    found = f"EXISTS (SELECT 1 FROM {version_table}"
    wrong = f"NOT {found} WHERE version_num = {quote(head)})" if below else f"{found})"
    return (
        f"-- Fails unless the database is at {head or 'base'}, where this begins.\n"
        f"INSERT INTO {version_table} (version_num) SELECT NULL WHERE {wrong}"
        f" OR (SELECT count(DISTINCT version) FROM {table.ledger})"
        f" <> {len(below)};\n"
    )
