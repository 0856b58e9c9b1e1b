"""sqlpair version: each database's version, and whether everything agrees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sqlpair.cli import members, options, output
from sqlpair.deploy.status import Status, overview
from sqlpair.errors import several
from sqlpair.project.settings import load
from sqlpair.verify.problem import Problem, ProblemKind


@click.command("version", cls=members.OverMembers)
@options.json
@click.pass_obj
def command(config: Path, json: bool) -> None:
    """Say each database's version, and whether everything agrees.

    Version N means: every migration numbered N or lower is applied, in its own
    database. The SQL files, the ledger (schema_version), the version table
    (alembic_version) and SCHEMA_VERSION in .env are compared; where they disagree,
    each disagreement is a sentence, and the exit code is 1.
    """
    found = overview(load(config), output.progress)
    problems = [*found.problems, *_pending(found)]
    if json:
        output.dump(_version_json(found, problems))
    else:
        output.table(
            ("database", "version.", "head", "latest file"),
            [
                (item.name, str(item.version), item.head, item.latest)
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


def _expected(found: Status) -> str:
    return "no SCHEMA_VERSION" if found.expected is None else str(found.expected)


def _pending(found: Status) -> list[Problem]:
    return [
        Problem(
            ProblemKind.VERSIONS,
            item.name,
            f"{item.name}: {output.amount(len(item.pending), 'migration')} pending:"
            f" {several([migration.stem for migration in item.pending])}",
            remedy=f"Find out which version it is: sqlpair adopt {item.name}"
            if item.unrecorded
            else "Apply what is pending: sqlpair migrate",
        )
        for item in found.databases
        if item.pending
    ] + [
        Problem(
            ProblemKind.VERSIONS,
            item.name,
            f"{item.name}: {output.amount(len(files), 'repeatable file')} pending:"
            f" {several(files)}",
            remedy="Apply what is pending: sqlpair migrate",
        )
        for item in found.databases
        if (files := [file.name for file in item.repeatable if file.pending])
        and not item.unrecorded
    ]


def _version_json(found: Status, problems: list[Problem]) -> dict[str, Any]:
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
