"""sqlpair import: make another tool's migrations this project's."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sqlpair.authoring.import_history import ImportOutcome, import_history
from sqlpair.cli import options, output
from sqlpair.errors import several
from sqlpair.project.settings import load


@click.command("import", cls=options.Command)
@options.argument(
    "folder",
    "Where the other tool's migrations are.",
    type=click.Path(path_type=Path),
)
@options.database("Which database they are for, where there are several.")
@click.pass_obj
def command(config: Path, folder: Path, database: str | None) -> None:
    """Take over the migrations of another tool.

    It knows those of golang-migrate, dbmate, goose, Flyway, Diesel, Prisma and Sqitch,
    Alembic's revisions, and plain SQL files. Each becomes an SQL pair with the same
    bytes (of a revision that is more than SQL, what Alembic writes of it offline),
    under the next number or its own, and a revision module; what cannot run in a
    transaction gets the header line that says so. The folder stays as it is, and what
    could not be carried over is named, with exit code 1 where a database may be another
    one for it. Run again, it takes what was added since.

    A database that the tool has migrated is then taken over with sqlpair adopt.
    """
    outcome = import_history(load(config), folder, database)
    for pair in outcome.pairs:
        item = pair.migration
        output.say(f"{output.path(item.up)}  of {output.path(pair.source)}")
        if pair.is_late:
            output.say(
                "  is older than what was imported before, and runs behind it", "yellow"
            )
        for line in pair.added:
            output.say(f"  added to {line}", "dim")
    for path, source in outcome.repeatable:
        output.say(f"{output.path(path)}  of {output.path(source)}")
    serious = _say_left(outcome)
    _say_end(outcome)
    if serious or outcome.faults:
        sys.exit(1)


def _say_left(outcome: ImportOutcome) -> bool:
    """Name what was not carried over; say whether any of it matters."""
    without = [p.migration.stem for p in outcome.pairs if not p.has_down]
    if without:
        output.say(
            f"{output.amount(len(without), 'migration')} without a rollback:"
            " nothing undoes them until you write one",
            "yellow",
        )
    paths: dict[tuple[str, bool], list[str]] = {}
    for item in outcome.left:
        paths.setdefault(item[1:], []).append(output.path(item.path))
    for (why, matters), names in paths.items():
        output.say(f"{several(names)}: {why}", "yellow" if matters else "dim")
    for fault in outcome.faults:
        output.say(fault.what, "yellow")
        for line in fault.evidence:
            output.say(f"  {line}")
    for remedy in dict.fromkeys(fault.remedy for fault in outcome.faults):
        for line in remedy.splitlines():
            output.say(f"  {line}", "dim")
    return any(item.matters for item in outcome.left)


def _say_end(outcome: ImportOutcome) -> None:
    if not outcome.pairs and not outcome.repeatable:
        output.say(
            f"Nothing to do: all {outcome.before} migrations are imported.", "green"
        )
        return
    if outcome.repeatable:
        many = output.amount(len(outcome.repeatable), "repeatable file")
        output.say(f"Imported {many}: sqlpair migrate runs them, on any database.")
    if not outcome.pairs:
        return
    first, last = (outcome.pairs[at].migration.stem for at in (0, -1))
    many = output.amount(len(outcome.pairs), "migration")
    output.say(
        f"Imported {many} of {outcome.tool} into {outcome.database}:"
        f" {first} to {last}.",
        "bold green",
    )
    output.say(f"A database that they ran in: sqlpair adopt {outcome.database}")
