"""A backup: a copy of every database, all at one schema version.

The deployment locks of all databases are held meanwhile, so no migration runs between
two copies. The applications write on; each copy is of one moment, not all of the same.
A backup is whole and proven readable, or it is not there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlpair.backup import directory, manifest, swap
from sqlpair.backup.directory import Progress, unseen
from sqlpair.backup.manifest import Copy, Manifest
from sqlpair.databases.interface import Report, Session, driver_of
from sqlpair.errors import BackupError, SqlpairError
from sqlpair.ledger import tables, version
from sqlpair.ledger.log import Journal
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner import two_phase


def backup(settings: Settings, report: Report, progress: Progress = unseen) -> Path:
    """Back up every database and return the folder; SqlpairError leaves none.

    Waits for a running deployment. Creates no database.
    """
    swap.settle(settings, report)
    journal = Journal(settings, tables.new_id())
    try:
        with ExitStack() as resources:
            _refuse_absent(settings, report)
            sessions = two_phase.hold(settings, report, resources)
            folder = take(settings, sessions, report, progress)
    except BaseException as error:
        journal.failed(error)
        raise
    journal.line("backed-up", folder=folder.name)
    journal.close()
    return folder


def before_deployment(
    settings: Settings, sessions: Mapping[str, Session], report: Report
) -> Path:
    """Back up; an error means that nothing may run, and says how to do without."""
    try:
        return take(settings, sessions, report)
    except SqlpairError as error:
        error.remedy = (
            f"{error.remedy}\nNo migration has run; with BACKUP=0 they run without"
            " a backup."
        ).lstrip()
        raise


def take(
    settings: Settings,
    sessions: Mapping[str, Session],
    report: Report,
    progress: Progress = unseen,
) -> Path:
    """Back up the databases of ``sessions``, whose deployment locks are held."""
    deadline = time.monotonic() + settings.backups.timeout
    with directory.working(settings.backups.folder) as folder:
        name = tables.new_id()
        unfinished = folder / f"{directory.PARTIAL}{name}"
        try:
            with directory.writing():
                unfinished.mkdir(mode=0o700)
                copies = tuple(
                    _copy(session, unfinished, deadline, report, progress)
                    for session in sessions.values()
                )
                manifest.write(unfinished, _describe(settings, name, copies))
                directory.publish(unfinished, folder / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        directory.retain(settings, folder / name, report)
    report(f"Backed up to {folder / name}")
    return folder / name


def _refuse_absent(settings: Settings, report: Report) -> None:
    for database in settings.databases:
        session = driver_of(database).connect(database, read_only=True, report=report)
        if session is None:
            raise BackupError(
                f"{database.name}: there is no database to back up",
                remedy=f"Check {database.variable}.",
            )
        session.close()


def _copy(
    session: Session, folder: Path, deadline: float, report: Report, progress: Progress
) -> Copy:
    database = session.database
    driver = driver_of(database)
    report(f"Backing up {database.name}")
    state = tables.read(session)
    target = folder / f"{database.name}{driver.DUMP_SUFFIX}"
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    shown = partial(progress, database.name)
    dumped = driver.dump(session, target, deadline, shown)
    driver.check_dump(database, target, dumped.tool, deadline)
    directory.sync(target)
    if tables.read(session) != state:
        raise BackupError(
            f"{database.name}: the ledger changed during the backup",
            ["somebody changes it without the deployment lock"],
            "Run it again when they have ended.",
        )
    return Copy(
        name=database.name,
        driver=database.driver,
        file=target.name,
        size=target.stat().st_size,
        sha256=manifest.checksum(target),
        server=dumped.server,
        tool=dumped.tool,
        revisions=state.revisions,
        applied=tuple(row.number for row in state.applied),
    )


def _describe(settings: Settings, name: str, copies: tuple[Copy, ...]) -> Manifest:
    from importlib import metadata  # slow, and few runs begin with a backup

    return Manifest(
        id=name,
        created_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        created_by=tables.who(),
        sqlpair=metadata.version("sqlpair"),
        environment=settings.environment,
        schema_version=version.reached(
            {copy.name: copy.applied for copy in copies}, branches(settings)
        ),
        databases=copies,
    )
