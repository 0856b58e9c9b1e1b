"""sqlpair backup: copy every database, all at one version."""

from __future__ import annotations

from pathlib import Path

import click

import sqlpair
from sqlpair.cli import options, output

PROVEN = {"rows": "all of it checked", "schema": "schema checked", "": "not checked"}


@click.command("backup", cls=options.Command)
@click.pass_obj
def command(config: Path) -> None:
    """Copy every database into state/backups/, all at one schema version.

    Applications may go on reading and writing; a deployment waits. The backup is
    checked and restored on trial before it is kept, as far as backup_proof says, and
    the oldest ones over backup_keep are removed. One that fails leaves nothing behind.
    Outside development every deployment begins with a backup by itself.
    """
    folder, said = sqlpair.open(config, progress=output.progress).backup()
    output.table(
        ("", "", ".", ""),
        [
            (copy.name, copy.file, _size(copy.size), PROVEN[copy.proven])
            for copy in said.databases
        ],
    )
    output.say(f"Backed up: schema version {said.schema_version}.", "bold green")
    output.say(str(folder))


def _size(size: int) -> str:
    if size < 1_000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{size / 1_000:.1f} kB"
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1_000_000_000:.1f} GB"
