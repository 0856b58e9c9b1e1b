"""A project with something to save; backups and restores of it, here or in a child.

A child is a process that a test can watch, interrupt and kill.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import Project
from sqlpair.backup import backup, restore
from sqlpair.backup.restore import Restored

CHILD = """
import os, sys
from pathlib import Path
from sqlpair.backup import backup, restore
from sqlpair.errors import SqlpairError
from sqlpair.project import settings

source, stop_at, number = sys.argv[1:]
stopped = []

def report(line):
    print(line, flush=True)
    if stop_at and line.startswith(stop_at) and not stopped:
        stopped.append(line)
        os.kill(os.getpid(), int(number))

try:
    here = settings.load(Path("alembic.ini"))
    if source:
        restore.restore(here, source, report)
    else:
        backup.backup(here, report)
except SqlpairError as error:
    sys.exit(str(error))
"""


def quiet(_line: str) -> None:
    """Report to nobody."""


def fill(project: Project) -> None:
    """One migration and some rows on each database; SQLite in WAL mode."""
    project.add("postgres", "001_users", "CREATE TABLE users (id int PRIMARY KEY);\n")
    project.add("sqlite", "002_trades", "CREATE TABLE trades (id int PRIMARY KEY);\n")
    project.upgrade()
    project.lite("PRAGMA journal_mode = WAL")
    project.pg("INSERT INTO users SELECT generate_series(1, 100)")
    project.lite("INSERT INTO trades VALUES (1), (2), (3)")


def make(project: Project) -> Path:
    """Back up in this process."""
    return backup.backup(project.settings, quiet)


def bring_back(project: Project, folder: Path | str) -> Restored:
    """Restore in this process."""
    return restore.restore(project.settings, str(folder), quiet)


def child(
    source: Path | None = None, stop_at: str = "", number: int = signal.SIGKILL
) -> list[str]:
    """Return the command of a backup, or of a restore of ``source``.

    It sends itself the signal ``number`` when it reports a line that starts with
    ``stop_at``.
    """
    where = str(source) if source else ""
    return [sys.executable, "-c", CHILD, where, stop_at, str(int(number))]


@contextmanager
def running(
    project: Project, source: Path | None = None, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """A child that is killed, if it is still there, when the block ends."""
    process = subprocess.Popen(
        child(source),
        cwd=project.root,
        env=project.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def stop_at(
    project: Project, folder: Path, line: str, number: int = signal.SIGKILL
) -> None:
    """Let a restore send itself a signal when it reports ``line``."""
    done = subprocess.run(
        child(folder, line, number),
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -number, done.stderr


def live_name(project: Project) -> str:
    """Return what the live PostgreSQL database is called."""
    return dict(word.split("=", 1) for word in project.dsn.split())["dbname"]


def databases(project: Project) -> list[str]:
    """Databases on the server that are the live one or were made from it."""
    name = live_name(project)
    found = project.pg("SELECT datname FROM pg_database ORDER BY datname")
    return [row[0] for row in found if row[0] == name or row[0].startswith(f"{name}_")]


def drop_kept(project: Project) -> None:
    """Drop what restores have kept, of which the server's fixture knows nothing."""
    from conftest import connected

    name = live_name(project)
    with connected(project.dsn.replace(f"dbname={name}", "dbname=postgres")) as pg:
        for (other,) in pg("SELECT datname FROM pg_database"):
            if other.startswith(f"{name}_"):
                pg(f'DROP DATABASE "{other}" WITH (FORCE)')


def left(project: Project) -> list[str]:
    """Everything that is in the folder of backups."""
    folder = project.settings.backups.folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
