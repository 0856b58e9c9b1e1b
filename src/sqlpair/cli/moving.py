"""Commands that change databases or what they say: rollback, force-version, repair."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.cli.migrating import tell, tell_places
from sqlpair.deploy import force_version as forcing
from sqlpair.deploy import repair as repairing
from sqlpair.deploy import rollback as rolling
from sqlpair.project.settings import load


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
    with output.status() as watch:
        outcome = rolling.rollback(
            load(config),
            output.progress,
            number,
            allow_data_loss=allow_data_loss,
            watch=watch,
        )
    if not outcome.done:
        output.say("Nothing to do: no migration is applied above that.", "green")
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
    changes = forcing.preview(settings, version, output.progress)
    output.warn("No SQL runs. The databases will say this, whether it is true or not:")
    output.table(
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
    output.agree(f"Force version {version}?", yes=yes)
    outcome = forcing.force(settings, version, output.progress)
    output.say(f"Forced by {outcome.deployment}.", "bold")
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
    edits = repairing.edits(settings, output.progress)
    if not edits:
        output.say(
            "Nothing to repair: every applied migration is as its file.", "green"
        )
        return
    output.table(
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
    output.agree("Record the checksums of the files as they are now?", yes=yes)
    repairing.repair(settings, edits, output.progress)
    output.say(
        f"Repaired: {output.count(len(edits), 'checksum')} recorded.", "bold green"
    )
