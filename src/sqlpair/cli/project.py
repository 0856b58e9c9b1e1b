"""Commands that write files of a project: new, revisions, renumber, snapshot, init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlpair import renumber as renumbering
from sqlpair import scaffold
from sqlpair.cli import console
from sqlpair.snapshot import snapshots, write


def add_to(app: typer.Typer) -> None:
    """Add this module's commands, in the order in which help shows them."""
    panel = "Write files"
    app.command(rich_help_panel=panel)(new)
    app.command(rich_help_panel=panel)(revisions)
    app.command(rich_help_panel=panel)(renumber)
    app.command(rich_help_panel=panel)(snapshot)
    app.command(rich_help_panel=panel)(init)


def new(
    context: typer.Context,
    database: Annotated[str, typer.Argument(help="Which database it is for.")],
    name: Annotated[str, typer.Argument(help="What it does, for example add_email.")],
    template: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE",
            help="plain, backfill (in batches) or rebuild (a SQLite table).",
        ),
    ] = "plain",
) -> None:
    """Begin a migration: its SQL file, its rollback, its revision module.

    It gets the next number over all databases. Fill in the two SQL files: they hold
    the header that lint asks for, and hints or a recipe for the database's engine.
    """
    settings = console.settings(context)
    item = scaffold.new(settings, database, name, template)
    module = settings.database(database).versions / f"{item.stem}.py"
    for path in (item.up, item.down, module):
        console.say(str(path.relative_to(settings.root)))


def revisions(context: typer.Context) -> None:
    """Write a revision module for every SQL pair that has none.

    Alembic needs one for each; they hold no SQL and no logic. Existing files stay.
    """
    settings = console.settings(context)
    written = scaffold.write_revisions(settings)
    for path in written:
        console.say(str(path.relative_to(settings.root)))
    if not written:
        console.say("Nothing to do: every SQL pair has its revision module.", "green")


def renumber(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The one to move, if only one."),
    ] = None,
) -> None:
    """Give unreleased migrations the numbers behind the released ones.

    For when two people took the same number. What git has on the main branch keeps
    its number; the rest follows, in its own order: SQL files and revision modules
    together. With FILE, that migration alone gets the next number. Refuses one that
    is released, or applied in a database that can be reached.
    """
    settings = console.settings(context)
    moves = renumbering.renumber(settings, console.progress, file)
    for old, new in renumbering.paths(settings, moves):
        console.say(f"{old} -> {new}")
    if not moves:
        console.say("Nothing to do: every number is right.", "green")


def snapshot(
    context: typer.Context,
    database: Annotated[
        str | None, typer.Argument(help="Of this one only.", metavar="[DATABASE]")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Write nothing; exit with 1 and the difference if stale."
        ),
    ] = False,
) -> None:
    """Write sql/DATABASE/schema.sql: the schema at head, to be read in a diff.

    It is what the files build in a scratch database, in the same order and words each
    time. No migration reads it; it loads into an empty database and gives the same
    schema. Commit it, and let CI run sqlpair snapshot --check.
    """
    settings = console.settings(context)
    names = (database,) if database else ()
    made = snapshots(settings, console.progress, names)
    stale = [item for item in made if item.stale]
    if check:
        for item in stale:
            console.say(item.diff())
        if stale:
            what = console.count(len(stale), "snapshot")
            console.say(f"{what} out of date: run make snapshot", "bold yellow")
            raise typer.Exit(1)
    else:
        write(stale)
        for item in stale:
            console.say(str(item.path.relative_to(settings.root)))
    if not stale:
        console.say("Nothing to do: every snapshot is up to date.", "green")


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to lay it down.")
    ],
) -> None:
    """Lay down an empty project: alembic.ini, alembic/, sql/, .gitignore.

    With one PostgreSQL and one SQLite database; add, drop or rename them in
    alembic.ini. SQL pairs that are there already become migrations with sqlpair
    revisions. Refuses to overwrite anything.
    """
    for path in scaffold.init(folder):
        console.say(str(path))
