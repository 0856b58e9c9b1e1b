"""Commands that write files of a project: new, revisions, renumber, snapshot, init."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sqlpair.authoring import renumber as renumbering
from sqlpair.authoring import scaffold
from sqlpair.authoring.snapshot import snapshots, write
from sqlpair.cli import options, output
from sqlpair.project.settings import load


@click.command(cls=options.Command)
@options.argument("database", "Which database it is for.")
@options.argument("name", "What it does, for example add_email.")
@click.option(
    "--template",
    metavar="TEMPLATE",
    default="plain",
    show_default=True,
    help="plain, backfill (in batches) or rebuild (a SQLite table).",
)
@click.pass_obj
def new(config: Path, database: str, name: str, template: str) -> None:
    """Begin a migration: its SQL file, its rollback, its revision module.

    It gets the next number over all databases. Fill in the two SQL files: they hold
    the header that lint asks for, and hints or a recipe for the database's engine.
    """
    settings = load(config)
    item = scaffold.new(settings, database, name, template)
    module = settings.database(database).versions / f"{item.stem}.py"
    for path in (item.up, item.down, module):
        output.say(str(path.relative_to(settings.root)))


@click.command(cls=options.Command)
@click.pass_obj
def revisions(config: Path) -> None:
    """Write a revision module for every SQL pair that has none.

    Alembic needs one for each; they hold no SQL and no logic. Existing files stay.
    """
    settings = load(config)
    written = scaffold.write_revisions(settings)
    for path in written:
        output.say(str(path.relative_to(settings.root)))
    if not written:
        output.say("Nothing to do: every SQL pair has its revision module.", "green")


@click.command(cls=options.Command)
@options.argument(
    "file",
    "The one to move, if only one.",
    required=False,
    type=click.Path(path_type=Path),
)
@click.pass_obj
def renumber(config: Path, file: Path | None) -> None:
    """Give unreleased migrations the numbers behind the released ones.

    For when two people took the same number. What git has on the main branch keeps
    its number; the rest follows, in its own order: SQL files and revision modules
    together. With FILE, that migration alone gets the next number. Refuses one that
    is released, or applied in a database that can be reached.
    """
    settings = load(config)
    moves = renumbering.renumber(settings, output.progress, file)
    for old, new in renumbering.paths(settings, moves):
        output.say(f"{old} -> {new}")
    if not moves:
        output.say("Nothing to do: every number is right.", "green")


@click.command(cls=options.Command)
@options.database("Of this one only.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1 and the difference if stale.",
)
@click.pass_obj
def snapshot(config: Path, database: str | None, check: bool) -> None:
    """Write sql/DATABASE/schema.sql: the schema at head, to be read in a diff.

    It is what the files build in a scratch database, in the same order and words each
    time. No migration reads it; it loads into an empty database and gives the same
    schema. Commit it, and let CI run sqlpair snapshot --check.
    """
    settings = load(config)
    names = (database,) if database else ()
    made = snapshots(settings, output.progress, names)
    stale = [item for item in made if item.stale]
    if check:
        for item in stale:
            output.say(item.diff())
        if stale:
            what = output.count(len(stale), "snapshot")
            output.say(f"{what} out of date: run make snapshot", "bold yellow")
            sys.exit(1)
    else:
        write(stale)
        for item in stale:
            output.say(str(item.path.relative_to(settings.root)))
    if not stale:
        output.say("Nothing to do: every snapshot is up to date.", "green")


@click.command(cls=options.Command)
@options.argument(
    "folder",
    "Where to lay it down.",
    metavar="DIR",
    type=click.Path(path_type=Path),
)
def init(folder: Path) -> None:
    """Lay down an empty project: alembic.ini, alembic/, sql/, .gitignore.

    With one PostgreSQL and one SQLite database; add, drop or rename them in
    alembic.ini. SQL pairs that are there already become migrations with sqlpair
    revisions. Refuses to overwrite anything.
    """
    for path in scaffold.init(folder):
        output.say(str(path))
