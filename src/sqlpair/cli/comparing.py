"""Commands that compare databases with what the files build: verify, adopt."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from sqlpair.cli import options, output
from sqlpair.deploy.adopt import Recognised, Untouched, choose, examine, refuse_unlike
from sqlpair.deploy.adopt import adopt as record
from sqlpair.deploy.force_version import number_of
from sqlpair.project.settings import load
from sqlpair.verify import Verified
from sqlpair.verify import verify as find_problems


@click.command(cls=options.Command)
@options.database("Look at this one only.")
@options.json
@click.pass_obj
def verify(config: Path, database: str | None, json: bool) -> None:
    """Check that each database is what its files say. Exit code 1 if one is not.

    Files: what was applied is what the SQL files hold. Versions: alembic_version, the
    ledger and SCHEMA_VERSION agree, and their tables were not altered. Schema: tables,
    indexes, functions and all else are what the files build in a scratch database;
    owners and privileges, too, with privileges = true in [tool.sqlpair] of
    pyproject.toml. Assertions: the _verify.sql of applied migrations return no row.
    References: SQLite's foreign keys hold, and [tool.sqlpair.references] across
    databases. Nothing is changed.
    """
    settings = load(config)
    names = (database,) if database else ()
    with output.bar() as progress:
        found = find_problems(settings, output.progress, names, progress)
    if json:
        output.dump(_json(found))
    else:
        _tell(found)
    if found.problems:
        sys.exit(1)


@click.command(cls=options.Command)
@options.database("Look at this one only.")
@click.option(
    "--at",
    metavar="N",
    help="The version it is, where migrations leave no trace in the schema.",
)
@options.yes
@click.pass_obj
def adopt(config: Path, database: str | None, at: str | None, yes: bool) -> None:
    """Take over a database that has tables, and no record of which migrations ran.

    Its schema is compared with what the files build at every version. If it is one of
    them, and you agree, alembic_version and the ledger say so from then on. Objects
    that no version makes count for nothing. If it is none of them, the differences
    from the nearest one are shown, and nothing is written. No migration runs.
    """
    settings = load(config)
    number = None if at is None else number_of(at)
    found = examine(settings, output.progress, (database,) if database else ())
    for item in found:
        if isinstance(item, Untouched):
            output.say(f"{item.branch.name}: {item.why}")
        elif isinstance(item, Recognised):
            output.say(f"{item.branch.name}: is {' or '.join(item.heads)}", "bold")
            if item.others:
                output.say(f"  no version makes: {', '.join(item.others)}", "dim")
    refuse_unlike(found)
    positions = choose(found, number)
    if not positions:
        output.say("Nothing to adopt.", "green")
        return
    output.agree("Record that? No migration runs.", yes=yes)
    outcome = record(settings, found, positions, output.progress)
    output.say(f"Adopted: schema version {outcome.version}.", "bold green")


def _tell(found: Verified) -> None:
    output.table(
        ("database", "is at", ""),
        [
            (item.name, item.head, (_pending(item.pending), "yellow"))
            for item in found.databases
        ],
    )
    output.say()
    for kind, problems in groupby(found.problems, lambda problem: problem.kind):
        output.say(f"{kind}", "bold")
        output.problems(list(problems))
    if found.problems:
        output.say(f"{output.count(len(found.problems), 'problem')}.", "bold yellow")
    else:
        output.say(
            "Files, versions, schema, assertions and references: no problems found.",
            "bold green",
        )


def _pending(stems: tuple[str, ...]) -> str:
    return f"{len(stems)} pending: {', '.join(stems)}" if stems else ""


def _json(found: Verified) -> dict[str, Any]:
    return {
        "ok": not found.problems,
        "databases": {
            item.name: {"head": item.head, "pending": list(item.pending)}
            for item in found.databases
        },
        "problems": [problem._asdict() for problem in found.problems],
    }
