"""sqlpair snapshot: write the schema at head, to be read in a diff."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring.snapshot import snapshots, write
from sqlpair.cli import options, output
from sqlpair.project.settings import load


@click.command("snapshot", cls=options.Command)
@options.database("Of this one only.")
@options.check
@click.pass_obj
def command(config: Path, database: str | None, check: bool) -> None:
    """Write sql/DATABASE/schema.sql: the schema at head, to be read in a diff.

    It is what the files build in a scratch database, in the same order and words each
    time. No migration reads it; it loads into an empty database and gives the same
    schema. Commit it, and let CI run sqlpair snapshot --check.
    """
    settings = load(config)
    names = (database,) if database is not None else ()
    made = snapshots(settings, output.progress, names)
    stale = [item for item in made if item.stale]
    if check:
        sql = settings.root / "sql"
        options.refuse_stale(stale, sql, "snapshot", "the migrations", "snapshot")
    else:
        write(stale)
        for item in stale:
            output.say(output.path(item.path))
    if not stale:
        output.say("Nothing to do: every snapshot is up to date.", "green")
