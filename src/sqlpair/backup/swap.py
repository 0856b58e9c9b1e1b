"""Swap all databases for their restored copies: all of them or none.

From the moment every copy is checked until the last database is swapped, a note lies
in the folder of backups. A run that dies in between leaves it, and
``finish_interrupted`` finds it before anything else changes a database. Each copy's
``schema_history`` names the restore, so a database itself tells whether it has been
swapped. If any has, the
others follow; if none has, the copies go.

What cannot hold a commit open (SQLite) goes first, as in a deployment.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sqlpair.backup import directory
from sqlpair.backup.manifest import write_file
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Exchange, Report, Session
from sqlpair.errors import BackupError, SqlpairError
from sqlpair.ledger import tables, version
from sqlpair.ledger.log import MigrationLog
from sqlpair.progress import Note, unseen
from sqlpair.project.presence import exists
from sqlpair.project.settings import Settings
from sqlpair.runner import two_phase, unfinished

NOTE = "restore.json"


class Exchanges:
    """The swaps of one restore; every database's deployment lock is held."""

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, Session],
        identifier: str,
        report: Report,
        progress: Note = unseen,
    ):
        self.id = identifier
        self.transaction = two_phase.transaction_id(identifier, 1)
        self.deadline = time.monotonic() + settings.backups.timeout
        self.work = unfinished.restore_folder(settings, identifier)
        self._settings = settings
        self._sessions = sessions
        self._report = report
        self._progress = progress
        self._all: dict[str, Exchange] = {}
        try:
            for name, session in sessions.items():
                driver = driver_of(session.database)
                self._all[name] = driver.exchange(session, identifier, self.work)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> Exchange:
        """Return the swap of the database ``name``."""
        return self._all[name]

    @property
    def kept(self) -> dict[str, str]:
        """What the databases are called that were live, and how to remove them."""
        return {exchange.kept: exchange.removal for exchange in self._all.values()}

    def check(self, schema_version: int) -> None:
        """Raise what can be known before anything is made."""
        version.refuse_unwritable(self._settings, schema_version)
        for exchange in self._all.values():
            exchange.check()

    def note(self, source: Path, schema_version: int) -> None:
        """Note, durably, that every copy is checked: a later run can finish."""
        values = {
            "source": str(source),
            "schema_version": schema_version,
            "databases": list(self._all),
        }
        fresh = self.work / f"{NOTE}.new"
        write_file(fresh, json.dumps(values).encode())
        fresh.rename(self.work / NOTE)
        directory.sync(self.work)
        directory.sync(self.work.parent)

    def pending(self) -> list[str]:
        """Return the databases whose history does not name this restore."""
        return [
            name
            for name, session in self._sessions.items()
            if not tables.committed(session, self.transaction)
        ]

    def run(self, names: Collection[str]) -> None:
        """Swap the databases ``names``: shut all other connections out, then commit."""
        ordered = sorted(names, key=lambda name: self._sessions[name].can_prepare)
        for name in ordered:
            self._all[name].prepare(self.deadline, partial(self._progress, name))
        for name in ordered:
            self._report(f"Putting the copy of {name} in place")
            self._all[name].commit(self.deadline, partial(self._progress, name))

    def discard(self) -> None:
        """Remove the copies, and the note."""
        for exchange in self._all.values():
            exchange.discard()
        shutil.rmtree(self.work, ignore_errors=True)

    def finish(self, schema_version: int) -> None:
        """Let ``.env`` follow the databases, and remove the note."""
        try:
            version.write(self._settings, schema_version)
        except SqlpairError as error:
            error.after("every database is restored")
            raise
        shutil.rmtree(self.work)

    def close(self) -> None:
        """Let other connections in again."""
        for exchange in self._all.values():
            exchange.close()


def finish_interrupted(settings: Settings, report: Report) -> tuple[str, ...]:
    """Finish or undo interrupted restores. Returns the ids of those finished."""
    return tuple(
        identifier
        for identifier in unfinished.restores(settings)
        if _resolve(settings, identifier, report)
    )


def _resolve(settings: Settings, identifier: str, report: Report) -> bool:
    with ExitStack() as resources:
        sessions = two_phase.hold(settings, report, resources)
        resources.enter_context(directory.working(settings.backups.folder))
        exchanges = Exchanges(settings, sessions, identifier, report)
        resources.callback(exchanges.close)
        if not exists(exchanges.work):  # its own run was still at it
            return False
        note = exchanges.work / NOTE
        pending = exchanges.pending() if exists(note) else list(sessions)
        if len(pending) == len(sessions):
            exchanges.discard()
            report(f"Undid an interrupted restore ({identifier})")
            return False
        said = json.loads(note.read_text())
        if said["databases"] != list(sessions):
            raise BackupError(
                "an interrupted restore is of other databases than alembic.ini names",
                [f"{note}: {', '.join(said['databases'])}"],
                "Run this with the alembic.ini that the restore had.",
            )
        with MigrationLog(settings, identifier, report) as journal:
            exchanges.run(pending)
            exchanges.finish(said["schema_version"])
            journal.line("restored", folder=said["source"], settled=True)
    report(f"Finished an interrupted restore ({identifier})")
    return True
