"""sqlpair squash: one migration in the place of the first ones."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring.squash import Squashed, squash
from sqlpair.cli import options, output
from sqlpair.project.settings import load

SHOWN = 50


@click.command("squash", cls=options.Command)
@click.option(
    "--to",
    metavar="N",
    required=True,
    help="Replace what is numbered N or lower, in each database by one migration.",
)
@options.yes
@click.pass_obj
def command(config: Path, to: str, yes: bool) -> None:
    """Replace the first migrations by one that makes the same schema.

    In each database the new pair gets the number of the last one that it replaces; the
    others' files are deleted, and version control keeps them. Scratch databases are
    built from the old files and from the new one, and compared. Rows, privileges and
    roles are not carried over: the statements that made them are listed.

    A database that has all of the old ones takes it over with sqlpair repair. One that
    has not is to be brought there first, from the commit before.
    """
    settings = load(config)
    number = options.number_of(to)
    output.agree(f"Replace the files of all migrations up to {number:03}?", yes=yes)
    for one in squash(settings, number, output.progress):
        _show(one)
    output.say(
        "Squashed. Review and commit it; then, for each database: sqlpair repair",
        "bold green",
    )


def _show(one: Squashed) -> None:
    count = output.amount(len(one.replaced), "migration")
    output.say(f"{one.into.database}: {count} became {one.into.stem}", "bold")
    for path in (one.into.up, one.into.down):
        output.say(f"  {output.path(path)}")
    if one.beside:
        output.say(
            "  not carried over; put into it what a new database needs:", "yellow"
        )
        for line in one.beside[:SHOWN]:
            output.say(f"    {line}")
        if len(one.beside) > SHOWN:
            output.say(f"    … {len(one.beside) - SHOWN:,} more")
    for line in one.kept:
        output.say(f"  its rollback leaves: {line}", "yellow")
