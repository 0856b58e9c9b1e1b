"""What version and status say, to a person and to a program."""

from __future__ import annotations

import json

import pytest

from conftest import Project
from sqlpair.ledger.tables import who


@pytest.fixture
def pair(project: Project) -> Project:
    """Migration 001 on PostgreSQL, 002 on SQLite; none applied."""
    for number, database in ((1, "postgres"), (2, "sqlite")):
        project.add(
            database, f"{number:03}_t{number}", f"CREATE TABLE t{number} (id int);\n"
        )
    return project


def test_reading_creates_nothing(pair: Project) -> None:
    before = sorted(pair.root.rglob("*"))

    pair.sqlpair("status")
    pair.sqlpair("version", expect=1)

    assert sorted(pair.root.rglob("*")) == before
    assert pair.pg("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_version_agrees_after_migrate(pair: Project) -> None:
    (pair.root / ".env").write_text("SCHEMA_VERSION=0\n")
    pair.upgrade()

    done = pair.sqlpair("version")

    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["postgres", "1", "001_t1", "001_t1"] in lines
    assert ["schema", "version", "2"] in lines
    assert [".env", "2"] in lines
    assert "Files, ledger, version table and .env agree." in done.stdout


def test_version_tells_pending_migrations(pair: Project) -> None:
    done = pair.sqlpair("version", expect=1)

    assert "! postgres: 1 migration pending: 001_t1" in done.stdout


def test_version_tells_a_version_table_that_says_otherwise(pair: Project) -> None:
    pair.upgrade()
    pair.lite("DELETE FROM alembic_version")

    done = pair.sqlpair("version", expect=1)

    assert "! sqlite: alembic_version and schema_version disagree" in done.stdout


def test_version_tells_a_database_ahead_of_the_files(pair: Project) -> None:
    pair.upgrade()
    pair.pg(
        "UPDATE alembic_version SET version_num = 'postgres_009';"
        "INSERT INTO schema_version (version, migration_name) VALUES (9, '009_t9')"
    )

    done = pair.sqlpair("version", expect=1)

    assert "! postgres: the database is ahead of this checkout" in done.stdout


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("1", ".env is behind: it says version 1, the databases are at 2"),
        ("7", ".env expects a version this checkout does not have"),
        ("two", ".env: SCHEMA_VERSION is not a valid version"),
    ],
)
def test_version_tells_an_env_that_expects_another(
    pair: Project, value: str, sentence: str
) -> None:
    pair.upgrade()
    (pair.root / ".env").write_text(f"SCHEMA_VERSION={value}\n")

    done = pair.sqlpair("version", expect=1)

    assert sentence in done.stdout


def test_version_tells_an_edited_file(pair: Project) -> None:
    pair.upgrade()
    (pair.root / "sql" / "sqlite" / "002_t2.sql").write_text("-- other\n")

    done = pair.sqlpair("version", expect=1)

    assert "! sqlite 002_t2: the SQL file was edited after it was app" in done.stdout
    assert "    recorded " in done.stdout
    assert "sqlpair repair" in done.stdout


def test_version_tells_a_missing_revision_module(pair: Project) -> None:
    pair.upgrade()
    (pair.root / "alembic" / "versions" / "sqlite" / "002_t2.py").unlink()

    done = pair.sqlpair("version", expect=1)

    assert "sqlite 002_t2: the SQL file has no revision module" in done.stdout


@pytest.mark.parametrize("expected", [1, 7])
def test_version_status_and_verify_tell_the_same(pair: Project, expected: int) -> None:
    pair.upgrade()
    (pair.root / ".env").write_text(f"SCHEMA_VERSION={expected}\n")
    (pair.root / "sql" / "sqlite" / "002_t2.sql").write_text("-- other\n")
    pair.pg(
        "UPDATE alembic_version SET version_num = 'postgres_009';"
        "INSERT INTO schema_version (version, migration_name) VALUES (9, '009_t9')"
    )

    version, status, verify = (
        json.loads(pair.sqlpair(command, "--json", expect=1).stdout)["problems"]
        for command in ("version", "status", "verify")
    )

    assert len(version) == 3
    assert version == status
    assert sorted(version, key=str) == sorted(
        (problem for problem in verify if problem["kind"] in {"files", "versions"}),
        key=str,
    )


def test_version_is_json_for_a_program(pair: Project) -> None:
    pair.upgrade()

    found = json.loads(pair.sqlpair("version", "--json").stdout)

    assert found == {
        "environment": "development",
        "version": 2,
        "latest": 2,
        "expected": None,
        "agree": True,
        "problems": [],
        "databases": {
            "postgres": {
                "version": 1,
                "head": "001_t1",
                "revisions": ["postgres_001"],
                "pending": [],
            },
            "sqlite": {
                "version": 2,
                "head": "002_t2",
                "revisions": ["sqlite_002"],
                "pending": [],
            },
        },
    }


def test_status_lists_what_is_applied_and_what_is_pending(pair: Project) -> None:
    outcome = pair.upgrade("postgres@head")

    done = pair.sqlpair("status")

    lines = [line.split() for line in done.stdout.splitlines()]
    applied = next(line for line in lines if line[:1] == ["001_t1"])
    assert applied[-3:] == ["upgrade", who(), outcome.deployment]
    assert applied[-4] in {"ms", "s"}  # how long it took
    ((when,),) = pair.pg("SELECT applied_at::text FROM schema_version")
    assert " ".join(applied[1:3]) == when[:19]
    assert ["002_t2", "pending"] in lines
    assert done.stdout.endswith(
        "Schema version 1; 1 migration pending: sqlpair migrate.\n"
    )


def test_status_marks_an_edited_file_and_exits_with_one(pair: Project) -> None:
    pair.upgrade()
    (pair.root / "sql" / "sqlite" / "002_t2.sql").write_text("-- other\n")

    done = pair.sqlpair("status", expect=1)

    assert "  002_t2 edited  20" in done.stdout
    assert done.stdout.endswith("\nSchema version 2; nothing is pending; 1 problem.\n")


def test_status_is_json_for_a_program(pair: Project) -> None:
    pair.upgrade("postgres@head")

    found = json.loads(pair.sqlpair("status", "--json").stdout)

    (row,) = found["databases"]["postgres"]["applied"]
    assert row["migration"] == "001_t1"
    assert row["method"] == "upgrade"
    assert not row["edited"]
    pending = found["databases"]["sqlite"]["pending"]
    assert pending == [{"version": 2, "migration": "002_t2"}]


def test_long_names_are_not_cut_in_a_pipe(project: Project) -> None:
    name = "001_" + "long_" * 30 + "name"
    project.add("postgres", name, "SELECT 1;\n")

    assert name in project.sqlpair("status").stdout


def test_version_sends_tables_without_records_to_adopt(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (x int);\n")
    project.file.parent.mkdir()
    project.lite("CREATE TABLE t (x int)")

    said = project.sqlpair("version", expect=1).stdout

    assert "sqlpair adopt sqlite" in said
    assert "sqlpair migrate" not in said


def test_timeout_of_the_role_is_named_where_it_ends_a_reading_command(
    project: Project,
) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (x int);\n")
    project.upgrade()

    failure = project.sqlpair("verify", expect=1, PGOPTIONS="-c statement_timeout=1ms")

    assert "statement_timeout of the role" in failure.stderr + failure.stdout
