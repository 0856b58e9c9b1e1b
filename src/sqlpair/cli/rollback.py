"""sqlpair rollback: undo the last deployment."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import members, options, output
from sqlpair.cli.deployed import tell
from sqlpair.deploy import recorded
from sqlpair.deploy.force_version import number_of
from sqlpair.deploy.rollback import rollback
from sqlpair.project.settings import load


@click.command("rollback", cls=members.OverMembers)
@click.option(
    "--to",
    metavar="N",
    help="Go back to version N instead: undo what is numbered above it.",
)
@click.option(
    "--allow-data-loss",
    is_flag=True,
    help="Undo it even where rows or values are lost.",
)
@click.option(
    "--recorded",
    "from_ledger",
    is_flag=True,
    help="Run the rollbacks that the ledger keeps. Shows them, and asks.",
)
@options.yes
@click.pass_obj
def command(
    config: Path, to: str | None, allow_data_loss: bool, from_ledger: bool, yes: bool
) -> None:
    """Undo the last deployment, whichever databases it touched.

    Runs the _rollback.sql files of what the last sqlpair migrate or alembic upgrade
    applied, newest first, and nothing else. With --to, every database goes back to its
    last migration numbered N or lower; --to 0 keeps a baseline numbered 000 and nothing
    else. A rollback that would lose rows or values is refused, with what it would lose.

    With --recorded it runs what the files were when each migration was applied: the
    checkout may have been reverted already, and need not have them any more.
    """
    settings = load(config)
    number = None if to is None else number_of(to)
    if from_ledger:
        found = recorded.read(settings, output.progress, number)
        _show(found)
        if found.steps:
            output.agree("Run these rollbacks?", yes=yes)
        outcome = recorded.rollback(
            settings, found, output.progress, allow_data_loss=allow_data_loss
        )
    else:
        outcome = rollback(
            settings, output.progress, number, allow_data_loss=allow_data_loss
        )
    if not outcome.done:
        output.say("Nothing to do: no migration is applied above that.", "green")
    tell(outcome, "Rolled back", "undone")


def _show(found: recorded.RecordedRollback) -> None:
    for step, file, _ in found.steps:
        output.say(f"{step}, its rollback as recorded:", "bold")
        for line in file.text.splitlines():
            output.say(f"    {line}")
        output.say()
