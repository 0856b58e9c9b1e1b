"""Commands that change databases: migrate, rollback, force-version, repair."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sqlpair import deployment
from sqlpair import force as forcing
from sqlpair import repair as repairing
from sqlpair import rollback as rolling
from sqlpair.cli import console
from sqlpair.deployment import Outcome
from sqlpair.idle import NOTHING_TO_DO
from sqlpair.targets import Destination

SHOWN = 50  # of the migrations that ran

Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. For scripts that know.")
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, in the order in which help shows them."""
    panel = "Move the databases"
    app.command(rich_help_panel=panel)(migrate)
    app.command(rich_help_panel=panel)(rollback)
    app.command("force-version", rich_help_panel=panel)(force_version)
    app.command(rich_help_panel=panel)(repair)


def migrate(context: typer.Context) -> None:
    """Apply every pending migration, each in its own database.

    They run in the order of their numbers, and all databases commit together at the
    end: when one migration fails, every database is left as it was. A second run has
    nothing to do.
    """
    destination = Destination(("heads",), "upgrade", console.progress)
    with console.status() as watch:
        outcome = deployment.deploy(
            console.settings(context), destination, console.progress, watch=watch
        )
    if not outcome.done:
        console.say(NOTHING_TO_DO, "green")
    _summary(outcome, "Migrated", "applied")


def rollback(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="N",
            help="Go back to version N instead: undo what is numbered above it.",
        ),
    ] = None,
    allow_data_loss: Annotated[
        bool,
        typer.Option(
            "--allow-data-loss", help="Undo it even where rows or values are lost."
        ),
    ] = False,
) -> None:
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
            console.settings(context),
            console.progress,
            number,
            allow_data_loss=allow_data_loss,
            watch=watch,
        )
    if not outcome.done:
        console.say("Nothing to do: no migration is applied above that.", "green")
    _summary(outcome, "Rolled back", "undone")


def force_version(
    context: typer.Context,
    number: Annotated[
        str, typer.Argument(metavar="N", help="The number of a migration, or 0.")
    ],
    yes: Yes = False,
) -> None:
    """Set the version to N without running any SQL. Dangerous.

    Writes the ledger and alembic_version of every database, and SCHEMA_VERSION in
    .env, as if every migration numbered N or lower were applied and none above. The
    tables stay as they are: whether they fit is for you to know. Shows what it will
    write, and asks first.
    """
    settings = console.settings(context)
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
    _places(outcome)


def repair(context: typer.Context, yes: Yes = False) -> None:
    """Accept applied migrations whose files were edited since.

    Shows each one with the recorded and the present checksum, asks, and records the
    present ones. No SQL runs: the databases keep what the old text made of them. It
    is meant for an edit that changes nothing, a comment for example; a real change
    belongs into a new migration.
    """
    settings = console.settings(context)
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
                Text(edit.now[:12], "yellow"),
            )
            for edit in edits
        ],
    )
    console.agree("Record the checksums of the files as they are now?", yes=yes)
    repairing.repair(settings, edits, console.progress)
    console.say(
        f"Repaired: {console.count(len(edits), 'checksum')} recorded.", "bold green"
    )


def _summary(outcome: Outcome, verb: str, participle: str) -> None:
    """Print what ran where, and where every database is now."""
    if outcome.done:
        touched = len({done.step.branch.name for done in outcome.done})
        total = console.duration(sum(done.milliseconds for done in outcome.done))
        before = len(outcome.done) - SHOWN
        if before > 0:
            console.say(f"{before:,} more before these; the log has them all.")
        console.table(
            ("", "", "", "."),
            [
                (
                    Text("+" if done.step.upgrade else "-", "green"),
                    done.step.branch.name,
                    done.step.migration.stem,
                    Text(console.duration(done.milliseconds), "dim"),
                )
                for done in outcome.done[-SHOWN:]
            ],
        )
        console.say()
        console.say(
            f"{verb}: {console.count(len(outcome.done), 'migration')} {participle}"
            f" in {console.count(touched, 'database')}, {total}"
            f" (deployment {outcome.deployment}).",
            "bold green",
        )
    _places(outcome)


def _places(outcome: Outcome) -> None:
    *places, version = outcome.where()
    for line in places:
        console.say(line)
    console.say(version, "bold")
