"""sqlpair history: list who did what when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from sqlpair.cli import members, options, output
from sqlpair.ledger.history import HistoryEvent, history
from sqlpair.project.settings import load
from sqlpair.verify.interrupted import claims, interruptions
from sqlpair.verify.problem import Problem


@click.command("history", cls=members.OfMember)
@options.json
@click.pass_obj
def command(config: Path, json: bool) -> None:
    """List who did what when, to every database, oldest first.

    Upgrades, downgrades, stamps, forced versions, adoptions, repairs and restores come
    from the databases (schema_history). Runs that failed, and so left nothing there,
    come from the log, and so does what a database does not know any more because it
    was restored or made again. What was interrupted, and is neither finished nor undone
    yet, stands below, with the command that ends it.
    """
    settings, report = load(config), output.progress
    problems = interruptions(settings, claims(settings, report), report)
    events = history(settings, report)
    if json:
        output.dump([event._asdict() for event in (*events, *map(_event, problems))])
        return
    if events:
        _tell(events)
    elif not problems:
        output.say("Nothing was done yet.")
    if problems:
        output.say()
        output.problems(problems)


def _tell(events: Sequence[HistoryEvent]) -> None:
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


def _event(problem: Problem) -> HistoryEvent:
    said = "\n".join([problem.what, *problem.evidence, problem.remedy])
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    database = problem.database
    return HistoryEvent(now, database, "interrupted", None, "", "", None, "", said)
