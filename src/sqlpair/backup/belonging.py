"""Whether a backup is of this project: asked before a restore changes anything.

A project is its databases and their migrations. A backup belongs to it when each of its
migrations is known here by number, name and checksum: the file is the same, or the live
database's history names it (the file may have been edited since). And the live
databases must belong to it too: of what their ledgers hold, something is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from sqlpair.backup.manifest import SavedMigration
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import BackupError, SqlpairError, first_of
from sqlpair.ledger import tables
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch

SHOWN = 10
UNCHANGED = "Nothing was changed."


class Known:
    """The migrations of one database that this checkout and the live database know."""

    def __init__(self, branch: Branch, session: Session):
        self.name = branch.name
        self._files = {
            item.number: SavedMigration(
                item.number, item.stem, sql_file.checksum_of(item.up)
            )
            for item in branch.migrations
        }
        self._ledger: tuple[SavedMigration, ...] = ()
        self._history: tuple[SavedMigration, ...] = ()
        with suppress(SqlpairError):  # a damaged database is what a restore is for
            self._ledger = ledger_rows(tables.read(session))
            self._history = tuple(_past(session))

    def unknown(self, applied: Sequence[SavedMigration]) -> list[SavedMigration]:
        """Return the migrations that neither the files nor the live database know."""
        known = (*self._files.values(), *self._ledger, *self._history)
        return [row for row in applied if not any(_same(row, one) for one in known)]

    def ahead(self, applied: Sequence[SavedMigration]) -> list[SavedMigration]:
        """Return the migrations that come after the last file of this checkout."""
        last = max(self._files, default=-1)
        return [row for row in applied if row.number > last]

    def instead(self, row: SavedMigration) -> str:
        """Say of a migration that is not known what is known instead."""
        file = self._files.get(row.number)
        if file is None:
            return f"{self.name} {row.name}: there is no such file here"
        if file.name != row.name:
            return f"{self.name} {row.name}: here {row.number:03} is {file.name}"
        return (
            f"{self.name} {row.name}: applied from other SQL, {row.checksum[:12]};"
            f" the file here is {file.checksum[:12]}"
        )

    def is_strange(self, applied: Sequence[SavedMigration]) -> bool:
        """Say whether the live ledger has no name in common with files and backup.

        The names alone: each file may have been edited since.
        """
        ours = {row.name for row in (*self._files.values(), *applied)}
        theirs = {row.name for row in self._ledger}
        return bool(theirs) and theirs.isdisjoint(ours)


def ledger_rows(state: tables.Records) -> tuple[SavedMigration, ...]:
    """Return a ledger as a manifest has it."""
    return tuple(
        SavedMigration(row.number, row.stem, row.checksum) for row in state.applied
    )


def _past(session: Session) -> Iterator[SavedMigration]:
    for row in tables.history(session):
        if row["checksum"]:  # what was undone has none
            yield SavedMigration(row["version"], row["migration_name"], row["checksum"])


def _same(one: SavedMigration, other: SavedMigration) -> bool:
    # What another program has recorded has no checksum.
    return one[:2] == other[:2] and (
        one.checksum == other.checksum or not (one.checksum and other.checksum)
    )


def refuse_foreign(
    known: Mapping[str, Known],
    applied: Mapping[str, Sequence[SavedMigration]],
    project: str,
    report: Report,
) -> None:
    """BackupError unless the backup that holds ``applied`` is of this project.

    ``project`` is what the backup calls its own. One that is ahead of this checkout is
    said to be.
    """
    ahead = {name: known[name].ahead(rows) for name, rows in applied.items()}
    unknown = {name: known[name].unknown(rows) for name, rows in applied.items()}
    lines = [known[name].instead(row) for name in unknown for row in unknown[name]]
    if lines and all(set(unknown[name]) <= set(ahead[name]) for name in unknown):
        raise BackupError(
            "the backup is ahead of this checkout",
            first_of(lines, SHOWN),
            f"Update the checkout, then restore. {UNCHANGED}",
        )
    if lines:
        raise BackupError(
            "the backup is of another project" + (f", of {project}" if project else ""),
            first_of(lines, SHOWN),
            "If it is of this project, use the checkout whose files made it."
            f" {UNCHANGED}",
        )
    strange = [name for name, rows in applied.items() if known[name].is_strange(rows)]
    if strange:
        raise BackupError(
            f"the live database {' and '.join(strange)} is of another project",
            ["its ledger holds no migration of the backup, or of the files here"],
            f"Check the address in the settings. {UNCHANGED}",
        )
    names = [f"{name} {row.name}" for name, rows in ahead.items() for row in rows]
    if names:
        report(
            f"The backup is ahead of this checkout, by {', '.join(names)}: nothing"
            " migrates until the checkout is updated"
        )
