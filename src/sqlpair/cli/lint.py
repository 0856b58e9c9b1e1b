"""sqlpair lint: check the SQL files of every migration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.errors import printable
from sqlpair.lint import Finding, lint, report
from sqlpair.project import imported
from sqlpair.project.settings import Settings, load


@click.command("lint", cls=options.Command)
@options.argument(
    "files",
    "Check only the migrations of these files.",
    nargs=-1,
    type=click.Path(path_type=Path),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github prints annotations for a pull request.",
)
@click.pass_obj
def command(config: Path, files: tuple[Path, ...], form: str) -> None:
    """Check every migration against rules, without a database.

    Migrations that sqlpair import wrote are read, and checked only where their files
    are named: databases have them already.

    Every rule has a page in docs/lint/. A comment on the line of a finding, or above
    its statement, silences it: -- lint: allow RULE: why it is correct here.
    PostgreSQL files need the extra sqlpair[lint].
    """
    settings = load(config)
    findings = lint(settings, files)
    if form == "json":
        output.dump([finding._asdict() for finding in findings])
    elif form == "github":
        for line in report.as_github(findings, settings.root):
            output.raw(printable(line))
    else:
        _show(findings, settings.root)
        if not files:
            _say_imported(settings)
    if findings:
        sys.exit(1)


def _show(findings: tuple[Finding, ...], root: Path) -> None:
    for item in findings:
        output.say(f"{output.path(root / item.path)}:{item.line}: {item.rule}", "bold")
        output.say(f"  {item.message}")
        for number, line in enumerate(item.instead.splitlines()):
            output.say(f"  {'        ' if number else 'instead:'} {line}", "green")
        output.say()
    if findings:
        migrations = len({item.path for item in findings})
        output.say(
            f"{output.amount(len(findings), 'finding')} in"
            f" {output.amount(migrations, 'file')}.",
            "bold red",
        )
    else:
        output.say("No findings.", "green")


def _say_imported(settings: Settings) -> None:
    found = (imported.read(database.sql) for database in settings.databases)
    if number := sum(len(theirs.migrations) for theirs in found if theirs):
        output.say(
            f"{output.amount(number, 'imported migration')} read, and not checked:"
            " sqlpair lint FILE checks one.",
            "dim",
        )
