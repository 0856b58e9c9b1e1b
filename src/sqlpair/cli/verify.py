"""sqlpair verify: check that each database is what its files say."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.errors import several


@click.command("verify", cls=members.OverMembers)
@options.database("Look at this one only.")
@options.json
@click.pass_obj
def command(config: Path, database: str | None, json: bool) -> None:
    """Check that each database is what its files say. Exit code 1 if one is not.

    Files: what was applied is what the SQL files hold, and the rollbacks and revision
    modules are as they were then. Versions: alembic_version, the ledger and
    SCHEMA_VERSION agree, their tables were not altered, and no deployment is in doubt
    or half done. Schema: tables, indexes, functions and all else are what the files
    build in a scratch database; owners and privileges, too, with privileges = true in
    [tool.sqlpair] of pyproject.toml. Assertions: the _verify.sql of applied migrations
    return no row. References: SQLite's foreign keys hold, and [tool.sqlpair.references]
    across databases. Nothing is changed.
    """
    project = sqlpair.open(config, progress=output.progress)
    found = project.verify([database] if database is not None else None)
    if json:
        output.dump(found.to_json())
    else:
        _tell(found)
    if found.problems:
        sys.exit(1)


def _tell(found: sqlpair.Verified) -> None:
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
        output.say(f"{output.amount(len(found.problems), 'problem')}.", "bold yellow")
    else:
        output.say(
            "Files, versions, schema, assertions and references: no problems found.",
            "bold green",
        )


def _pending(stems: tuple[str, ...]) -> str:
    return f"{len(stems)} pending: {several(stems, 3)}" if stems else ""
