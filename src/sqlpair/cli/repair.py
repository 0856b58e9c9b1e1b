"""sqlpair repair: accept applied migrations that were edited."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import members, options, output
from sqlpair.deploy.repair import edits, repair
from sqlpair.project.settings import load


@click.command("repair", cls=members.OfMember)
@options.yes
@click.pass_obj
def command(config: Path, yes: bool) -> None:
    """Accept applied migrations whose files were edited since.

    Their SQL file, rollback or revision module. Shows each one with the recorded and
    the present checksum, asks, and records the present ones, and the rollback as it is
    now. No SQL runs: the databases keep what the old text made of them. It is meant for
    an edit that changes nothing, a comment for example, and for a rollback that was
    corrected; a real change of what was applied belongs into a new migration.
    """
    settings = load(config)
    edited = edits(settings, output.progress)
    if not edited:
        output.say(
            "Nothing to repair: every applied migration is as its file.", "green"
        )
        return
    output.table(
        ("database", "migration", "file", "applied", "recorded", "file now"),
        [
            (
                edit.migration.database,
                edit.migration.stem,
                edit.file,
                edit.applied_at[:19],
                edit.recorded[:12],
                (edit.now[:12], "yellow"),
            )
            for edit in edited
        ],
    )
    output.agree("Record the checksums of the files as they are now?", yes=yes)
    repair(settings, edited, output.progress)
    output.say(
        f"Repaired: {output.count(len(edited), 'checksum')} recorded.", "bold green"
    )
