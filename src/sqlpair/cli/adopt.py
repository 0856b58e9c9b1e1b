"""sqlpair adopt: take over a database that has tables and no records."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.errors import several


@click.command("adopt", cls=members.OverMembers)
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
    project = sqlpair.open(config, progress=output.progress)

    def agree(found: tuple[sqlpair.Recognition, ...]) -> bool:
        for item in found:
            _say(item)
        output.agree("Record that? No migration runs.", yes=yes)
        return True

    number = None if at is None else options.number_of(at)
    adopted = project.adopt(
        [database] if database is not None else None, number, agree=agree
    )
    if adopted.deployed is None:
        for item in adopted.found:
            _say(item)
        output.say("Nothing to adopt.", "green")
        return
    output.say(f"Adopted: schema version {adopted.deployed.version}.", "bold green")


def _say(item: sqlpair.Recognition) -> None:
    if item.why:
        output.say(f"{item.database}: {item.why}")
        return
    by = f", as {item.record} says" if item.record else ""
    output.say(f"{item.database}: is {item.migration}{by}", "bold")
    if item.unknown:
        output.say(
            f"  {item.record} also names {several(item.unknown)},"
            " which no migration here is",
            "yellow",
        )
    if item.lower:
        last = item.lower[-1]
        output.say(
            f"  has the same schema as {several(item.lower)}; if what came after"
            f" {last} did not run:",
            "yellow",
        )
        number = int(last.partition("_")[0])
        output.say(f"  sqlpair adopt {item.database} --at {number}", "yellow")
    if item.replaces:
        output.say(
            f"  alembic_version says {several(item.replaces)}, which no file here is;"
            " it is replaced, and kept in the history",
            "yellow",
        )
    if item.differs:
        more = ["…"] if item.differs[20:] else []
        text = "\n".join([*item.differs[:20], *more])
        output.say(indent(text, "  "), "yellow")
        output.say(
            "  From now on, sqlpair verify tells that. If it is meant, put it into a"
            " new migration.",
            "yellow",
        )
    if item.others:
        output.say(f"  no version makes: {several(item.others, 20)}", "dim")
