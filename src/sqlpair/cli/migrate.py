"""sqlpair migrate: apply every pending migration."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.cli.deployed import tell
from sqlpair.cli.fast_path import NOTHING_TO_DO
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.project.settings import load


@click.command("migrate", cls=options.Command)
@click.pass_obj
def command(config: Path) -> None:
    """Apply every pending migration, each in its own database.

    They run in the order of their numbers, and all databases commit together at the
    end: when one migration fails, every database is left as it was. A second run has
    nothing to do.
    """
    destination = Destination(("heads",), "upgrade", output.progress)
    with output.status() as watch:
        outcome = deployment.deploy(
            load(config), destination, output.progress, watch=watch
        )
    if not outcome.done:
        output.say(NOTHING_TO_DO, "green")
    tell(outcome, "Migrated", "applied")
