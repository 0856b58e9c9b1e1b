"""A restore: every database goes back to a backup, all of them or none.

    verify    every byte of the backup, before any database is connected to
    compare   its migrations with the files and the live databases (``belonging``)
    stage     a copy beside each live database, checked to be what the manifest says
    swap      the copies for the live databases (``exchange``), which are kept

Nobody else may be connected: what an application wrote meanwhile would be put aside
with the old database.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair import ids
from sqlpair.backup import directory, manifest, swap
from sqlpair.backup.belonging import Known, ledger_rows, refuse_foreign
from sqlpair.backup.manifest import Copy, Manifest, SavedMigration
from sqlpair.backup.swap import Exchanges
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import BackupError, SqlpairError, UsageError
from sqlpair.ledger import tables, version, write_sql
from sqlpair.ledger.log import MigrationLog
from sqlpair.progress import Note, unseen
from sqlpair.project.branches import branches
from sqlpair.project.presence import is_dir
from sqlpair.project.settings import Settings
from sqlpair.runner import two_phase

METHOD = "restore"
OLDER = (
    "The backup is of an older format, which names no migrations: whether it is of this"
    " project is seen once its copies are made, before anything is swapped"
)


class Restored(NamedTuple):
    """What a restore did.

    ``kept`` are the names under which the databases that were live can still be had,
    each with the command that removes it.
    """

    id: str
    manifest: Manifest
    kept: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "restore": self.id,
            "backup": self.manifest.to_json(),
            "kept": dict(self.kept),
        }


def restore(
    settings: Settings, source: str, report: Report, progress: Note = unseen
) -> Restored:
    """Put every database back to ``source``, a folder or the name of a backup.

    Raises SqlpairError; the databases are then as they were, unless it says otherwise.
    """
    swap.finish_interrupted(settings, report)
    identifier = ids.new_id()
    with MigrationLog(settings, identifier, report) as journal:
        folder = find(settings, source)
        said = _verified(settings, folder, report)
        journal.begin("restoring", folder=folder.name, version=said.schema_version)
        kept = _restore(settings, identifier, folder, said, report, progress)
        journal.line("restored", folder=folder.name, version=said.schema_version)
    return Restored(identifier, said, kept)


def find(settings: Settings, source: str) -> Path:
    """Return the folder that ``source`` means; UsageError when there is none."""
    for path in (settings.root / source, settings.backups.folder / source):
        if source and is_dir(path):
            return path
    there = [
        f"{path.name}: version {said.schema_version}, by {said.created_by}"
        for path, said in directory.backups(settings).items()
    ]
    raise UsageError(
        f"there is no backup {source!r}",
        there[-10:] or [f"none is in {settings.backups.folder}"],
        "Name one: sqlpair restore state/backups/...",
    )


def _verified(settings: Settings, folder: Path, report: Report) -> Manifest:
    report(f"Checking every byte of {folder}")
    said = manifest.read(folder)
    if said.environment != settings.environment:
        raise BackupError(
            f"the backup is of {said.environment}, this is {settings.environment}",
            [str(folder)],
            f"Restore it with APP_ENV={said.environment}. No database was touched.",
        )
    if said.member not in (settings.member, ""):
        raise BackupError(
            f"the backup is of {said.member}, and not of {settings.member or 'all'}",
            [str(folder)],
            "One member's rows are not another's. To give them to another all the same,"
            "\nput its copy there by hand. No database was touched.",
        )
    theirs = sorted(f"{copy.name} ({copy.driver})" for copy in said.databases)
    ours = sorted(f"{item.name} ({item.driver})" for item in settings.databases)
    if theirs != ours:
        raise BackupError(
            "the backup is of other databases than alembic.ini names",
            [f"the backup: {', '.join(theirs)}", f"alembic.ini: {', '.join(ours)}"],
            "No database was touched.",
        )
    # A checkout that was behind made it, and did not know all that is applied.
    applied = {copy.name: [m.number for m in copy.applied] for copy in said.databases}
    known = version.reached(applied, branches(settings))
    return said._replace(schema_version=max(said.schema_version, known))


def _restore(
    settings: Settings,
    identifier: str,
    source: Path,
    said: Manifest,
    report: Report,
    progress: Note,
) -> Mapping[str, str]:
    noted = False
    try:
        with ExitStack() as resources:
            sessions = two_phase.hold(settings, report, resources)
            resources.enter_context(directory.working(settings.backups.folder))
            exchanges = Exchanges(settings, sessions, identifier, report, progress)
            resources.callback(exchanges.close)
            known = {b.name: Known(b, sessions[b.name]) for b in branches(settings)}
            if said.names_migrations:
                applied = {copy.name: copy.applied for copy in said.databases}
                refuse_foreign(known, applied, said.project, report)
            else:
                report(OLDER)
            exchanges.check(said.schema_version)
            try:
                with directory.writing():
                    exchanges.work.mkdir(mode=0o700)
                    applied = {
                        copy.name: _stage(copy, source, exchanges, report, progress)
                        for copy in said.databases
                    }
                    if not said.names_migrations:
                        refuse_foreign(known, applied, said.project, report)
                    exchanges.note(source, said.schema_version)
            except BaseException:
                with suppress(SqlpairError):
                    exchanges.discard()
                raise
            noted = True
            exchanges.run([copy.name for copy in said.databases])
            exchanges.finish(said.schema_version)
    except BaseException as error:
        # The locks are free again, and the databases say how far it came.
        finished = noted and identifier in _resolved(settings, report)
        if not finished or not isinstance(error, SqlpairError):
            raise
    return exchanges.kept


def _resolved(settings: Settings, report: Report) -> tuple[str, ...]:
    try:
        return swap.finish_interrupted(settings, report)
    except SqlpairError as error:
        report(f"The next command finishes or undoes this restore: {error.what}")
        return ()


def _stage(
    copy: Copy,
    source: Path,
    exchanges: Exchanges,
    report: Report,
    progress: Note,
) -> tuple[SavedMigration, ...]:
    """Make the copy, prove it, note the restore in its history; return its ledger."""
    report(f"Restoring {copy.name} beside the live database")
    staging = exchanges[copy.name]
    shown = partial(progress, copy.name)
    staging.stage(source / copy.file, copy.tool, exchanges.deadline, shown)
    session = driver_of(staging.copy).connect(
        staging.copy, read_only=False, report=report
    )
    assert session is not None
    try:
        state = tables.read(session)
        _check(copy, state)
        entry = write_sql.Entry(
            exchanges.id,
            exchanges.transaction,
            METHOD,
            who=tables.who(),
            at=write_sql.moment(),
        )
        session.lock(report)
        session.begin()
        write_sql.note_restore(session, state, entry)
        session.commit()
    finally:
        session.close()
    return ledger_rows(state)


def _check(copy: Copy, state: tables.Records) -> None:
    """BackupError unless the copy is where the manifest says."""
    found = ledger_rows(state)
    if not all(row.name for row in copy.applied):  # of the older format
        found = tuple(SavedMigration(row.number) for row in found)
    if (state.revisions, found) == (copy.revisions, copy.applied):
        return
    raise BackupError(
        f"{copy.name}: the restored copy is not where the manifest says",
        [
            f"the manifest: {_where(copy.revisions, copy.applied)}",
            f"the copy: {_where(state.revisions, found)}",
        ],
        "Restore another backup. Nothing was changed.",
    )


def _where(revisions: tuple[str, ...], applied: tuple[SavedMigration, ...]) -> str:
    return f"{', '.join(revisions) or 'base'}, {len(applied)} applied"
