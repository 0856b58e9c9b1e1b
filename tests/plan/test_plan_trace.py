"""A rehearsal leaves no trace: catalogs, rows, sequences and records as before."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from dry_runs import nobody, prepared
from fault_injection import until
from sqlpair.plan.dry_run import dry_run


@pytest.fixture
def applied(project: Project) -> Project:
    return prepared(project)


def everything(project: Project) -> list[Any]:
    """All that a rehearsal might leave something in."""
    files = {
        path.relative_to(project.root): path.read_bytes()
        for path in project.root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return [
        files,
        project.schema("postgres"),
        project.pg("SELECT * FROM t ORDER BY id"),
        project.pg("SELECT last_value, is_called FROM t_id_seq"),
        project.pg("SELECT * FROM schema_version"),
        project.pg("SELECT * FROM schema_history"),
        project.pg("SELECT * FROM alembic_version"),
        project.pg("SELECT * FROM pg_prepared_xacts"),
        project.pg("SELECT relname, relfilenode FROM pg_class ORDER BY oid"),
        project.lite("SELECT * FROM sqlite_sequence"),
    ]


def test_a_rehearsal_leaves_no_trace(applied: Project) -> None:
    applied.add(
        "postgres",
        "003_much",
        "UPDATE t SET a = 1;\n"
        "ALTER TABLE t ADD COLUMN c int DEFAULT 7;\n"
        "CREATE SEQUENCE other;\nSELECT nextval('other');\nDROP TABLE parent;\n",
        "DROP SEQUENCE other; CREATE TABLE parent (id integer PRIMARY KEY);"
        "ALTER TABLE t DROP COLUMN c;",
    )
    applied.add("sqlite", "004_much", "INSERT INTO s (a) VALUES ('x');\nDROP TABLE s;")
    before = everything(applied)

    found = dry_run(applied.settings, nobody)

    assert not found.failed
    assert [item.reason for item in found.steps] == ["", ""]
    assert not [note for note in found.notes if "sequence" in note]
    assert everything(applied) == before


@pytest.mark.parametrize(
    "drawing",
    [
        "INSERT INTO t (a) VALUES (1);\n",
        "DO $$BEGIN INSERT INTO t (a) VALUES (1); END$$;\n",
        "CREATE FUNCTION draw() RETURNS bigint LANGUAGE sql\n"
        "AS $$SELECT nextval('t_id_seq')$$;\nSELECT draw();\n",
    ],
)
def test_a_sequence_that_moved_is_named(applied: Project, drawing: str) -> None:
    applied.add("postgres", "003_more", drawing, "SELECT 1;")

    found = dry_run(applied.settings, nobody)

    assert not found.failed
    assert applied.pg("SELECT last_value FROM t_id_seq") == [(51,)]
    assert [note for note in found.notes if "sequence" in note] == [
        "postgres: sequence t_id_seq moved from 50 to 51: a rollback leaves a gap,"
        " as any does"
    ]


@pytest.mark.parametrize(
    ("made", "moves", "told"),
    [
        ("", "SELECT setval('t_id_seq', 3);\n", "t_id_seq moved from 50 to 3"),
        (
            'CREATE SEQUENCE "S ""x" INCREMENT -2 MINVALUE -99 START -5;'
            ' SELECT nextval(\'"S ""x"\')',
            'SELECT setval(\'"S ""x"\', -1);\n',
            '"S ""x" moved from -5 to -1',
        ),
    ],
)
def test_a_sequence_that_went_back_is_put_back(
    applied: Project, made: str, moves: str, told: str
) -> None:
    if made:
        applied.pg(made)
    applied.add("postgres", "003_more", moves, "SELECT 1;")
    query = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
    before = applied.pg(query)

    found = dry_run(applied.settings, nobody)

    assert not found.failed
    assert applied.pg(query) == before
    assert f"postgres: sequence {told}: setval() is not rolled back, and was" in str(
        found.notes
    )


def test_a_rehearsal_that_fails_leaves_no_trace(applied: Project) -> None:
    applied.add("postgres", "003_bad", "UPDATE t SET a = 1;\nSELECT nope;\n")
    before = everything(applied)

    assert dry_run(applied.settings, nobody).failed

    assert everything(applied) == before


# -- interrupted ----------------------------------------------------------------------

SLOW = {
    "postgres": "UPDATE t SET a = 1;\nDROP TABLE parent;\nSELECT pg_sleep(600);\n",
    "sqlite": "INSERT INTO s (a) VALUES ('three');\nCREATE TABLE half AS"
    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;",
}


def at_work(project: Project, database: str) -> bool:
    """Say whether a dry run has come to what takes forever."""
    if database == "postgres":
        return bool(
            project.pg(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'"
                " AND state = 'active' AND datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        )
    with closing(sqlite3.connect(project.file, timeout=0)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@pytest.mark.parametrize("database", SLOW)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
)
def test_an_interrupted_rehearsal_leaves_no_trace(
    applied: Project, database: str, number: signal.Signals, code: int
) -> None:
    applied.add(database, "003_slow", SLOW[database])
    applied.lite("PRAGMA journal_mode = WAL")
    before = everything(applied)
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlpair", "plan"],
        cwd=applied.root,
        env=applied.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: at_work(applied, database), "the rehearsal is under way")

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == code
    assert "Traceback" not in stderr
    until(lambda: not at_work(applied, database), "the server has noticed")
    assert everything(applied)[1:] == before[1:]
    assert applied.lite("SELECT * FROM s") == [(1, "one"), (2, "two")]
    assert applied.lite("PRAGMA integrity_check") == [("ok",)]
    # And nothing is in the way of whoever comes next.
    (applied.root / "sql" / database / "003_slow.sql").write_text("SELECT 1;\n")
    assert not dry_run(applied.settings, nobody).failed


def test_databases_that_are_not_there_are_not_made(
    project: Project, tmp_path: Path
) -> None:
    project.add("sqlite", "001_s", "CREATE TABLE s (a TEXT);\n", "DROP TABLE s;\n")

    found = dry_run(project.settings, nobody)

    assert [item.reason for item in found.steps] == [""]
    assert "sqlite: no database is there yet; this was a scratch one" in found.notes
    assert not project.file.exists()
    assert not project.file.parent.exists()
