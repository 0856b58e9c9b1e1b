"""sqlpair revisions: write the revision modules of SQL pairs that have none."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring import scaffold
from sqlpair.cli import options, output
from sqlpair.project.settings import load


@click.command("revisions", cls=options.Command)
@click.pass_obj
def command(config: Path) -> None:
    """Write a revision module for every SQL pair that has none.

    Alembic needs one for each; they hold no SQL and no logic. Existing files stay.
    """
    settings = load(config)
    written = scaffold.write_revisions(settings)
    for path in written:
        output.say(output.path(path))
    if not written:
        output.say("Nothing to do: every SQL pair has its revision module.", "green")
