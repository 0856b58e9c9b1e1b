"""Commands that read the SQL files and open no database: lint."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sqlpair import lint as linting
from sqlpair.cli import console
from sqlpair.lint import Finding, report


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, in the order in which help shows them."""
    app.command(rich_help_panel="Look, and change nothing")(lint)


def lint(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Only the migrations of these files."),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="github: as annotations of its lines.")
    ] = Format.TEXT,
) -> None:
    """Say of each migration what a careful colleague would, before anything runs.

    Every rule has its page in docs/lint/. A finding is silenced on its line, or above
    its statement, with a reason: -- lint: allow RULE: why it is right here. Needs the
    extra sqlpair[lint]; opens no database.
    """
    settings = console.settings(context)
    findings = linting.lint(settings, files or ())
    if output is Format.JSON:
        console.dump(report.as_json(findings))
    elif output is Format.GITHUB:
        for line in report.as_github(findings, settings.root):
            typer.echo(line)
    else:
        _show(findings)
    if findings:
        raise typer.Exit(1)


def _show(findings: tuple[Finding, ...]) -> None:
    for item in findings:
        console.say(f"{item.path}:{item.line}: {item.rule}", "bold")
        console.say(f"  {item.message}")
        for number, line in enumerate(item.instead.splitlines()):
            console.say(f"  {'        ' if number else 'instead:'} {line}", "green")
        console.say()
    if findings:
        migrations = len({item.path for item in findings})
        console.say(
            f"{console.count(len(findings), 'finding')} in"
            f" {console.count(migrations, 'file')}.",
            "bold red",
        )
    else:
        console.say("No findings.", "green")
