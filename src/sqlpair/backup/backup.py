"""A backup: a copy of every database, all at one schema version.

The deployment locks of all databases are held meanwhile, so no migration runs between
two copies, which are made at the same time. The applications write on; each copy is of
one moment, not all of the same. A backup is whole and was checked, or it does not
exist.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlpair import ids, signals
from sqlpair.backup import directory, manifest, retention, swap
from sqlpair.backup.belonging import ledger_rows
from sqlpair.backup.manifest import Copy, Manifest
from sqlpair.databases.driver import driver_of, reading
from sqlpair.databases.interface import Report, Session
from sqlpair.errors import BackupError, SqlpairError
from sqlpair.ledger import tables
from sqlpair.ledger.log import MigrationLog
from sqlpair.ledger.position import claimed
from sqlpair.progress import Note, unseen
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner import two_phase
from sqlpair.runner.steps import BranchStatus, reached
from sqlpair.runner.unfinished import unfinished


def backup(settings: Settings, report: Report, progress: Note = unseen) -> Path:
    """Back up every database and return the folder; SqlpairError leaves none.

    Waits for a running deployment. Creates no database.
    """
    swap.finish_interrupted(settings, report)
    with MigrationLog(settings, ids.new_id(), report) as journal:
        with ExitStack() as resources:
            _refuse_absent(settings, report)
            sessions = two_phase.hold(settings, report, resources)
            folder = take(settings, sessions, report, progress)
        journal.line("backed-up", folder=folder.name)
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
    progress: Note = unseen,
) -> Path:
    """Back up the databases of ``sessions``, whose deployment locks are held."""
    with directory.working(settings.backups.folder) as folder:
        name = ids.new_id()
        partial = folder / f"{directory.PARTIAL}{name}"
        try:
            with directory.writing():
                partial.mkdir(mode=0o700)
                states = {each: tables.read(s) for each, s in sessions.items()}
                dumps = _Copying(settings, partial, report, progress).run(sessions)
                copies = tuple(
                    _copy(session, dumps[each], states[each])
                    for each, session in sessions.items()
                )
                said = _describe(settings, name, states, copies)
                manifest.write(partial, said)
                directory.publish(partial, folder / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        retention.retain(settings, folder / name, report)
        for session in sessions.values():
            session.reconnect()  # it was idle as well
    if said.interrupted:
        report(
            f"The backup is of an interrupted deployment: {said.interrupted}."
            " What finishes it: sqlpair status"
        )
    report(f"Backed up to {folder / name}")
    return folder / name


def _refuse_absent(settings: Settings, report: Report) -> None:
    for branch in branches(settings):
        database = branch.database
        with reading(database, report) as session:
            if session is None and branch.files:
                raise BackupError(
                    f"{database.name}: there is no database to back up",
                    remedy=f"Check {database.variable}.",
                )


class _Dump(NamedTuple):
    """A dump of one database, by what it was made, and what of it can be restored."""

    path: Path
    server: str
    tool: str
    sha256: str
    proven: str


class _Copying:
    """Copies of all databases at once, each made and checked in a thread of its own."""

    def __init__(
        self, settings: Settings, folder: Path, report: Report, progress: Note
    ):
        self._settings = settings
        self._folder = folder
        self._report = report
        self._progress = progress
        self._deadline = time.monotonic() + settings.backups.timeout

    def run(self, sessions: Mapping[str, Session]) -> dict[str, _Dump]:
        """Copy; the first failure stops the others."""
        unwanted = threading.Event()
        with ThreadPoolExecutor(max(1, len(sessions))) as threads:
            try:
                copying = {}
                with signals.unwanted_with(unwanted):
                    for name, session in sessions.items():
                        self._report(f"Backing up {name}")
                        here = copy_context()  # for one thread each
                        copying[name] = threads.submit(here.run, self._dump, session)
                for one in as_completed(copying.values()):
                    one.result()
            except BaseException:
                unwanted.set()
                signals.cancel()
                raise
        return {name: one.result() for name, one in copying.items()}

    def _dump(self, session: Session) -> _Dump:
        database = session.database
        driver = driver_of(database)
        target = self._folder / f"{database.name}{driver.DUMP_SUFFIX}"
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with directory.writing():
            dumped = driver.dump(
                session, target, self._deadline, self._shown(database.name)
            )
            with ThreadPoolExecutor(1) as beside:
                # Nothing writes to the file any more: to check it takes one processor,
                # and waits for the server.
                sha256 = beside.submit(_durable, target)
                proven = driver.prove_backup(
                    session,
                    target,
                    dumped.tool,
                    self._deadline,
                    self._shown(f"{database.name}: trial restore"),
                    proof=self._settings.backups.proof,
                    report=self._report,
                )
            return _Dump(target, dumped.server, dumped.tool, sha256.result(), proven)

    def _shown(self, what: str) -> Callable[[int, int | None], None]:
        def show(done: int, total: int | None) -> None:
            signals.raise_unwanted()
            self._progress(what, done, total)

        return show


def _durable(target: Path) -> str:
    """Bring a file to the disk, and return its checksum."""
    directory.sync(target)
    return manifest.checksum(target)


def _copy(session: Session, dump: _Dump, state: tables.Records) -> Copy:
    """Say what was copied, once the ledger is found to be what it was before."""
    database = session.database
    session.reconnect()  # it was idle for as long as the copies took
    if tables.read(session) != state:
        raise BackupError(
            f"{database.name}: the ledger changed during the backup",
            ["another program changed it without the deployment lock"],
            "Run it again when that program has ended.",
        )
    return Copy(
        name=database.name,
        driver=database.driver,
        file=dump.path.name,
        size=dump.path.stat().st_size,
        sha256=dump.sha256,
        server=dump.server,
        tool=dump.tool,
        proven=dump.proven,
        revisions=state.revisions,
        applied=ledger_rows(state),
    )


def _describe(
    settings: Settings,
    name: str,
    states: Mapping[str, tables.Records],
    copies: tuple[Copy, ...],
) -> Manifest:
    from importlib import metadata  # slow, and few runs begin with a backup

    statuses = {
        branch.name: BranchStatus(
            branch, states[branch.name], claimed(branch, states[branch.name])
        )
        for branch in branches(settings)
    }
    return Manifest(
        id=name,
        created_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        created_by=tables.who(),
        sqlpair=metadata.version("sqlpair"),
        project=settings.root.name,
        environment=settings.environment,
        schema_version=reached(statuses),
        interrupted=str(unfinished(statuses) or ""),
        databases=copies,
        member=settings.member,
    )
