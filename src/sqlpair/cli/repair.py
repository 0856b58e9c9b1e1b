"""sqlpair repair: accept applied migrations that were edited, renamed, squashed."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import members, options, output
from sqlpair.deploy.repair import Repairs, repair, repairs
from sqlpair.project.settings import load


@click.command("repair", cls=members.OfMember)
@options.yes
@click.pass_obj
def command(config: Path, yes: bool) -> None:
    """Accept applied migrations whose files were edited, renamed or squashed since.

    Their SQL file, rollback or revision module. Shows each one with the recorded and
    the present checksum, asks, and records the present ones, and the rollback as it is
    now. No SQL runs: the databases keep what the old text made of them. It is meant for
    an edit that changes nothing, a comment for example, and for a rollback that was
    corrected; a real change of what was applied belongs into a new migration.

    A file with the recorded text is accepted under another name or number, as long as
    the order is kept. Where migrations were squashed, the ledger of a database that has
    all of them names the one that replaces them instead.
    """
    settings = load(config)
    found = repairs(settings, output.progress)
    if not found.total:
        output.say(
            "Nothing to repair: every applied migration is as its file.", "green"
        )
        return
    _show(found)
    output.agree("Record them as the files are now?", yes=yes)
    repair(settings, found, output.progress)
    said = [
        output.amount(len(many), what)
        for many, what in (
            (found.edits, "checksum"),
            (found.renames, "name"),
            (found.squashes, "squashed migration"),
        )
        if many
    ]
    output.say(f"Repaired: {' and '.join(said)} recorded.", "bold green")


def _show(found: Repairs) -> None:
    for rows, into in found.squashes:
        count = output.amount(len(rows), "migration")
        output.say(
            f"{into.database}: {count}, {rows[0].stem} to {rows[-1].stem}, squashed"
            f" into {into.stem}"
        )
    for row, item in found.renames:
        output.say(f"{item.database}: {row.stem} is called {item.stem} now")
    if not found.edits:
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
            for edit in found.edits
        ],
    )
