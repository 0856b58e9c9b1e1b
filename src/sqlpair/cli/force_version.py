"""sqlpair force-version: set the version without running SQL."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.api.results import deployed
from sqlpair.cli import members, options, output
from sqlpair.cli.deployed import tell_statuses
from sqlpair.deploy.force_version import force, preview
from sqlpair.errors import several
from sqlpair.project.settings import load


@click.command("force-version", cls=members.OfMember)
@options.argument("number", "The number of a migration, or 0.", metavar="N")
@options.yes
@click.pass_obj
def command(config: Path, number: str, yes: bool) -> None:
    """Set the version to N without running any SQL. Dangerous.

    Writes the ledger and alembic_version of every database, and SCHEMA_VERSION in
    .env, as if every migration numbered N or lower were applied and none above. The
    tables stay as they are: whether they fit is for you to know. Shows what it will
    write, and asks first.
    """
    settings = load(config)
    version = options.number_of(number)
    changes = preview(settings, version, output.progress)
    output.warn("No SQL runs. The databases will say this, whether it is true or not:")
    output.table(
        ("database", "version table", "ledger"),
        [
            (
                change.database,
                f"{', '.join(change.before) or 'base'} -> {change.after}",
                several(
                    [f"+ {stem}" for stem in change.recorded]
                    + [f"- {stem}" for stem in change.forgotten],
                    10,
                )
                or "as it is",
            )
            for change in changes
        ],
    )
    output.agree(f"Force version {version}?", yes=yes)
    outcome = force(settings, version, output.progress)
    output.say(f"Forced by {outcome.deployment}.", "bold")
    tell_statuses(deployed(outcome))
