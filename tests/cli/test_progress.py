"""What is said while something takes long: begins, ends, how far, server messages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import Project

SLOW = "CREATE TABLE slow (id int);\nSELECT pg_sleep({});\n"
SAYING = """\
-- says how far it is
DO $$ BEGIN
  RAISE NOTICE 'half of it';
  PERFORM pg_sleep({seconds});
  RAISE WARNING 'that was all';
END $$;
"""


def started(project: Project, *words: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=project.root,
        env=project.environ | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read lines from stderr, until one holds ``text``."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} never came: {lines}")


def ended(process: subprocess.Popen[str]) -> None:
    """End it, and hear it out: one that cannot tell it any more exits with 120."""
    process.terminate()
    process.communicate()


COMMANDS = pytest.mark.parametrize(
    "command", [("sqlpair", "migrate"), ("alembic", "upgrade", "heads")]
)


@COMMANDS
def test_a_migration_says_when_it_begins_and_when_it_ends(project, command) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\nSELECT 1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")

    done = project.run("-m", *command)

    said = [line.rpartition(" in ")[0] or line for line in done.stderr.splitlines()]
    assert said[:4] == [
        "postgres 001_t1: upgrade begins, 2 statements",
        "postgres 001_t1: upgrade done",
        "sqlite 002_t2: upgrade begins, 1 statement",
        "sqlite 002_t2: upgrade done",
    ]


@COMMANDS
def test_a_pipe_gets_the_beginning_while_the_migration_runs(project, command) -> None:
    project.add("postgres", "001_slow", SLOW.format(600))

    with started(project, *command) as process:
        read_until(process, "postgres 001_slow: upgrade begins, 2 statements")
        assert process.poll() is None
        ended(process)

    assert process.returncode == 143


def test_a_migration_that_fails_says_so_before_the_failure(project: Project) -> None:
    project.add("sqlite", "001_broken", "SELECT nope;\n")

    failure = project.sqlpair("migrate", expect=1)

    begins, fails, *rest = failure.stderr.splitlines()
    assert begins == "sqlite 001_broken: upgrade begins, 1 statement"
    assert fails.startswith("sqlite 001_broken: upgrade failed after ")
    assert "sqlite 001_broken.sql:1: no such column: nope" in rest[0]


@COMMANDS
def test_a_heartbeat_tells_the_statement_and_the_time(project, command) -> None:
    project.add("postgres", "001_slow", SLOW.format(600))

    with started(project, *command, SQLPAIR_HEARTBEAT="0.3") as process:
        (*_, beat) = read_until(process, "statement 2 of 2")
        ended(process)

    assert beat.startswith("migration 1 of 1; postgres 001_slow, statement 2 of 2, 0:0")


def test_a_heartbeat_of_no_length_is_refused(project: Project) -> None:
    for text in ("0", "-1", "soon", "nan"):
        failure = project.sqlpair("migrate", expect=1, SQLPAIR_HEARTBEAT=text)
        assert f"SQLPAIR_HEARTBEAT is '{text}'" in failure.stderr


def test_the_statements_of_a_long_file_are_counted_as_they_run(project) -> None:
    rows = "".join(
        f"INSERT INTO t VALUES ({n}, '{'x' * 80}');\n" for n in range(12_000)
    )
    project.add("postgres", "001_rows", f"CREATE TABLE t (id int, x text);\n{rows}")
    project.add("postgres", "002_slow", "SELECT pg_sleep(600);\n")

    with started(project, "sqlpair", "migrate", SQLPAIR_HEARTBEAT="0.2") as process:
        lines = read_until(process, "postgres 001_rows: upgrade done")
        ended(process)

    assert "postgres 001_rows: upgrade begins, 12,001 statements\n" in lines


@COMMANDS
def test_a_heartbeat_tells_how_far_an_index_is(project, command) -> None:
    # Two calls of a function that waits, for each row: the build stands at its start.
    project.add(
        "postgres",
        "001_index",
        "CREATE TABLE t (id int);\n"
        "INSERT INTO t SELECT generate_series(1, 100000);\n"
        "CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$\n"
        "BEGIN IF id = 50000 THEN PERFORM pg_sleep(600); END IF; RETURN id; END $$;\n"
        "CREATE INDEX ON t (slowly(id));\n",
    )

    with started(project, *command, SQLPAIR_HEARTBEAT="0.3") as process:
        (*_, beat) = read_until(process, "building index")
        ended(process)

    assert "statement 4 of 4, building index: scanning table" in beat
    assert " %, 0:0" in beat


def test_a_heartbeat_tells_that_sqlite_is_at_work(project: Project) -> None:
    project.add(
        "sqlite",
        "001_count",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)\n"
        "SELECT max(i) FROM n;\n",
    )

    with started(project, "sqlpair", "migrate", SQLPAIR_HEARTBEAT="0.3") as process:
        (*_, beat) = read_until(process, "million steps of SQLite's")
        ended(process)

    assert process.returncode == 143
    assert "sqlite 001_count, statement 1 of 1, " in beat


def test_verify_tells_which_migration_it_builds(project: Project) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("postgres", "002_slow", "SELECT 1;\n")
    project.upgrade()
    # What was applied by name stays; its file now takes its time.
    project.add("postgres", "003_wait", "SELECT pg_sleep(600);\n")
    project.sqlpair("force-version", "3", "--yes")

    for words in (("verify",), ("snapshot",)):
        with started(project, "sqlpair", *words, SQLPAIR_HEARTBEAT="0.3") as process:
            (*_, beat) = read_until(process, "003_wait, statement 1 of 1")
            ended(process)
        assert "postgres: building the schema, migration 3 of 3; 003_wait" in beat


# -- what the server says ----------------------------------------------------------


@COMMANDS
def test_what_the_server_says_appears_while_the_statement_runs(
    project, command
) -> None:
    project.add("postgres", "001_says", SAYING.format(seconds=600))

    with started(project, *command) as process:
        (*_, line) = read_until(process, "half of it")
        assert process.poll() is None
        ended(process)

    assert line == "postgres 001_says.sql:2: NOTICE: half of it\n"
    assert process.returncode == 143
    assert "outcome=notice" in project.log
    assert 'at="postgres 001_says.sql:2" said="NOTICE: half of it"' in project.log
    assert project.tables("postgres") == set()


def test_what_the_server_says_of_the_bookkeeping_is_not_told(project: Project) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (id int);\n")
    project.upgrade()
    project.add(
        "postgres",
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id);\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id);\n",
    )

    done = project.sqlpair("migrate")

    told = [line for line in done.stderr.splitlines() if "NOTICE" in line]
    assert told == [
        'postgres 002_index.sql:3: NOTICE: relation "i" already exists, skipping'
    ]


def test_warnings_of_a_transaction_of_its_own_and_of_many_rows_have_lines(
    project: Project,
) -> None:
    project.add(
        "postgres",
        "001_tables",
        "CREATE TABLE t (id int);\n"
        "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS\n"
        "$$ BEGIN RAISE WARNING 'row %', new.id; RETURN new; END $$;\n"
        "CREATE TRIGGER told BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION told();\n"
        "INSERT INTO t VALUES (1);\n"
        "INSERT INTO t VALUES (2);\n",
    )
    project.add(
        "postgres", "002_alone", f"-- no-transaction\n{SAYING.format(seconds=0)}"
    )

    done = project.sqlpair("migrate")

    assert "postgres 001_tables.sql:5-6: WARNING: row 1\n" in done.stderr
    assert "postgres 001_tables.sql:5-6: WARNING: row 2\n" in done.stderr
    assert "postgres 002_alone.sql:3: WARNING: that was all\n" in done.stderr


def test_what_a_server_says_in_another_database_is_not_told(project: Project) -> None:
    project.add("postgres", "001_says", SAYING.format(seconds=0))
    project.upgrade()

    assert "half of it" not in project.sqlpair("verify").stderr


def test_no_other_way_to_wait_for_a_statement_is_taken_away(project: Project) -> None:
    from psycopg2 import extensions, extras

    project.add("postgres", "001_says", SAYING.format(seconds=0))
    extensions.set_wait_callback(extras.wait_select)
    try:
        project.upgrade()
        assert extensions.get_wait_callback() is extras.wait_select
    finally:
        extensions.set_wait_callback(None)
    project.downgrade("base")
    project.upgrade()
    assert extensions.get_wait_callback() is None
    assert project.log.count("half of it") == 2


def test_a_failing_statement_names_its_place_while_messages_are_heard(project) -> None:
    project.add(
        "postgres",
        "001_fails",
        "DO $$ BEGIN RAISE NOTICE 'first'; END $$;\nSELECT 1,\n  nope;\n",
    )

    failure = project.sqlpair("migrate", expect=1)

    assert "postgres 001_fails.sql:1: NOTICE: first" in failure.stderr
    assert 'postgres 001_fails.sql:3: column "nope" does not exist' in failure.stderr
    assert "|   ^" in failure.stderr


SIGNALLED = """\
import os, signal, sys, threading
from contextlib import nullcontext
from pathlib import Path
from sqlpair import signals
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import Interrupted
from sqlpair.project.settings import load

signals.cancelling = lambda cancel: nullcontext()  # so that SQLite is at work
def said(line):
    if "begins" in line:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    with signals.handled():
        heads = Destination(("heads",), "upgrade", said)
        deployment.deploy(load(Path("alembic.ini")), heads, said)
except Interrupted as error:
    print(error)
"""


def test_a_signal_while_sqlite_counts_is_no_failure_of_the_statement(project) -> None:
    project.add(
        "sqlite",
        "001_count",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " LIMIT 20000000)\nSELECT max(i) FROM n;\n",
    )

    done = project.run("-c", SIGNALLED)

    assert done.stdout.startswith("interrupted by SIGTERM\n")
