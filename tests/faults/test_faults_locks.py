"""Locks: other runs, tables in use, and who is in the way."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from conftest import Project, connected
from fault_injection import add, assert_at, deploy, forked, holding, until
from sqlpair.databases import retry
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.lock import DeploymentLock as SQLiteLock
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import LockError, SettingsError, SqlpairError
from sqlpair.project.statement import Statement


def test_holder_that_outlasts_the_wait_is_named_with_pid_and_application(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.configure("postgres", lock_wait="0.3")

    with holding(project, "night job"), pytest.raises(LockError) as failure:
        deploy(project)

    words = str(failure.value)
    assert "postgres: another deployment holds the lock" in words
    assert re.search(r"pid \d+ \(night job, local, since", words)
    assert "Waited 0.3 s (lock_wait)" in words
    assert not project.file.exists()
    deploy(project)


def test_one_database_under_two_names_is_not_waited_for(project: Project) -> None:
    add(project, 1)
    ini = project.root / "alembic.ini"
    text = ini.read_text().replace("= postgres, sqlite", "= postgres, sqlite, copy")
    place = "%(here)s/alembic/versions/sqlite"
    text = text.replace(place, f"{place}\n    %(here)s/alembic/versions/copy")
    ini.write_text(
        f"{text}\n[copy]\ndriver = postgresql\nvariable = COPY\nlock_wait = 1\n"
    )
    for folder in ("sql", "alembic/versions"):
        (project.root / folder / "copy").mkdir()
    url = project.environ["DATABASE_URL"]
    project.environ["COPY"] = url.replace("&port=", "%2F.&port=")
    assert project.environ["COPY"] != url
    project.add("copy", "003_t3", "CREATE TABLE t3 (id int);\n")

    with pytest.raises(SettingsError, match="one and the same database") as failure:
        deploy(project)

    assert "Give each its own variable and address" in str(failure.value)
    assert project.pg("SELECT to_regclass('t1'), to_regclass('t3')") == [(None, None)]


def test_holder_of_a_sqlite_file_is_named_with_its_pid(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 4)
    project.configure("sqlite", lock_wait="0.3")
    path = project.file.with_name(f"{project.file.name}.lock")

    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockError) as failure:
            deploy(project)

    words = str(failure.value)
    assert "sqlite: another deployment holds the lock" in words
    assert f"pid {os.getpid()} (sqlpair)" in words
    assert str(path) in words


def test_lock_file_that_is_a_hard_link_is_neither_written_nor_given_away(
    project: Project,
) -> None:
    add(project, 1, 2)
    other, path = project.root / "other", Path(f"{project.file}.lock")
    other.write_text("mine\n")
    path.parent.mkdir(exist_ok=True)
    path.hardlink_to(other)
    owner = other.stat().st_uid
    if os.geteuid() == 0:
        os.chown(path.parent, 65534, 65534)

    failure = project.sqlpair("migrate", expect=1)

    assert "cannot open the lock file" in failure.stderr
    assert "a link" in failure.stderr
    assert other.read_text() == "mine\n"
    assert other.stat().st_uid == owner


def test_lock_file_is_private(project: Project) -> None:
    add(project, 1, 2)
    before = os.umask(0)
    try:
        project.upgrade()
    finally:
        os.umask(before)

    mode = project.file.with_name(f"{project.file.name}.lock").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_projects_with_ledgers_of_their_own_do_not_wait_for_each_other(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.pg("CREATE SCHEMA other")
    project.configure("postgres", lock_wait="0.3")
    with holding(project):
        project.configure("postgres", ledger_schema="other")

        deploy(project)

    assert project.pg("SELECT version FROM other.schema_version") == [(1,)]


@pytest.mark.parametrize("moment", ["check", "begin"])
def test_lock_that_is_lost_stops_the_run_before_it_commits(
    project: Project, moment: str
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    original = getattr(PostgreSQLSession, moment)

    def robbed(session: PostgreSQLSession, sql: str = "") -> None:
        project.pg(f"SELECT pg_terminate_backend({session.deployment_lock.pid}, 60000)")
        original(session, sql)

    with (
        mock.patch.object(PostgreSQLSession, moment, robbed),
        pytest.raises(LockError, match="the deployment lock was lost"),
    ):
        deploy(project)

    assert_at(project, 2)


def test_lock_file_that_was_removed_stops_the_run_before_it_commits(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    original = PostgreSQLSession.check

    def robbed(session: PostgreSQLSession, sql: str = "") -> None:
        project.file.with_name(f"{project.file.name}.lock").unlink()
        original(session, sql)

    with (
        mock.patch.object(PostgreSQLSession, "check", robbed),
        pytest.raises(LockError, match="sqlite: the deployment lock was lost"),
    ):
        deploy(project)

    assert_at(project, 2)


@pytest.mark.parametrize("now", ["another file", "not there"])
def test_sqlite_file_that_is_moved_or_replaced_stops_the_run_before_it_commits(
    project: Project, now: str
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    original = PostgreSQLSession.check
    moved = project.file.with_name("moved.db")

    def robbed(session: PostgreSQLSession, sql: str = "") -> None:
        project.file.rename(moved)
        if now == "another file":
            shutil.copyfile(moved, project.file)
        original(session, sql)

    with (
        mock.patch.object(PostgreSQLSession, "check", robbed),
        pytest.raises(LockError, match="sqlite: the database's file was moved") as told,
    ):
        deploy(project)

    assert f"{project.file} is {now} now" in str(told.value)
    moved.replace(project.file)
    assert_at(project, 2)


def test_statement_that_a_killed_run_left_running_is_waited_for(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.add("postgres", "003_t3", "SELECT pg_sleep(600);\n")
    # Or the server would notice within a second that its client is gone.
    child = forked(lambda: deploy(project))
    running = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        " AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    until(lambda: project.pg(running), "the statement runs")
    [(pid,)] = project.pg(running)
    os.kill(pid, signal.SIGSTOP)  # it cannot notice
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    project.configure("postgres", lock_wait="0.5")
    try:
        with pytest.raises(LockError) as failure:
            deploy(project)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert "an earlier run's statement holds the lock" in str(failure.value)
    assert f"pid {pid} (sqlpair" in str(failure.value)
    project.add("postgres", "003_t3", "CREATE TABLE t3 (id int);\n")
    project.configure("postgres", lock_wait="60")
    deploy(project)
    assert project.applied("postgres") == ["001_t1", "003_t3"]


@contextmanager
def reading(project: Project, table: str) -> Iterator[None]:
    """Hold a table as a long report does: reading it in a transaction."""
    with connected(f"{project.dsn} application_name=report") as execute:
        execute(f"BEGIN; SELECT * FROM {table}")
        yield


def with_alter_pending(project: Project) -> None:
    """Let it have a table that is to be altered, soon or not at all."""
    add(project, 1, 2)
    project.upgrade()
    project.configure("postgres", lock_timeout="0.2")
    project.add("postgres", "003_alter", "ALTER TABLE t1 ADD COLUMN v int;\n")
    project.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")


def test_table_held_by_a_reader_fails_in_bounded_time_and_names_the_reader(
    project: Project,
) -> None:
    with_alter_pending(project)

    with reading(project, "t1"), pytest.raises(SqlpairError) as failure:
        deploy(project)

    words = str(failure.value)
    assert "postgres 003_alter.sql:1: canceling statement due to lock timeout" in words
    assert re.search(r"blocked by pid \d+ \(report, \w+\), idle in transaction", words)
    assert "its last query was: BEGIN; SELECT * FROM t1" in words
    assert "tried 5 times" in words
    assert "rolled back: nothing was changed" in words
    assert_at(project, 2)


def test_table_that_becomes_free_meanwhile_is_migrated(project: Project) -> None:
    with_alter_pending(project)
    said: list[str] = []

    reader = connected(project.dsn)
    reader.execute("BEGIN; SELECT * FROM t1")

    def report(line: str) -> None:
        said.append(line)
        if "trying again" in line:
            reader.raw.close()

    target = Destination(("heads",), "upgrade", report)
    outcome = deployment.deploy(project.settings, target, report)

    assert any("trying again (1 of 5)" in line for line in said)
    assert [step.migration.stem for step, *_ in outcome.done] == ["003_alter", "004_t4"]


def test_the_pause_is_as_long_as_the_attempt_not_as_the_longest_timeout(
    project: Project,
) -> None:
    with_alter_pending(project)
    project.configure("sqlite", lock_timeout="3600")
    pauses: list[float] = []

    def wait(_least: float, most: float) -> None:
        pauses.append(most)

    with (
        reading(project, "t1"),
        mock.patch.object(retry, "wait", wait),
        pytest.raises(SqlpairError, match="lock timeout"),
    ):
        deploy(project)

    assert len(pauses) == 4
    assert 0 < max(pauses) < 1800


def test_another_reader_waits_no_longer_than_the_timeout(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.configure("postgres", lock_timeout="0.5")
    project.add("postgres", "003_alter", "ALTER TABLE t1 ADD COLUMN v int;\n")
    outcome: list[SqlpairError] = []
    gave_way, got_through = threading.Event(), threading.Event()

    def report(line: str) -> None:
        if "trying again (1 of 5)" in line:
            gave_way.set()
            got_through.wait(60)

    def migrate() -> None:
        try:
            target = Destination(("heads",), "upgrade", report)
            deployment.deploy(project.settings, target, report)
        except SqlpairError as error:
            outcome.append(error)

    with reading(project, "t1"), connected(project.dsn) as other:
        migration = threading.Thread(target=migrate)
        migration.start()
        until(
            lambda: (
                gave_way.is_set()
                or project.pg(
                    "SELECT pid FROM pg_locks WHERE NOT granted"
                    " AND relation = 't1'::regclass"
                )
            ),
            "the migration waits for the table",
        )
        # It queues behind the migration, and gets through although the report has
        # not ended and the migration has not failed: so that gave way.
        assert other("SELECT count(*) FROM t1") == [(0,)]
        assert not outcome
        got_through.set()
        migration.join()

    assert len(outcome) == 1


def test_broken_deadlock_is_tried_again(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.pg("CREATE TABLE other (id int)")
    project.configure("postgres", lock_timeout="30")
    project.add(
        "postgres",
        "003_both",
        "SET LOCAL deadlock_timeout = '50ms';\nALTER TABLE t1 ADD COLUMN v int;\n"
        "ALTER TABLE other ADD COLUMN v int;\n",
    )
    said: list[str] = []
    rival = connected(project.dsn)
    rival.execute("BEGIN; SET deadlock_timeout = '60s'; SELECT * FROM other")
    waiting = threading.Thread(target=rival.execute, args=["SELECT * FROM t1"])
    session_begin = PostgreSQLSession.run_one

    def run_one(
        session: PostgreSQLSession, statement: Statement, path: Path, then: str = ""
    ) -> None:
        session_begin(session, statement, path, then)
        if "t1 ADD" in statement.text and not waiting.is_alive() and not said:
            waiting.start()
            until(
                lambda: project.pg("SELECT 1 FROM pg_locks WHERE NOT granted"),
                "the rival waits for us",
            )

    def report(line: str) -> None:
        if "trying again" in line:
            said.append(line)
            waiting.join()
            rival.raw.close()

    target = Destination(("heads",), "upgrade", report)
    with mock.patch.object(PostgreSQLSession, "run_one", run_one):
        outcome = deployment.deploy(project.settings, target, report)

    assert "deadlock detected; trying again (1 of 5)" in said[0]
    assert [step.migration.stem for step, *_ in outcome.done] == ["003_both"]


def test_create_index_concurrently_waits_for_others_and_says_for_whom(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.configure("postgres", lock_timeout="0.1")
    project.add(
        "postgres",
        "003_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t1 (id);\n",
    )
    writer = connected(f"{project.dsn} application_name=writer")
    writer.execute("BEGIN; INSERT INTO t1 VALUES (1)")
    said: list[str] = []

    def report(line: str) -> None:
        said.append(line)
        if "writer" in line:
            writer.raw.close()

    target = Destination(("heads",), "upgrade", report)
    deployment.deploy(project.settings, target, report)

    assert re.search(r"waiting, blocked by pid \d+ \(writer", "\n".join(said))
    assert project.applied("postgres") == ["001_t1", "003_index"]


def test_sqlite_file_held_by_a_writer_is_waited_for_and_then_said_to_be_locked(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    project.configure("sqlite", lock_timeout="0.05")
    project.configure("postgres", lock_timeout="0.05")
    writer = sqlite3.connect(project.file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    try:
        with pytest.raises(LockError) as failure:
            deploy(project)
    finally:
        writer.close()

    words = str(failure.value)
    assert "sqlite: the database is locked by another program" in words
    assert "tried 5 times" in words
    assert "rolled back: nothing was changed" in words
    assert_at(project, 2)
    deploy(project)
    assert_at(project, 4)


def test_reader_of_a_wal_database_neither_waits_nor_stops_a_migration(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.lite("PRAGMA journal_mode = WAL")
    project.add("sqlite", "004_more", "ALTER TABLE t2 ADD COLUMN more int;\n")
    columns = "SELECT count(*) FROM pragma_table_info('t2')"
    reader = sqlite3.connect(project.file, isolation_level=None)
    try:
        reader.execute("BEGIN")
        assert reader.execute(columns).fetchone() == (1,)

        deploy(project)

        assert reader.execute(columns).fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute(columns).fetchone() == (2,)
    finally:
        reader.close()
    assert project.lite("PRAGMA journal_mode") == [("wal",)]
    assert project.applied("sqlite") == ["002_t2", "004_more"]


def test_settings_of_a_transaction_bound_what_it_waits_and_outlives(
    project: Project,
) -> None:
    project.pg("CREATE TABLE seen (name text, setting text)")
    [(name,)] = project.pg("SELECT current_database()")
    for other in (
        "client_connection_check_interval = 0",
        "idle_in_transaction_session_timeout = '1h'",
    ):
        project.pg(f"ALTER DATABASE {name} SET {other}")
    project.add(
        "postgres",
        "001_look",
        "INSERT INTO seen SELECT name, setting FROM pg_settings WHERE name IN"
        " ('lock_timeout', 'client_connection_check_interval',"
        " 'idle_in_transaction_session_timeout', 'synchronous_commit');\n",
    )

    project.upgrade()

    assert dict(project.pg("SELECT name, setting FROM seen")) == {
        "lock_timeout": "5000",
        "client_connection_check_interval": "1000",
        "idle_in_transaction_session_timeout": "0",
        "synchronous_commit": "on",
    }


SLOW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000)"
    " SELECT max(i) FROM n"
)


def test_timeout_for_idle_transactions_takes_no_lock_away(project: Project) -> None:
    [(name,)] = project.pg("SELECT current_database()")
    project.pg(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = 200")
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\nSELECT pg_sleep(1);\n")
    project.add("sqlite", "002_t2", f"CREATE TABLE t2 AS {SLOW};\n")
    project.add("postgres", "003_t3", "CREATE TABLE t3 ();\n")

    deploy(project)

    assert project.applied("postgres") == ["001_t1", "003_t3"]
    assert project.lite("SELECT count(*) FROM t2") == [(1,)]


def test_timeout_that_a_file_sets_does_not_end_what_waits_for_the_other_database(
    project: Project,
) -> None:
    timeout = "SET idle_in_transaction_session_timeout = 200;\n"
    project.add("postgres", "001_t1", f"CREATE TABLE t1 ();\n{timeout}")
    project.add("sqlite", "002_t2", f"CREATE TABLE t2 AS {SLOW};\n")

    deploy(project)

    assert project.applied("postgres") == ["001_t1"]


EXCLUSIVE = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_program_that_holds_a_sqlite_file_exclusively_is_named(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.configure("sqlite", lock_timeout="0.05")
    holder = subprocess.Popen(
        [sys.executable, "-c", EXCLUSIVE, str(project.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"

    failure = project.sqlpair("status", expect=1)
    holder.communicate()

    assert "another program holds the database exclusively" in failure.stderr
    assert f"open in pid {holder.pid} (python" in failure.stderr


def test_file_that_is_replaced_while_a_run_waits_is_the_one_it_moves(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    original = SQLiteLock.take

    def restored(lock: SQLiteLock, report: Report) -> None:
        copy = project.file.with_name("restored.db")
        shutil.copyfile(project.file, copy)
        copy.replace(project.file)
        original(lock, report)

    with mock.patch.object(SQLiteLock, "take", restored):
        deploy(project)

    assert_at(project, 4)
