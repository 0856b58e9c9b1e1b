"""Commands that change databases or what they say: rollback, force-version, repair."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair import force as forcing
from sqlpair import repair as repairing
from sqlpair import rollback as rolling
from sqlpair.cli import console, options
from sqlpair.cli.migrating import tell, tell_places
from sqlpair.settings import load


@click.command(cls=options.Command)
@click.option(
    "--to",
    metavar="N",
    help="Go back to version N instead: undo what is numbered above it.",
)
@click.option(
    "--allow-data-loss",
    is_flag=True,
    help="Undo it even where rows or values are lost.",
)
@click.pass_obj
def rollback(config: Path, to: str | None, allow_data_loss: bool) -> None:
    """Undo the last deployment, whichever databases it touched.

    Runs the _rollback.sql files of what the last sqlpair migrate, make migrate or
    alembic upgrade applied, newest first, and nothing else. With --to, every database
    goes back to its last migration numbered N or lower; --to 0 keeps a baseline
    numbered 000 and nothing else. A rollback that would lose rows or values is refused,
    with what it would lose.
    """
    number = None if to is None else forcing.number_of(to)
    with console.status() as watch:
        outcome = rolling.rollback(
            load(config),
            console.progress,
            number,
            allow_data_loss=allow_data_loss,
            watch=watch,
        )
    if not outcome.done:
        console.say("Nothing to do: no migration is applied above that.", "green")
    tell(outcome, "Rolled back", "undone")


@click.command(cls=options.Command)
@options.argument("number", "The number of a migration, or 0.", metavar="N")
@options.yes
@click.pass_obj
def force_version(config: Path, number: str, yes: bool) -> None:
    """Set the version to N without running any SQL. Dangerous.

    Writes the ledger and alembic_version of every database, and SCHEMA_VERSION in
    .env, as if every migration numbered N or lower were applied and none above. The
    tables stay as they are: whether they fit is for you to know. Shows what it will
    write, and asks first.
    """
    settings = load(config)
    version = forcing.number_of(number)
    changes = forcing.preview(settings, version, console.progress)
    console.warn("No SQL runs. The databases will say this, whether it is true or not:")
    console.table(
        ("database", "version table", "ledger"),
        [
            (
                change.database,
                f"{', '.join(change.before) or 'base'} -> {change.after}",
                ", ".join(
                    [f"+ {stem}" for stem in change.recorded]
                    + [f"- {stem}" for stem in change.forgotten]
                )
                or "as it is",
            )
            for change in changes
        ],
    )
    console.agree(f"Force version {version}?", yes=yes)
    outcome = forcing.force(settings, version, console.progress)
    console.say(f"Forced by {outcome.deployment}.", "bold")
    tell_places(outcome)


@click.command(cls=options.Command)
@options.yes
@click.pass_obj
def repair(config: Path, yes: bool) -> None:
    """Accept applied migrations whose files were edited since.

    Shows each one with the recorded and the present checksum, asks, and records the
    present ones. No SQL runs: the databases keep what the old text made of them. It
    is meant for an edit that changes nothing, a comment for example; a real change
    belongs into a new migration.
    """
    settings = load(config)
    edits = repairing.edits(settings, console.progress)
    if not edits:
        console.say(
            "Nothing to repair: every applied migration is as its file.", "green"
        )
        return
    console.table(
        ("database", "migration", "applied", "recorded", "file now"),
        [
            (
                edit.migration.database,
                edit.migration.stem,
                edit.applied_at[:19],
                edit.recorded[:12],
                (edit.now[:12], "yellow"),
            )
            for edit in edits
        ],
    )
    console.agree("Record the checksums of the files as they are now?", yes=yes)
    repairing.repair(settings, edits, console.progress)
    console.say(
        f"Repaired: {console.count(len(edits), 'checksum')} recorded.", "bold green"
    )
