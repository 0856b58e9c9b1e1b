"""Snapshot: schema.sql says what the migrations make, and makes it."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Project, connected
from sqlpair.databases import embedded
from sqlpair.databases.postgresql.catalog import catalog as postgresql_catalog
from sqlpair.databases.sqlite.catalog import catalog as sqlite_catalog
from sqlpair.schema.model import Schema, describe, difference

HERE = Path(__file__).parents[1]
EVERYTHING = {
    name: (HERE / f"everything_{engine}.sql").read_text()
    for name, engine in (("postgres", "postgresql"), ("sqlite", "sqlite"))
}
NewDatabase = Callable[[], str]


def in_postgresql(dsn: str, sql: str) -> Schema:
    """Run ``sql`` in an empty database as psql does, and describe what is there."""
    program = embedded.find_binaries() / "psql"
    command = [program, "-Xqd", dsn, "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with connected(dsn) as execute:
        execute("BEGIN")
        return postgresql_catalog(execute)


def in_sqlite(path: Path, sql: str) -> Schema:
    """Run ``sql`` in an empty database as sqlite3 does, and describe what is there."""
    done = subprocess.run(
        ["sqlite3", "-bail", path], input=sql, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(path)) as raw:
        return sqlite_catalog(lambda query: raw.execute(query).fetchall())


def snapshot(project: Project, database: str) -> str:
    """Write the snapshot, and return it."""
    project.sqlpair("snapshot", database)
    return path_of(project, database).read_text()


def path_of(project: Project, database: str) -> Path:
    return project.root / "sql" / database / "schema.sql"


def sentences(expected: Schema, actual: Schema) -> list[str]:
    return [describe(change) for change in difference(expected, actual)]


@pytest.fixture
def everything(project: Project) -> Project:
    """One of everything a schema can hold, as a migration of each database."""
    for number, (database, sql) in enumerate(EVERYTHING.items(), start=1):
        project.add(database, f"{number:03}_everything", sql)
    return project


def test_a_snapshot_of_everything_makes_the_same_in_an_empty_postgresql(
    everything: Project, new_database: NewDatabase
) -> None:
    by_hand = in_postgresql(new_database(), EVERYTHING["postgres"])

    filled = "REFRESH MATERIALIZED VIEW public.summary;"

    loaded = in_postgresql(new_database(), snapshot(everything, "postgres") + filled)

    assert len(loaded) > 100
    assert sentences(by_hand, loaded) == []


def test_a_snapshot_of_everything_makes_the_same_in_an_empty_sqlite(
    everything: Project, tmp_path: Path
) -> None:
    by_hand = in_sqlite(tmp_path / "hand.db", EVERYTHING["sqlite"])

    loaded = in_sqlite(tmp_path / "loaded.db", snapshot(everything, "sqlite"))

    assert len(loaded) > 30
    assert sentences(by_hand, loaded) == []


def test_an_older_server_gives_the_same_snapshot(
    everything: Project, older: str
) -> None:
    # A word that only newer versions keep for themselves is quoted by them alone.
    path = everything.root / "sql" / "postgres" / "001_everything.sql"
    path.write_text(path.read_text().replace("json_scalar", "json_number"))
    newer = snapshot(everything, "postgres")
    everything.environ["SCRATCH_URL"] = older.replace("dbname=app", "dbname=postgres")

    done = everything.sqlpair("snapshot", "postgres", "--check")

    assert done.stdout == "Nothing to do: every snapshot is up to date.\n"
    assert "json_number" in newer


def test_a_snapshot_of_this_projects_databases_is_up_to_date(
    tradebaas: Project,
) -> None:
    tradebaas.sqlpair("snapshot", "--check")


def test_a_snapshot_reads_well(project: Project) -> None:
    project.add(
        "postgres",
        "001_users",
        "CREATE TABLE users (id int PRIMARY KEY, name text);\n"
        "CREATE INDEX by_name ON users (name);\n"
        "CREATE UNIQUE INDEX by_both ON users (id, name);\n"
        "CREATE VIEW names AS SELECT users.name FROM users;\n",
    )
    project.add(
        "sqlite",
        "002_notes",
        "CREATE TABLE notes (id int); -- all of them\n"
        "CREATE VIEW a_view AS SELECT id FROM notes;\n"
        "CREATE TRIGGER t INSTEAD OF DELETE ON a_view BEGIN SELECT 1; END;\n"
        "CREATE INDEX by_id ON notes (id);\n",
    )

    assert snapshot(project, "postgres") == (
        "-- The schema that the migrations of postgres make.\n"
        "-- To be read; no migration runs it. Written by: sqlpair snapshot\n"
        "\n"
        "SET client_encoding = 'UTF8';\n"
        "SET standard_conforming_strings = on;\n"
        "SET search_path = '';\n"
        "SET check_function_bodies = false;\n"
        "SET xmloption = content;\n"
        "\n"
        "CREATE TABLE public.users (\n"
        "    id integer NOT NULL,\n"
        "    name text\n"
        ");\n"
        "\n"
        "CREATE VIEW public.names AS\n"
        " SELECT name\n"
        "   FROM public.users;\n"
        "\n"
        "ALTER TABLE ONLY public.users\n"
        "    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n"
        "\n"
        "CREATE UNIQUE INDEX by_both ON public.users USING btree (id, name);\n"
        "CREATE INDEX by_name ON public.users USING btree (name);\n"
    )
    assert snapshot(project, "sqlite") == (
        "-- The schema that the migrations of sqlite make.\n"
        "-- To be read; no migration runs it. Written by: sqlpair snapshot\n"
        "\n"
        "CREATE TABLE notes (id int);\n"
        "\n"
        "CREATE INDEX by_id ON notes (id);\n"
        "\n"
        "CREATE VIEW a_view AS SELECT id FROM notes;\n"
        "\n"
        "CREATE TRIGGER t INSTEAD OF DELETE ON a_view BEGIN SELECT 1; END;\n"
    )


@pytest.fixture
def pair(project: Project) -> Project:
    """A table in each database, and the snapshots of both."""
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    project.sqlpair("snapshot")
    return project


def test_a_stale_snapshot_is_told_with_the_difference_and_left_alone(
    pair: Project,
) -> None:
    before = {name: path_of(pair, name).read_text() for name in EVERYTHING}
    pair.add("sqlite", "003_more", "ALTER TABLE t2 ADD COLUMN note TEXT;\n")

    done = pair.sqlpair("snapshot", "--check", expect=1)

    assert done.stdout.splitlines() == [
        "--- sqlite/schema.sql (as it is)",
        "+++ sqlite/schema.sql (of the migrations)",
        "@@ -1,4 +1,4 @@",
        " -- The schema that the migrations of sqlite make.",
        " -- To be read; no migration runs it. Written by: sqlpair snapshot",
        " ",
        "-CREATE TABLE t2 (id int);",
        "+CREATE TABLE t2 (id int, note TEXT);",
        "",
        "1 snapshot out of date: run sqlpair snapshot",
    ]
    assert before == {name: path_of(pair, name).read_text() for name in EVERYTHING}


def test_a_snapshot_that_is_missing_is_stale(pair: Project) -> None:
    path_of(pair, "postgres").unlink()

    done = pair.sqlpair("snapshot", "--check", expect=1)

    assert "+CREATE TABLE public.t1 (" in done.stdout
    assert not path_of(pair, "postgres").exists()


def test_only_what_is_stale_is_written(pair: Project) -> None:
    assert pair.sqlpair("snapshot").stdout == (
        "Nothing to do: every snapshot is up to date.\n"
    )
    pair.add("postgres", "003_more", "ALTER TABLE t1 ADD COLUMN note text;\n")

    assert pair.sqlpair("snapshot").stdout == "sql/postgres/schema.sql\n"
    assert pair.sqlpair("snapshot", "sqlite").stdout.startswith("Nothing to do")


def test_a_checkout_with_other_line_ends_is_not_stale(pair: Project) -> None:
    path = path_of(pair, "sqlite")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    pair.sqlpair("snapshot", "--check")


def test_a_checkout_of_everything_with_other_line_ends_gives_the_same_snapshot(
    everything: Project,
) -> None:
    everything.sqlpair("snapshot")

    for path in everything.root.glob("sql/*/*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    everything.sqlpair("snapshot", "--check")


def test_a_database_without_migrations_has_no_snapshot(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id int);\n")

    assert project.sqlpair("snapshot").stdout == "sql/sqlite/schema.sql\n"
    assert not path_of(project, "postgres").exists()


def test_a_snapshot_tells_nothing_of_the_live_database(pair: Project) -> None:
    pair.upgrade()
    pair.pg("CREATE TABLE by_hand (id int)")
    pair.lite("CREATE TABLE by_hand (id int)")

    pair.sqlpair("snapshot", "--check")


def test_a_snapshot_is_in_nobodys_way(pair: Project) -> None:
    before = {name: path_of(pair, name).read_text() for name in EVERYTHING}

    pair.sqlpair("migrate")
    pair.sqlpair("new", "sqlite", "later")
    pair.sqlpair("revisions")
    pair.sqlpair("lint", expect=1)  # the new file is empty
    pair.sqlpair("renumber", "sql/sqlite/003_later.sql")
    pair.sqlpair("plan")
    pair.sqlpair("migrate")
    pair.sqlpair("verify")
    pair.sqlpair("status")

    assert pair.applied("sqlite") == ["002_t2", "003_later"]
    assert before == {name: path_of(pair, name).read_text() for name in EVERYTHING}


def test_a_string_that_looks_like_a_constraint_is_left_alone(
    project: Project, new_database: NewDatabase
) -> None:
    sql = (
        "CREATE TABLE t (a text DEFAULT 'CONSTRAINT a_not_null NOT NULL' NOT NULL,\n"
        ' "b_not_null" int CONSTRAINT mine NOT NULL,'
        " c text DEFAULT E'\\\\' CONSTRAINT own_not_null NOT NULL);\n"
    )
    project.add("postgres", "001_t", sql)

    text = snapshot(project, "postgres")

    assert "'CONSTRAINT a_not_null NOT NULL'::text NOT NULL" in text
    assert "own_not_null" not in text
    made = in_postgresql(new_database(), text)
    assert sentences(in_postgresql(new_database(), sql), made) == []


def test_a_statement_that_ends_with_a_comment_is_ended_after_it(
    project: Project, tmp_path: Path
) -> None:
    sql = (
        "CREATE TABLE t (a);\n"
        "CREATE INDEX i ON t (a) WHERE a > 1 -- the bigger ones\n;\n"
        "CREATE VIEW v AS SELECT a FROM t -- all\n;\n"
    )
    project.add("sqlite", "001_t", sql)

    loaded = in_sqlite(tmp_path / "loaded.db", snapshot(project, "sqlite"))

    assert sentences(in_sqlite(tmp_path / "hand.db", sql), loaded) == []


def test_what_the_server_notes_in_a_columns_options_is_left_out(
    project: Project,
) -> None:
    """Newer servers write pg_attver, and an older pg_dump what it reads."""
    tables = (
        "CREATE TABLE t (a int, b int);\nALTER TABLE t ALTER b SET (n_distinct = 5);\n"
    )
    project.add("postgres", "001_t", tables)
    plain = snapshot(project, "postgres")
    project.add(
        "postgres",
        "002_noted",
        "SET LOCAL allow_system_table_mods = on;\n"
        "UPDATE pg_attribute SET attoptions = '{pg_attver=3}' || attoptions"
        " WHERE attrelid = 't'::regclass AND attname = 'a';\n"
        "UPDATE pg_attribute SET attoptions = '{pg_attver=4}' || attoptions"
        " WHERE attrelid = 't'::regclass AND attname = 'b';\n",
    )

    assert "ALTER COLUMN b SET (n_distinct=5);" in plain
    assert snapshot(project, "postgres") == plain


def test_an_extension_keeps_the_version_that_a_migration_asked_for(
    project: Project, new_database: NewDatabase
) -> None:
    sql = "CREATE EXTENSION citext; CREATE EXTENSION pg_trgm VERSION '1.3';\n"
    project.add("postgres", "001_t", sql)

    text = snapshot(project, "postgres")

    assert "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;\n" in text
    assert "COMMENT ON EXTENSION" not in text
    made = in_postgresql(new_database(), text)
    assert sentences(in_postgresql(new_database(), sql), made) == []


def test_a_snapshot_is_not_written_through_a_link(pair: Project) -> None:
    path, other = pair.root / "sql/sqlite/schema.sql", pair.root / "other"
    other.write_text("-- Written by: sqlpair snapshot\nmine\n")
    path.unlink(missing_ok=True)
    path.symlink_to(other)

    failure = pair.sqlpair("snapshot", "sqlite", expect=1)
    assert "sqlite schema.sql: a link, not a file of its own" in failure.stderr
    path.unlink()
    path.hardlink_to(other)
    pair.sqlpair("snapshot", "sqlite")

    assert other.read_text().endswith("mine\n")
    assert "CREATE TABLE" in path.read_text()


def test_a_file_that_is_no_snapshot_is_not_written_over(pair: Project) -> None:
    path = pair.root / "sql/sqlite/schema.sql"
    path.write_text("CREATE TABLE mine (id int);\n")

    failure = pair.sqlpair("snapshot", "sqlite", expect=2).stderr

    assert "sql/sqlite/schema.sql was not written by sqlpair snapshot" in failure
    assert path.read_text() == "CREATE TABLE mine (id int);\n"
