"""sqlpair migrate: apply every pending migration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sqlpair.cli import members, options, output
from sqlpair.cli.deployed import tell
from sqlpair.cli.fast_path import NOTHING_TO_DO
from sqlpair.deploy import deployment
from sqlpair.deploy.force_version import number_of
from sqlpair.deploy.targets import Destination, Version
from sqlpair.project.settings import Settings

NOTHING_UP_TO = "Nothing to do: every migration up to version {} is applied."


@click.command("migrate", cls=options.Command)
@click.option(
    "--to",
    metavar="N",
    help="Go no further than version N: what is numbered above it stays pending.",
)
@click.option(
    "--create",
    is_flag=True,
    help="Outside development: make a database that is not there, though others have a"
    " history.",
)
@members.over_members(moving=True)
@click.pass_obj
def command(
    config: Path, /, to: str | None, create: bool, member: str, **over: Any
) -> None:
    """Apply every pending migration, each in its own database.

    They run in the order of their numbers, and all databases commit together at the
    end: when one migration fails, every database is left as it was. A second run has
    nothing to do.

    The members of a fleet follow, several at once, each by itself: one that fails is
    left as it was and named, and the others go on. The same command again does what is
    left. A member that is not there yet is made with --member.
    """
    number = None if to is None else number_of(to)
    with members.project(config, member, fleets=True, making=True) as settings:
        if settings.fleets:
            _fleets(settings, number, create, members.given(over))
        else:
            _databases(settings, number, create)


def _databases(settings: Settings, to: int | None, create: bool) -> None:
    targets = (
        Destination(("heads",), "upgrade", output.progress)
        if to is None
        else Version(to)
    )
    outcome = deployment.deploy(settings, targets, output.progress, create=create)
    if not outcome.done:
        output.say(NOTHING_TO_DO if to is None else NOTHING_UP_TO.format(to), "green")
    tell(outcome, "Migrated", "applied")


def _fleets(
    settings: Settings, to: int | None, create: bool, said: members.Given
) -> None:
    from sqlpair.fleet import project

    done = project.migrate(settings, members.work(said), to, create=create)
    members.tell_moved(done, "Migrated", "applied")
