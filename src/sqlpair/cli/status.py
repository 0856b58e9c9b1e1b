"""sqlpair status: list what is applied and what is pending."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.runner.repeatable import FileState, RepeatableFile

if TYPE_CHECKING:
    from sqlpair.deploy.status import DatabaseStatus


@click.command("status", cls=members.OverMembers)
@click.option(
    "--exit-code",
    "strict",
    is_flag=True,
    help="Exit with 1 also when migrations are pending or a schema has drifted.",
)
@options.json
@click.pass_obj
def command(config: Path, strict: bool, json: bool) -> None:
    """List what is applied in each database, and what is pending.

    When and by whom each migration was applied, how long it took, in which
    deployment, and whether its files were edited since. Pending migrations are no
    problem; anything that does not fit is, and makes the exit code 1, a transaction in
    doubt for example. With --exit-code a pending migration makes it 1 too, and so does
    whatever sqlpair verify finds, which is run then.
    """
    project = sqlpair.open(config, progress=output.progress)
    found = project.status()
    if strict:
        found = found.with_problems(project.verify().problems)
    if json:
        output.dump(found.to_json())
    else:
        for database in found.databases:
            _show(database)
        output.problems(found.problems)
        output.say(_closing(found), "bold")
    if found.problems or (strict and (found.pending or found.repeats)):
        sys.exit(1)


def _show(database: DatabaseStatus) -> None:
    output.say(database.name, "bold")
    if not database.applied and not database.pending and not database.repeatable:
        output.say("  no migrations")
    rows: list[tuple[output.Cell, ...]] = [
        (
            [
                (row.stem, ""),
                (_edited(row.number, database), "yellow"),
            ],
            row.applied_at[:19],
            output.duration(row.milliseconds),
            row.method,
            row.applied_by,
            row.deployment,
        )
        for row in database.applied
    ]
    rows += [
        (item.stem, ("pending", "yellow"), "", "", "", "") for item in database.pending
    ]
    rows += [_repeatable(file) for file in database.repeatable]
    if rows:
        output.table(
            ("migration", "applied (UTC)", "took.", "how", "by", "deployment"),
            rows,
        )
    output.say()


def _repeatable(file: RepeatableFile) -> tuple[output.Cell, ...]:
    words = {
        FileState.NEW: "pending",
        FileState.CHANGED: "pending: changed",
        FileState.GONE: "its file is gone",
    }
    name, row = file.stem, file.row
    if row is None or file.state is FileState.NEW:
        return (name, (words[FileState.NEW], "yellow"), "", "", "", "")
    at: output.Cell = row.applied_at[:19]
    if file.pending:
        at = (words[file.state], "yellow")
    took = output.duration(row.milliseconds)
    return (name, at, took, "upgrade", row.applied_by, row.deployment)


def _edited(number: int, database: DatabaseStatus) -> str:
    words = {
        "SQL file": " edited",
        "rollback file": " rollback edited",
        "revision module": " module edited",
    }
    said = (word for kind, word in words.items() if (number, kind) in database.edited)
    return ",".join(said)


def _closing(found: sqlpair.Status) -> str:
    said = [f"Schema version {found.version}", "nothing is pending"]
    what = [output.amount(len(found.pending), "migration")] * bool(found.pending)
    what += [output.amount(found.repeats, "repeatable file")] * bool(found.repeats)
    if what:
        said[1] = f"{' and '.join(what)} pending: sqlpair migrate"
    if found.problems:
        said.append(output.amount(len(found.problems), "problem"))
    return f"{'; '.join(said)}."
