"""sqlpair history: list who did what when."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.ledger.history import history
from sqlpair.project.settings import load


@click.command("history", cls=options.Command)
@options.json
@click.pass_obj
def command(config: Path, json: bool) -> None:
    """List who did what when, to every database, oldest first.

    Upgrades, downgrades, stamps, forced versions, adoptions, repairs and restores come
    from the databases (schema_history). Runs that failed, and so left nothing there,
    come from the log, and so does what a database does not know any more because it
    was restored or made again.
    """
    events = history(load(config), output.progress)
    if json:
        output.dump([event._asdict() for event in events])
        return
    if not events:
        output.say("Nothing was done yet.")
        return
    output.table(
        (
            "when (UTC)",
            "database",
            "what",
            "migration",
            "took.",
            "by",
            "deployment",
            "",
        ),
        [
            (
                event.at[:19],
                event.database,
                (event.action, "bold red" if event.action == "failed" else ""),
                event.migration,
                output.duration(event.milliseconds),
                event.by,
                event.deployment,
                (event.note.partition("\n")[0], "dim"),
            )
            for event in events
        ],
    )
