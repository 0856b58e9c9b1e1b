"""sqlpair adopt: take over a database that has tables and no records."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.deploy.adopt import adopt, choose
from sqlpair.deploy.force_version import number_of
from sqlpair.errors import several
from sqlpair.ledger.position import foreign
from sqlpair.project.settings import load
from sqlpair.verify.recognise import Recognised, Untouched, examine, refuse_unlike


@click.command("adopt", cls=options.Command)
@options.database("Look at this one only.")
@click.option(
    "--at",
    metavar="N",
    help="The version it is, where it is not the highest that fits.",
)
@options.yes
@click.pass_obj
def command(config: Path, database: str | None, at: str | None, yes: bool) -> None:
    """Take over a database that has tables, and no record of which migrations ran.

    Its schema is compared with what the files build at every version. If it is one of
    them, and you agree, alembic_version and the ledger say so from then on. Where
    several fit, because migrations leave no trace in the schema, it is the highest.
    Where the migrations were imported from another tool and the database has that
    tool's record of them, that says which version it is, and the schema has to agree.
    Objects that no version makes count for nothing. If it is none of them, the
    differences from the nearest one are shown, and nothing is written. No migration
    runs.
    """
    settings = load(config)
    number = None if at is None else number_of(at)
    found = examine(settings, output.progress, (database,) if database else (), number)
    refuse_unlike(found)
    positions = choose(found, number)
    for item in found:
        if isinstance(item, Untouched):
            output.say(f"{item.branch.name}: {item.why}")
        elif isinstance(item, Recognised):
            _say(item, positions[item.branch.name])
    if not positions:
        output.say("Nothing to adopt.", "green")
        return
    output.agree("Record that? No migration runs.", yes=yes)
    outcome = adopt(settings, found, positions, output.progress)
    output.say(f"Adopted: schema version {outcome.version}.", "bold green")


def _say(item: Recognised, position: int) -> None:
    branch = item.branch
    record = item.record
    by = f", as {record.table} says" if record else ""
    output.say(f"{branch.name}: is {branch.migrations[position - 1].stem}{by}", "bold")
    if record and record.unknown:
        output.say(
            f"  {record.table} also names {several(record.unknown)},"
            " which no migration here is",
            "yellow",
        )
    *lower, highest = item.positions
    if lower and position == highest:
        last = branch.migrations[lower[-1] - 1]
        output.say(
            f"  has the same schema as {several(item.heads[:-1])}; if what came after"
            f" {last.stem} did not run:",
            "yellow",
        )
        output.say(f"  sqlpair adopt {branch.name} --at {last.number}", "yellow")
    if theirs := foreign(branch, item.state):
        output.say(
            f"  alembic_version says {several(theirs)}, of another Alembic project;"
            " it is replaced, and kept in the history",
            "yellow",
        )
    if item.others:
        output.say(f"  no version makes: {several(item.others, 20)}", "dim")
