"""sqlpair restore: put every database back to a backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import sqlpair
from sqlpair.cli import members, options, output

if TYPE_CHECKING:
    from sqlpair.backup.manifest import Manifest


@click.command("restore", cls=members.OfMember)
@options.argument(
    "source",
    "The folder of a backup, or its name.",
    metavar="FROM",
    type=click.Path(file_okay=False),
)
@options.yes
@click.pass_obj
def command(config: Path, source: str, yes: bool) -> None:
    """Put every database back to a backup, all of them or none.

    Every byte of the backup is checked first, and whether it is of this project. Then
    a copy is made beside each live database, checked, and swapped for it. Nobody else
    may be connected meanwhile: stop the application. What was live until then is kept
    under another name. Asks first.
    """
    project = sqlpair.open(config, progress=output.progress)

    def agree(backup: sqlpair.Backup) -> bool:
        said = backup.manifest
        output.warn(
            f"The backup is of {said.created_at}, by {said.created_by}:"
            f" schema version {said.schema_version}.",
            "What was written since then will no longer be in the databases.",
        )
        if said.interrupted:
            output.warn(
                f"It is of an interrupted deployment: {said.interrupted}.",
                "After the restore, sqlpair status says what is pending.",
            )
        output.agree(f"Restore {_names(said)} in {said.environment}?", yes=yes)
        return True

    done = project.restore(source, agree=agree)
    output.say(
        f"Restored: {_names(done.manifest)}, schema version"
        f" {done.manifest.schema_version} (restore {done.id}).",
        "bold green",
    )
    output.say("What was live is kept. When it is no longer needed, remove it:")
    for removal in done.kept.values():
        output.say(f"  {removal}")


def _names(said: Manifest) -> str:
    return " and ".join(copy.name for copy in said.databases)
