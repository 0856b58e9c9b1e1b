"""Commands that say where the databases are: version, status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sqlpair.cli import options, output
from sqlpair.deploy.status import Overview, Standing
from sqlpair.deploy.status import overview as read_overview
from sqlpair.project.settings import load
from sqlpair.verify.problem import Kind, Problem


@click.command(cls=options.Command)
@options.json
@click.pass_obj
def version(config: Path, json: bool) -> None:
    """Say each database's version, and whether everything agrees.

    Version N means: every migration numbered N or lower is applied, in its own
    database. The SQL files, the ledger (schema_version), the version table
    (alembic_version) and SCHEMA_VERSION in .env are compared; where they disagree,
    each disagreement is a sentence, and the exit code is 1.
    """
    found = read_overview(load(config), output.progress)
    problems = [*found.problems, *_pending(found)]
    if json:
        output.dump(_version_json(found, problems))
    else:
        output.table(
            ("database", "version.", "head", "latest file"),
            [
                (item.name, str(item.version), item.head, _latest(item))
                for item in found.databases
            ],
        )
        output.say()
        output.table(
            ("", ""),
            [
                ("schema version", (str(found.version), "bold")),
                ("latest file", f"{found.latest:03}"),
                (found.env_file, _expected(found)),
            ],
        )
        output.say()
        output.problems(problems)
        if not problems:
            output.say("Files, ledger, version table and .env agree.", "green")
    if problems:
        sys.exit(1)


@click.command(cls=options.Command)
@options.json
@click.pass_obj
def status(config: Path, json: bool) -> None:
    """List what is applied in each database, and what is pending.

    When and by whom each migration was applied, how long it took, in which
    deployment, and whether its file was edited since. Pending migrations are no
    problem; anything that does not fit is, and makes the exit code 1.
    """
    found = read_overview(load(config), output.progress)
    if json:
        output.dump(_status_json(found))
    else:
        for standing in found.databases:
            _show(standing)
        output.problems(found.problems)
        output.say(_closing(found), "bold")
    if found.problems:
        sys.exit(1)


def _expected(found: Overview) -> str:
    return "no SCHEMA_VERSION" if found.expected is None else str(found.expected)


def _pending(found: Overview) -> list[Problem]:
    return [
        Problem(
            Kind.VERSIONS,
            item.name,
            f"{item.name}: {output.count(len(item.pending), 'migration')} pending:"
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
    output.say(standing.name, "bold")
    if not standing.applied and not standing.pending:
        output.say("  no migrations")
    rows: list[tuple[output.Cell, ...]] = [
        (
            [
                (row.stem, ""),
                (" edited" if row.number in standing.edited else "", "yellow"),
            ],
            row.applied_at[:19],
            output.duration(row.milliseconds),
            row.method,
            row.applied_by,
            row.deployment,
        )
        for row in standing.applied
    ]
    rows += [
        (item.stem, ("pending", "yellow"), "", "", "", "") for item in standing.pending
    ]
    if rows:
        output.table(
            ("migration", "applied (UTC)", "took.", "how", "by", "deployment"),
            rows,
        )
    output.say()


def _closing(found: Overview) -> str:
    said = [f"Schema version {found.version}", "nothing is pending"]
    if found.pending:
        what = output.count(len(found.pending), "migration")
        said[1] = f"{what} pending: make migrate"
    if found.problems:
        said.append(output.count(len(found.problems), "problem"))
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
