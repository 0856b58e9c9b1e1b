"""The command that a deployment runs: migrate; and how any run is told of.

By itself, so that it starts without what other commands need.
"""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.cli.fast_path import NOTHING_TO_DO
from sqlpair.deploy import deployment
from sqlpair.deploy.deployment import Outcome
from sqlpair.deploy.targets import Destination
from sqlpair.project.settings import load

SHOWN = 50  # of the migrations that ran


@click.command(cls=options.Command)
@click.pass_obj
def migrate(config: Path) -> None:
    """Apply every pending migration, each in its own database.

    They run in the order of their numbers, and all databases commit together at the
    end: when one migration fails, every database is left as it was. A second run has
    nothing to do.
    """
    destination = Destination(("heads",), "upgrade", output.progress)
    with output.status() as watch:
        outcome = deployment.deploy(
            load(config), destination, output.progress, watch=watch
        )
    if not outcome.done:
        output.say(NOTHING_TO_DO, "green")
    tell(outcome, "Migrated", "applied")


def tell(outcome: Outcome, verb: str, participle: str) -> None:
    """Print what ran where, and where every database is now."""
    if outcome.done:
        touched = len({done.step.branch.name for done in outcome.done})
        total = output.duration(sum(done.milliseconds for done in outcome.done))
        before = len(outcome.done) - SHOWN
        if before > 0:
            output.say(f"{before:,} more before these; the log has them all.")
        output.table(
            ("", "", "", "."),
            [
                (
                    ("+" if done.step.upgrade else "-", "green"),
                    done.step.branch.name,
                    done.step.migration.stem,
                    (output.duration(done.milliseconds), "dim"),
                )
                for done in outcome.done[-SHOWN:]
            ],
        )
        output.say()
        output.say(
            f"{verb}: {output.count(len(outcome.done), 'migration')} {participle}"
            f" in {output.count(touched, 'database')}, {total}"
            f" (deployment {outcome.deployment}).",
            "bold green",
        )
    tell_places(outcome)


def tell_places(outcome: Outcome) -> None:
    """Print where every database is."""
    *places, version = outcome.where()
    for line in places:
        output.say(line)
    output.say(version, "bold")
