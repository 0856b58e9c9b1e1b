"""How a command tells what a deployment ran, and where the databases are."""

from __future__ import annotations

from sqlpair.cli import output
from sqlpair.runner.steps import Outcome

SHOWN = 50  # of the migrations that ran


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
