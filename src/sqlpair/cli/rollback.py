"""sqlpair rollback: undo the last deployment."""

from __future__ import annotations

from pathlib import Path

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.cli.deployed import tell
from sqlpair.project.migrations import REPEATABLE


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
    project = sqlpair.open(config, progress=output.progress)

    def agree(found: tuple[sqlpair.RecordedFile, ...]) -> bool:
        _show(found)
        output.agree("Run these rollbacks?", yes=yes)
        return True

    done = project.rollback(
        None if to is None else options.number_of(to),
        allow_data_loss=allow_data_loss,
        recorded=from_ledger,
        agree=agree,
    )
    if not done.migrations:
        output.say("Nothing to do: no migration is applied above that.", "green")
    tell(done, "Rolled back", "undone")


def _show(found: tuple[sqlpair.RecordedFile, ...]) -> None:
    for item in found:
        repeated = item.migration.startswith(f"{REPEATABLE}/")
        what = "the text that ran before it" if repeated else "its rollback as recorded"
        output.say(f"{item.database} {item.migration}, {what}:", "bold")
        for line in item.sql.splitlines():
            output.say(f"    {line}")
        output.say()
