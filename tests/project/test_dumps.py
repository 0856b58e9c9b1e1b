"""Dumps as migrations: what pg_dump and sqlite3 write, without an edit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project, connected
from pg_dump import comparable, programs, script_of
from sqlpair.errors import StatementError

LIVE = r"""
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL, mood mood, born date);
CREATE TABLE notes (person int REFERENCES people, note text, data bytea, doc jsonb);
CREATE VIEW glad AS SELECT name FROM people WHERE mood = 'glad';
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
INSERT INTO people (name, mood, born)
VALUES ('O''Hara', 'glad', '1969-12-31'), (E'tab\there; back\\slash', NULL, NULL),
    ('', 'sad', 'infinity'), ('Zoë', 'glad', '0044-03-15 BC'), (E'\\.', 'sad', NULL);
INSERT INTO notes SELECT 1, repeat(E'line\n', n), decode('00ff5c', 'hex'), '{"a": ":b"}'
FROM generate_series(1, 20) AS n;
"""


def program(name: str, *arguments: str, given: str | None = None) -> str:
    path = str(programs() / name)
    done = subprocess.run(
        [path, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def dumped(dsn: str, *arguments: str) -> list[str]:
    """What pg_dump writes of a database, without the engine's own tables."""
    own = [f"--exclude-table={name}" for name in ("alembic_version", "schema_*")]
    return comparable(dsn, "--no-owner", *own, *arguments)


@pytest.fixture
def live(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    with connected(dsn) as execute:
        execute(LIVE)
    return dsn


def baseline(project: Project, live: str) -> str:
    text = script_of(live, "--no-owner")
    assert "COPY public.people (" in text
    project.add("postgres", "001_baseline", text)
    return text


def test_a_pg_dump_with_its_rows_is_a_migration(project: Project, live: str) -> None:
    baseline(project, live)
    # The dump has emptied the search path for itself alone.
    project.add("postgres", "002_more", "CREATE TABLE more (id int);")

    project.sqlpair("migrate")

    project.pg("DROP TABLE public.more")
    assert dumped(project.dsn) == dumped(live)
    assert project.pg("SELECT name FROM people WHERE id = 5") == [("\\.",)]


def test_the_script_of_a_dump_does_the_same_in_psql(
    project: Project, live: str
) -> None:
    baseline(project, live)
    script = project.alembic("upgrade", "postgres@head", "--sql").stdout
    script = script or (project.root / "postgres.sql").read_text()

    program(
        "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", project.dsn, given=script
    )

    assert dumped(project.dsn) == dumped(live)


def test_a_dump_is_planned_proved_and_verified(project: Project, live: str) -> None:
    baseline(project, live)
    (project.root / "sql/postgres/001_baseline_rollback.sql").write_text(
        "DROP VIEW glad;\nDROP TABLE notes;\nDROP TABLE people;\n"
        "DROP FUNCTION double(int);\nDROP TYPE mood;\n"
    )

    planned = project.sqlpair("plan")
    assert "COPY public.notes (person, note, data, doc) FROM stdin;" in planned.stdout
    assert "20 rows)" in planned.stdout
    project.sqlpair("prove")
    project.sqlpair("migrate")
    project.sqlpair("verify")


def test_the_rows_of_a_dump_are_not_linted_as_sql(project: Project, live: str) -> None:
    baseline(project, live)
    done = project.sqlpair("lint", "--format", "json", expect=1)
    rules = {finding["rule"] for finding in json.loads(done.stdout)}
    assert "rollback-missing" in rules
    assert "unparsed" not in rules


@pytest.mark.parametrize("marked", ["", "-- no-transaction\n"])
def test_a_row_that_does_not_fit_is_told_with_its_line(
    project: Project, marked: str
) -> None:
    project.add(
        "postgres",
        "001_rows",
        marked + "CREATE TABLE t (id int,\n  name text);\n"
        "COPY t (id, name) FROM stdin;\n1\ta\n2\tb\nthree\tc\n4\td\n\\.\nSELECT 1;\n",
    )
    with pytest.raises(StatementError) as caught:
        project.upgrade()

    line = 6 + marked.count("\n")
    assert caught.value.line == line
    assert caught.value.what.startswith(f"postgres 001_rows.sql:{line}: invalid input")
    assert caught.value.evidence[0] == f"{line} | three c"


def test_rows_of_csv_arrive_as_psql_sends_them(
    project: Project, new_database: Callable[[], str]
) -> None:
    text = (
        "CREATE TABLE t (id int, name text);\r\n"
        "COPY t FROM stdin (FORMAT csv, HEADER);\r\n"
        'id,name\r\n1,"a\r\nb, ""c"""\r\n2,\r\n\\.\r\n'
        "INSERT INTO t VALUES (3, 'é');\r\n"
    )
    project.add("postgres", "001_rows", "")
    path = project.root / "sql/postgres/001_rows.sql"
    path.write_bytes(text.encode())
    other = new_database()
    program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", other, "-f", str(path))

    project.upgrade()

    assert dumped(project.dsn) == dumped(other)
    assert len(project.pg("SELECT * FROM t")) == 3


def test_a_variable_of_psqls_is_told_as_one(project: Project) -> None:
    project.add("postgres", "001_role", "SELECT 1;\nALTER TABLE t OWNER TO :owner;\n")
    with pytest.raises(StatementError) as caught:
        project.upgrade()
    assert caught.value.line == 2
    assert "-- variables: NAME" in caught.value.remedy


def test_a_dump_of_sqlite_is_a_migration(project: Project, tmp_path: Path) -> None:
    live = str(tmp_path / "live.db")
    subprocess.run(
        ["sqlite3", live],
        input="CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\n"
        "CREATE TABLE notes (person REFERENCES people, note);\n"
        "CREATE TRIGGER shout AFTER INSERT ON notes BEGIN SELECT 'a;b'; END;\n"
        "INSERT INTO people (name) VALUES ('O''Hara'), ('a' || char(10) || 'b');\n"
        "INSERT INTO notes VALUES (1, x'00ff'), (2, 0.1), (2, NULL);\n",
        text=True,
        check=True,
    )
    dump = ["sqlite3", live, ".dump"]
    text = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    assert text.startswith("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
    project.add("sqlite", "001_baseline", text)

    project.sqlpair("migrate")

    project.lite("DROP TABLE alembic_version")
    project.lite("DROP TABLE schema_version")
    project.lite("DROP TABLE schema_history")
    dump[1] = str(project.file)
    again = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    assert again == text


@pytest.mark.parametrize("options", [["--inserts"], ["--schema=public"], ["--clean"]])
def test_a_dump_with_other_options_makes_the_same(
    project: Project, live: str, tmp_path: Path, options: list[str]
) -> None:
    with connected(live) as execute:
        execute("INSERT INTO people (name) VALUES (E'two\\r\\nlines')")
    path = str(programs() / "pg_dump")
    words = [*options, "--if-exists"] if options == ["--clean"] else options
    command = [path, "--no-owner", *words, "-d", live]
    dump = subprocess.run(command, capture_output=True, check=True).stdout
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "000_baseline.sql").write_bytes(
        dump.replace(b"SET transaction_timeout = 0;\n", b"")
    )

    said = project.sqlpair("import", str(tmp_path / "x"), "postgres").stdout

    assert ("statements on the schema public" in said) == (
        options == ["--schema=public"]
    )
    project.sqlpair("migrate")
    assert dumped(project.dsn) == dumped(live)
    for table in ("people", "notes"):
        query = f"SELECT x::text FROM {table} x ORDER BY 1"
        with connected(live) as execute:
            assert project.pg(query) == execute(query)
    project.sqlpair("verify")
