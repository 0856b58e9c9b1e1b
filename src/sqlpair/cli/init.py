"""sqlpair init: lay down an empty project."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.authoring import scaffold
from sqlpair.cli import options, output


@click.command("init", cls=options.Command)
@options.argument(
    "folder",
    "Where to lay it down.",
    metavar="DIR",
    type=click.Path(path_type=Path),
)
def command(folder: Path) -> None:
    """Lay down an empty project: alembic.ini, alembic/, sql/, .gitignore.

    With one PostgreSQL and one SQLite database; add, drop or rename them in
    alembic.ini. SQL pairs that are there already become migrations with sqlpair
    revisions. Refuses to overwrite anything.
    """
    for path in scaffold.init(folder):
        output.say(str(path))
