"""What is reported is what happened: an .env and a log that take nothing."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from conftest import Project
from fault_injection import add
from sqlpair.backup.swap import Exchanges
from sqlpair.databases.sqlite.session import SQLiteSession

OLD = "SCHEMA_VERSION=0\n"


@pytest.fixture
def env(project: Project) -> Path:
    """The .env of a project with 001 on PostgreSQL and 002 on SQLite pending."""
    add(project, 1, 2)
    path = project.root / ".env"
    path.write_text(OLD)
    return path


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """As a disk that is full: Python ignores SIGXFSZ, so the write is an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "command",
    [
        ("sqlpair", "migrate"),
        ("sqlpair", "force-version", "--yes", "2"),
        ("alembic", "upgrade", "heads"),
        ("alembic", "stamp", "heads"),
    ],
)
def test_env_that_cannot_be_written_is_found_before_anything_changes(
    project: Project, env: Path, command: tuple[str, ...]
) -> None:
    env.chmod(0o444)

    done = project.raw(*command)

    assert done.returncode == 1
    assert f"{env}: SCHEMA_VERSION could not be set to 2" in done.stderr
    assert "no database was changed" in done.stderr
    assert project.tables("postgres") == project.tables("sqlite") == set()
    assert project.sqlpair("history").stdout.count("failed") == 1


def test_env_on_a_full_disk_is_found_before_anything_changes(
    project: Project, env: Path
) -> None:
    env.write_text(f"{OLD}# {'x' * 1_000_000}\n")
    with files_no_longer_than(900_000):
        done = project.sqlpair("migrate", expect=1)

    assert "File too large" in done.stderr
    assert "no database was changed" in done.stderr
    assert project.tables("postgres") == project.tables("sqlite") == set()
    assert sorted(path.name for path in project.root.glob(".env*")) == [".env"]


def test_env_that_says_the_version_already_may_be_read_only(
    project: Project, env: Path
) -> None:
    env.write_text("SCHEMA_VERSION=2\n")
    env.chmod(0o444)

    project.sqlpair("migrate")

    assert project.tables("sqlite") == {"t2"}


def test_rollback_and_restore_find_a_read_only_env_first(
    project: Project, env: Path
) -> None:
    project.sqlpair("migrate")
    project.sqlpair("backup")
    (backup,) = (project.root / "state/backups").iterdir()
    add(project, 3)
    project.sqlpair("migrate")
    env.chmod(0o444)

    for command in (["rollback"], ["restore", backup.name, "--yes"]):
        done = project.sqlpair(*command, expect=1)
        assert "no database was changed" in done.stderr
        assert project.applied("postgres") == ["001_t1", "003_t3"]


def once_committed(do: Callable[[], object]) -> Callable[[SQLiteSession], None]:
    """Return a commit after which something happens."""
    commit = SQLiteSession.commit

    def commit_and_do(session: SQLiteSession) -> None:
        commit(session)
        do()

    return commit_and_do


def test_failure_after_the_commit_says_what_is_committed(
    project: Project, env: Path
) -> None:
    with mock.patch.object(
        SQLiteSession, "commit", once_committed(lambda: env.chmod(0o444))
    ):
        done = project.sqlpair("migrate", expect=1)

    first, second, *_ = done.stderr.splitlines()[-5:]
    assert first.startswith("every database has committed, and then this failed: ")
    assert f"{env}: SCHEMA_VERSION could not be set to 2" in first
    told = "committed: postgres 001_t1, sqlite 002_t2; schema version 2"
    assert second == f"  {told}"
    assert "outcome=committed" in project.log
    assert "outcome=incomplete" in project.log
    assert "outcome=failed" not in project.log
    assert "incomplete" in project.sqlpair("history").stdout
    env.chmod(0o644)
    project.sqlpair("migrate")
    assert env.read_text() == "SCHEMA_VERSION=2\n"


def test_restore_that_fails_at_its_end_says_what_is_restored(
    project: Project, env: Path
) -> None:
    project.sqlpair("migrate")
    project.sqlpair("backup")
    (backup,) = (project.root / "state/backups").iterdir()
    add(project, 3)
    project.sqlpair("migrate")
    run = Exchanges.run

    def run_and_close(self: Exchanges, names: Collection[str]) -> None:
        run(self, names)
        env.chmod(0o444)

    with mock.patch.object(Exchanges, "run", run_and_close):
        done = project.sqlpair("restore", backup.name, "--yes", expect=1)

    assert "every database is restored, and then this failed: " in done.stderr
    assert project.applied("postgres") == ["001_t1"]
    env.chmod(0o644)
    project.sqlpair("migrate")
    assert env.read_text() == "SCHEMA_VERSION=3\n"


def test_no_database_is_asked_after_the_commit(project: Project, env: Path) -> None:
    project.configure("alembic", transaction="migration")
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with mock.patch.object(
        SQLiteSession, "commit", once_committed(lambda: project.pg(ended))
    ):
        done = project.sqlpair("migrate")

    assert "Migrated: 2 migrations" in done.stdout
    assert env.read_text() == "SCHEMA_VERSION=2\n"


def test_log_that_takes_no_line_is_found_before_anything_runs(
    project: Project, env: Path
) -> None:
    log = project.root / "logs" / "migration.log"
    log.parent.mkdir()
    for kind in ("full", "pipe"):
        if kind == "full":
            log.symlink_to("/dev/full")
        else:
            os.mkfifo(log)
        done = project.raw("sqlpair", "migrate")
        assert done.returncode == 1
        assert "the log cannot be written" in done.stderr
        assert "Nothing has run." in done.stderr
        assert project.tables("postgres") == project.tables("sqlite") == set()
        project.sqlpair("history")
        log.unlink()
    assert env.read_text() == OLD


def test_log_may_be_a_pipe_that_is_read(project: Project, env: Path) -> None:
    log = project.root / "pipe"
    os.mkfifo(log)
    project.configure("alembic", log_file="pipe")
    read: list[str] = []
    thread = threading.Thread(target=lambda: read.append(log.read_text()))
    thread.start()

    project.sqlpair("migrate")

    thread.join(10)
    assert "outcome=committed" in read[0]
    assert env.read_text() == "SCHEMA_VERSION=2\n"
    log.unlink()


def test_log_that_is_full_when_all_is_committed_is_said(
    project: Project, env: Path
) -> None:
    log = project.root / "logs" / "migration.log"
    log.parent.mkdir()
    log.write_text("x\n" * 300_000)
    with files_no_longer_than(600_200):
        done = project.sqlpair("migrate")

    assert f"{log} lacks what was done last: " in done.stderr
    assert "Migrated: 2 migrations" in done.stdout
    assert env.read_text() == "SCHEMA_VERSION=2\n"
