"""sqlpair revisions: write the revision modules of SQL pairs that have none."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring import scaffold
from sqlpair.authoring.adapt import adapt
from sqlpair.cli import options, output
from sqlpair.project.settings import load
from sqlpair.runner.migration import together


@click.command("revisions", cls=options.Command)
@click.option(
    "--adapt",
    "adapting",
    is_flag=True,
    help="Also write the header lines without which SQL files cannot run.",
)
@click.pass_obj
def command(config: Path, adapting: bool) -> None:
    """Write a revision module for every SQL pair that has none.

    Alembic needs one for each; they hold no SQL and no logic. Existing files stay. With
    --adapt, each SQL file that cannot run in a transaction gets the header that says
    so, and no statement is touched: for a history that another tool has run.
    """
    settings = load(config)
    written = scaffold.write_revisions(settings)
    for path in written:
        output.say(output.path(path))
    adapted, faults = adapt(settings) if adapting else ([], [])
    for item in adapted:
        output.say(f"{output.path(item.path)}: {item.header}")
        output.say(f"  {item.why}", "dim")
    if faults:
        raise together(faults)
    if not written and not adapted:
        output.say("Nothing to do: every SQL pair has its revision module.", "green")
