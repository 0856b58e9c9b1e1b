"""SIGINT, SIGTERM and SIGHUP: rolled back, exit 130, 143, 129, locks freed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from conftest import Project
from fault_injection import add, assert_at, at_rest, forked, until
from sqlpair import signals
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import Interrupted

ENDLESS = (
    "CREATE TABLE half AS WITH RECURSIVE n(i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;\n"
)
COMMANDS = {
    "alembic": ("-m", "alembic", "upgrade", "heads"),
    "sqlpair": ("-m", "sqlpair", "migrate"),
}
ALL = COMMANDS | {"prove": ("-m", "sqlpair", "prove")}
WAIT = (
    "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM 1 FROM pg_sleep(600); RETURN NULL; END';\n"
)


Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """Start a command; it is killed when the test fails to end it."""
    with ExitStack() as processes:

        def begin(command: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, *ALL[command]],
                cwd=project.root,
                env=project.environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield begin


def is_locked(project: Project) -> bool:
    """Say whether somebody has a transaction open that writes to SQLite."""
    if not project.file.exists():
        return False
    probe = sqlite3.connect(project.file, timeout=0, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        probe.close()
    return False


def sleeping(project: Project) -> list[tuple[object, ...]]:
    return project.pg(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'"
        " AND state = 'active' AND pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )


def interrupted_once() -> Callable[[SQLiteSession], None]:
    """Make a commit during which, the first time, a signal comes."""
    original = SQLiteSession.commit
    signals_to_come = [signal.SIGTERM]

    def commit(session: SQLiteSession) -> None:
        if signals_to_come:
            os.kill(os.getpid(), signals_to_come.pop())
        original(session)

    return commit


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_signal_ends_a_statement_of_postgresql_and_rolls_back(
    project: Project, start: Start, command: str, number: int, code: int
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.add("sqlite", "004_half", "CREATE TABLE half (id int);\n")
    project.add("postgres", "005_slow", "CREATE TABLE half ();\nSELECT pg_sleep(600);")
    process = start(command)
    until(lambda: sleeping(project), "the statement runs")

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == code
    assert f"interrupted by {signal.Signals(number).name}" in stderr
    assert "rolled back: nothing was changed" in stderr
    assert "Traceback" not in stderr
    assert_at(project, 2)
    assert f"interrupted by {signal.Signals(number).name}" in project.log
    at_rest(project)


def test_signal_ends_a_deferred_constraint_and_rolls_back(
    project: Project, start: Start
) -> None:
    project.add(
        "postgres",
        "001_slow",
        "CREATE TABLE half ();\n"
        f"{WAIT}"
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON half"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();\n"
        "INSERT INTO half DEFAULT VALUES;\n",
    )

    process = start("sqlpair")
    until(lambda: waiting(project), "the trigger runs")
    process.send_signal(signal.SIGTERM)
    until(lambda: process.poll() is not None or not waiting(project), "it stops")
    _, errors = process.communicate()

    assert process.returncode == 143, errors
    assert "rolled back: nothing was changed" in errors
    assert project.tables("postgres") == set()


def waiting(project: Project) -> list[tuple[object, ...]]:
    return project.pg(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND datname = current_database()"
    )


def test_signal_ends_what_prove_does_in_both_of_its_databases(
    project: Project, start: Start
) -> None:
    project.add(
        "postgres",
        "001_slow",
        "CREATE TABLE half (id int);\n"
        f"{WAIT}"
        "CREATE TRIGGER wait BEFORE INSERT ON half"
        " FOR EACH ROW EXECUTE FUNCTION wait();\n",
        "DROP TABLE half;\nDROP FUNCTION wait();\n",
    )
    process = start("prove")
    until(lambda: len(in_scratch(project)) == 2, "the trial and the next one wait")

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert in_scratch(project) == []
    assert scratch_databases(project) == []


def in_scratch(project: Project) -> list[tuple[object, ...]]:
    return project.pg(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND datname LIKE 'sqlpair\\_scratch\\_%'"
    )


def scratch_databases(project: Project) -> list[tuple[object, ...]]:
    return project.pg(
        "SELECT datname FROM pg_database WHERE datname LIKE 'sqlpair\\_scratch\\_%'"
    )


def test_signal_ends_a_statement_of_sqlite_and_rolls_back(
    project: Project, start: Start
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.add("postgres", "003_half", "CREATE TABLE half ();\n")
    project.add("sqlite", "004_slow", ENDLESS)
    process = start("alembic")
    until(lambda: is_locked(project), "the transaction is open")
    until(
        lambda: project.pg(
            "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"
            " AND query LIKE '%RESET ALL%' AND datname = current_database()"
        ),
        "it is SQLite's turn",
    )

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted by SIGINT" in stderr
    assert not is_locked(project)
    assert_at(project, 2)


def test_signal_while_waiting_for_the_lock_ends_the_wait(
    project: Project, start: Start
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.add("postgres", "003_slow", "SELECT pg_sleep(600);\n")
    holder = start("alembic")
    until(lambda: sleeping(project), "the holder is at work")
    waiter = start("alembic")
    assert waiter.stderr is not None
    assert "waiting for another deployment, pid" in waiter.stderr.readline()

    waiter.send_signal(signal.SIGTERM)

    waiter.communicate(timeout=60)
    assert waiter.returncode == 143
    assert sleeping(project)
    holder.send_signal(signal.SIGTERM)
    holder.communicate(timeout=60)
    assert holder.returncode == 143


def test_signal_during_a_file_outside_transactions_says_what_was_done(
    project: Project, start: Start
) -> None:
    add(project, 1, 2)
    project.upgrade()
    project.add(
        "postgres",
        "003_slow",
        "-- no-transaction\nCREATE TABLE one ();\nSELECT pg_sleep(600);\n",
    )
    process = start("alembic")
    until(lambda: sleeping(project), "the statement runs")

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "done before it, and kept: 1 statement (line 2)" in stderr
    assert "nothing was changed" not in stderr
    assert project.tables("postgres") == {"t1", "one"}
    at_rest(project)


def test_signal_during_the_commit_comes_too_late(project: Project) -> None:
    add(project, 1, 2)
    with mock.patch.object(SQLiteSession, "commit", interrupted_once()):
        project.sqlpair("migrate")

    assert_at(project, 2)


def test_signal_that_came_too_late_interrupts_no_later_deployment_of_a_program(
    project: Project,
) -> None:
    add(project, 1, 2)
    with mock.patch.object(SQLiteSession, "commit", interrupted_once()):
        project.sqlpair("migrate")
    add(project, 3, 4)

    project.upgrade()  # without handlers of its own

    assert_at(project, 4)


def test_signal_during_one_stages_commit_ends_the_run_before_the_next(
    project: Project,
) -> None:
    project.configure("alembic", transaction="migration")
    add(project, 1, 2, 3, 4)
    with mock.patch.object(SQLiteSession, "commit", interrupted_once()):
        done = project.sqlpair("migrate", expect=143)

    assert "committed before it: postgres 001_t1, sqlite 002_t2" in done.stderr
    assert_at(project, 2)


def test_second_signal_ends_the_process_at_once() -> None:
    def stubborn() -> None:
        with signals.handled():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Interrupted:
                os.kill(os.getpid(), signal.SIGINT)

    _, status = os.waitpid(forked(stubborn), 0)

    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGINT


def test_second_sighup_is_no_other_one() -> None:
    """Where a terminal is closed, the kernel and the shell both send it."""
    with signals.handled():
        with pytest.raises(Interrupted, match="SIGHUP"):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    threads = threading.active_count()

    with signals.handled():
        assert [signal.getsignal(n) for n in signals.SIGNALS] != before

    assert [signal.getsignal(number) for number in signals.SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads


def test_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.handled():
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_program_that_deploys_keeps_its_own_handlers(project: Project) -> None:
    add(project, 1, 2)
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    seen = []
    target = Destination(("heads",), "upgrade", seen.append)

    def look(line: str) -> None:
        seen.append([signal.getsignal(number) for number in signals.SIGNALS])

    original = SQLiteSession.commit

    def commit(session: SQLiteSession) -> None:
        look("")
        original(session)

    with mock.patch.object(SQLiteSession, "commit", commit):
        deployment.deploy(project.settings, target, look)

    assert seen
    assert all(handlers == before for handlers in seen)
