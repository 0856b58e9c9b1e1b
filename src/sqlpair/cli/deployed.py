"""How a command tells what a deployment ran, and where the databases are."""

from __future__ import annotations

import sqlpair
from sqlpair.cli import output
from sqlpair.project.migrations import REPEATABLE

SHOWN = 50  # of the migrations that ran


def tell(outcome: sqlpair.Deployed, verb: str, participle: str) -> None:
    """Print what ran where, and where every database is now."""
    ran = outcome.migrations
    if ran:
        touched = len({each.database for each in ran})
        total = output.duration(sum(each.milliseconds for each in ran))
        before = len(ran) - SHOWN
        if before > 0:
            output.say(f"{before:,} more before these; the log has them all.")
        output.table(
            ("", "", "", "."),
            [
                (
                    ("+" if each.direction == "upgrade" else "-", "green"),
                    each.database,
                    each.migration,
                    (output.duration(each.milliseconds), "dim"),
                )
                for each in ran[-SHOWN:]
            ],
        )
        output.say()
        output.say(
            f"{verb}: {_counted(outcome)} {participle}"
            f" in {output.amount(touched, 'database')}, {total}"
            f" (deployment {outcome.deployment}).",
            "bold green",
        )
    tell_statuses(outcome)


def _counted(outcome: sqlpair.Deployed) -> str:
    ran = outcome.migrations
    repeated = sum(item.migration.startswith(f"{REPEATABLE}/") for item in ran)
    migrations = len(ran) - repeated
    said = [output.amount(migrations, "migration")] * bool(migrations or not repeated)
    said += [output.amount(repeated, "repeatable file")] * bool(repeated)
    return " and ".join(said)


def tell_statuses(outcome: sqlpair.Deployed) -> None:
    """Print where every database is."""
    width = max((len(item.database) for item in outcome.databases), default=0)
    for item in outcome.databases:
        output.say(f"  {item.database:<{width}}  is at  {item.migration}")
    output.say(f"Schema version {outcome.version}.", "bold")
