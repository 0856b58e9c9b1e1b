"""Commands that only look: version, status, history."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from sqlpair.cli import console
from sqlpair.history import history as read_history
from sqlpair.problem import Kind, Problem
from sqlpair.standing import Overview, Standing
from sqlpair.standing import overview as read_overview

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, in the order in which help shows them."""
    panel = "Look, and change nothing"
    app.command(rich_help_panel=panel)(version)
    app.command(rich_help_panel=panel)(status)
    app.command(rich_help_panel=panel)(history)


def version(context: typer.Context, json: Json = False) -> None:
    """Say each database's version, and whether everything agrees.

    Version N means: every migration numbered N or lower is applied, in its own
    database. The SQL files, the ledger (schema_version), the version table
    (alembic_version) and SCHEMA_VERSION in .env are compared; where they disagree,
    each disagreement is a sentence, and the exit code is 1.
    """
    found = read_overview(console.settings(context), console.progress)
    problems = [*found.problems, *_pending(found)]
    if json:
        console.dump(_version_json(found, problems))
    else:
        console.table(
            ("database", "version.", "head", "latest file"),
            [
                (item.name, str(item.version), item.head, _latest(item))
                for item in found.databases
            ],
        )
        console.say()
        console.table(
            ("", ""),
            [
                ("schema version", Text(str(found.version), "bold")),
                ("latest file", f"{found.latest:03}"),
                (found.env_file, _expected(found)),
            ],
        )
        console.say()
        console.problems(problems)
        if not problems:
            console.say("Files, ledger, version table and .env agree.", "green")
    if problems:
        raise typer.Exit(1)


def status(context: typer.Context, json: Json = False) -> None:
    """List what is applied in each database, and what is pending.

    When and by whom each migration was applied, how long it took, in which
    deployment, and whether its file was edited since. Pending migrations are no
    problem; anything that does not fit is, and makes the exit code 1.
    """
    found = read_overview(console.settings(context), console.progress)
    if json:
        console.dump(_status_json(found))
    else:
        for standing in found.databases:
            _show(standing)
        console.problems(found.problems)
        console.say(_closing(found), "bold")
    if found.problems:
        raise typer.Exit(1)


def history(context: typer.Context, json: Json = False) -> None:
    """List who did what when, to every database, oldest first.

    Upgrades, downgrades, stamps, forced versions, adoptions, repairs and restores come
    from the databases (schema_history). Runs that failed, and so left nothing there,
    come from the log, and so does what a database does not know any more because it
    was restored or made anew.
    """
    events = read_history(console.settings(context), console.progress)
    if json:
        console.dump([event._asdict() for event in events])
        return
    if not events:
        console.say("Nothing was done yet.")
        return
    console.table(
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
                Text(event.action, "bold red" if event.action == "failed" else ""),
                event.migration,
                console.duration(event.milliseconds),
                event.by,
                event.deployment,
                Text(event.note.partition("\n")[0], "dim"),
            )
            for event in events
        ],
    )


def _expected(found: Overview) -> str:
    return "no SCHEMA_VERSION" if found.expected is None else str(found.expected)


def _pending(found: Overview) -> list[Problem]:
    return [
        Problem(
            Kind.VERSIONS,
            item.name,
            f"{item.name}: {console.count(len(item.pending), 'migration')} pending:"
            f" {', '.join(migration.stem for migration in item.pending)}",
            remedy="Apply what is pending: make migrate",
        )
        for item in found.databases
        if item.pending
    ]


def _latest(standing: Standing) -> str:
    stems = [row.stem for row in standing.applied]
    stems += [item.stem for item in standing.pending]
    return max(stems, default="none")


def _show(standing: Standing) -> None:
    console.say(standing.name, "bold")
    if not standing.applied and not standing.pending:
        console.say("  no migrations")
    rows: list[tuple[str | Text, ...]] = [
        (
            Text(row.stem).append(
                " edited" if row.number in standing.edited else "", "yellow"
            ),
            row.applied_at[:19],
            console.duration(row.milliseconds),
            row.method,
            row.applied_by,
            row.deployment,
        )
        for row in standing.applied
    ]
    rows += [
        (item.stem, Text("pending", "yellow"), "", "", "", "")
        for item in standing.pending
    ]
    if rows:
        console.table(
            ("migration", "applied (UTC)", "took.", "how", "by", "deployment"),
            rows,
        )
    console.say()


def _closing(found: Overview) -> str:
    said = [f"Schema version {found.version}", "nothing is pending"]
    if found.pending:
        what = console.count(len(found.pending), "migration")
        said[1] = f"{what} pending: make migrate"
    if found.problems:
        said.append(console.count(len(found.problems), "problem"))
    return f"{'; '.join(said)}."


def _version_json(found: Overview, problems: list[Problem]) -> dict[str, Any]:
    return {
        "environment": found.environment,
        "version": found.version,
        "latest": found.latest,
        "expected": found.expected,
        "agree": not problems,
        "problems": [problem._asdict() for problem in problems],
        "databases": {
            item.name: {
                "version": item.version,
                "head": item.head,
                "revisions": list(item.revisions),
                "pending": [migration.stem for migration in item.pending],
            }
            for item in found.databases
        },
    }


def _status_json(found: Overview) -> dict[str, Any]:
    databases = {}
    for item in found.databases:
        databases[item.name] = {
            "version": item.version,
            "head": item.head,
            "applied": [
                {
                    "version": row.number,
                    "migration": row.stem,
                    "applied_at": row.applied_at,
                    "applied_by": row.applied_by,
                    "milliseconds": row.milliseconds,
                    "method": row.method,
                    "deployment": row.deployment,
                    "checksum": row.checksum,
                    "edited": row.number in item.edited,
                }
                for row in item.applied
            ],
            "pending": [
                {"version": migration.number, "migration": migration.stem}
                for migration in item.pending
            ],
        }
    return {
        "environment": found.environment,
        "version": found.version,
        "latest": found.latest,
        "expected": found.expected,
        "problems": [problem._asdict() for problem in found.problems],
        "databases": databases,
    }
