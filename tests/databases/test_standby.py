"""A PostgreSQL in recovery, a hot standby: it is read, and never written to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import PROGRAMS, Project, data_folder, with_canary
from sqlpair.databases import embedded


@pytest.fixture
def standby(tmp_path: Path, server: str) -> Iterator[Project]:
    """Two migrations applied, two pending; the address names a standby."""
    with data_folder("primary") as primary, data_folder("standby") as copy:
        with embedded.server(primary, binaries=PROGRAMS, brief=True) as running:
            project = Project(tmp_path / "project", running.dsn)
            project.environ["SCRATCH_URL"] = with_canary(server)
            add(project, "postgres", "001_a")
            add(project, "sqlite", "002_b")
            project.upgrade()
            project.sqlpair("backup")
        subprocess.run(["cp", "-a", primary, copy], check=True)
        (copy / "standby.signal").touch()
        add(project, "postgres", "003_c")
        add(project, "sqlite", "004_d")
        with embedded.server(copy, binaries=PROGRAMS, brief=True) as running:
            project.dsn = running.dsn
            project.environ["DATABASE_URL"] = with_canary(running.dsn)
            assert project.pg("SELECT pg_is_in_recovery()") == [(True,)]
            yield project


def add(project: Project, database: str, stem: str) -> None:
    table = stem.partition("_")[2]
    up, down = f"CREATE TABLE {table} (x int);", f"DROP TABLE {table};"
    project.add(database, stem, up, down)


def test_what_writes_says_that_the_server_is_a_standby_and_changes_nothing(
    standby: Project,
) -> None:
    (backup,) = (standby.root / "state" / "backups").glob("2*")
    before = standby.file.read_bytes()
    for command in (
        *("sqlpair migrate", "sqlpair rollback --yes", "sqlpair plan"),
        *("sqlpair rollback --recorded --yes", "sqlpair force-version 1 --yes"),
        *("sqlpair backup", f"sqlpair restore {backup.name} --yes"),
        *("alembic upgrade heads", "alembic downgrade -1", "alembic stamp heads"),
    ):
        name, *arguments = command.split()
        run = standby.sqlpair if name == "sqlpair" else standby.alembic

        told = run(*arguments, expect=1).stderr

        assert "postgres: the server is a hot standby, which only reads" in told
        assert "Let DATABASE_URL name the primary server." in told
        assert standby.file.read_bytes() == before
    assert standby.tables("postgres") == {"a"}

    (standby.root / "sql/postgres/001_a_rollback.sql").write_text("DROP TABLE a ;")
    told = standby.sqlpair("repair", "--yes", expect=1).stderr
    assert "postgres: the server is a hot standby, which only reads" in told


def test_what_only_reads_works_on_a_standby(standby: Project) -> None:
    assert "2 migrations pending" in standby.sqlpair("status").stdout
    assert "no problems found" in standby.sqlpair("verify").stdout
    assert "003_c" in standby.sqlpair("version", expect=1).stdout
    assert "001_a" in standby.sqlpair("history").stdout
    assert "postgres_001" in standby.alembic("current").stdout
    assert "Proved: 4 migrations" in standby.sqlpair("prove").stdout

    standby.environ["SCRATCH_URL"] = standby.environ["DATABASE_URL"]
    told = standby.sqlpair("verify", expect=1).stderr
    assert "postgres: the scratch database cannot be made" in told
    assert "no hot standby, with the setting scratch in alembic.ini" in told


def test_a_deployment_that_moves_only_sqlite_works_beside_a_standby(
    standby: Project,
) -> None:
    standby.alembic("upgrade", "sqlite@head")

    assert standby.applied("sqlite") == ["002_b", "004_d"]
