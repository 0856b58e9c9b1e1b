"""The command line itself: help, misuse, files it writes, what it does not import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Project

COMMANDS = (
    "migrate rollback backup restore force-version repair version status new"
    " revisions init psql"
)


def sqlpair(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sqlpair", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    done = sqlpair("--help", folder=tmp_path)

    assert done.returncode == 0
    for command in COMMANDS.split():
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("words", ["nonsense", "migrate --nonsense", "rollback --to"])
def test_misuse_exits_with_two(tmp_path: Path, words: str) -> None:
    done = sqlpair(*words.split(), folder=tmp_path)

    assert done.returncode == 2
    assert "Error" in done.stderr


def test_a_folder_without_a_project_is_said(tmp_path: Path) -> None:
    done = sqlpair("status", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("alembic.ini is not there\n")
    assert "Traceback" not in done.stderr


def test_another_alembic_ini_is_named_with_c(project: Project, tmp_path: Path) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    ini = str(project.root / "alembic.ini")

    done = subprocess.run(
        [sys.executable, "-m", "sqlpair", "-c", ini, "migrate"],
        cwd=tmp_path,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert project.tables("postgres") == {"t1"}


def test_init_new_and_migrate_make_a_working_project(project: Project) -> None:
    done = project.sqlpair("new", "sqlite", "Add email")

    assert done.stdout.splitlines() == [
        "sql/sqlite/001_add_email.sql",
        "sql/sqlite/001_add_email_rollback.sql",
        "alembic/versions/sqlite/001_add_email.py",
    ]
    assert "sqlite    is at  001_add_email" in project.sqlpair("migrate").stdout


def test_new_for_an_unknown_database_is_misuse(project: Project) -> None:
    failure = project.sqlpair("new", "mysql", "add_email", expect=2)

    assert "no database is called 'mysql'" in failure.stderr


def test_revisions_writes_the_missing_modules_and_then_none(project: Project) -> None:
    (project.root / "sql" / "postgres" / "001_t1.sql").write_text("SELECT 1;\n")

    first = project.sqlpair("revisions")
    second = project.sqlpair("revisions")

    assert first.stdout == "alembic/versions/postgres/001_t1.py\n"
    assert "Nothing to do" in second.stdout


def test_init_refuses_a_folder_that_holds_a_project(project: Project) -> None:
    failure = project.sqlpair("init", ".", expect=2)

    assert "is there already" in failure.stderr


def test_psql_reaches_the_configured_database(project: Project) -> None:
    done = project.run("-m", "sqlpair", "psql", "-Atc", "SELECT current_database()")

    assert f"dbname={done.stdout.strip()}" in project.dsn


def test_psql_hides_the_password_from_the_process_list(
    project: Project, tmp_path: Path
) -> None:
    # A stand-in that tells what a process list would show, and what psql is given.
    program = tmp_path / "bin" / "psql"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\necho "given $PGPASSWORD"\n')
    program.chmod(0o755)

    done = project.run(
        "-m",
        "sqlpair",
        "psql",
        DATABASE_URL="postgresql://me:c@n%2Fary@localhost:1/app",
        PATH=f"{program.parent}:{os.environ['PATH']}",
    )

    arguments, given = done.stdout.splitlines()
    assert "host=localhost" in arguments
    assert "c@n/ary" not in arguments
    assert given == "given c@n/ary"


def test_psqls_exit_code_is_ours(project: Project) -> None:
    project.run("-m", "sqlpair", "psql", "-c", "SELECT nope", expect=1)
    project.run(
        "-m", "sqlpair", "psql", "-v", "ON_ERROR_STOP=1", "-f", "/dev/null", expect=0
    )


def test_db_start_is_refused_where_a_server_is_configured(project: Project) -> None:
    failure = project.sqlpair("db-start", expect=2)

    assert "has a server of its own" in failure.stderr


def test_nothing_terminal_only_is_imported_by_alembic_upgrade(project: Project) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    program = (
        "import sys; from alembic.config import main\n"
        "main(['upgrade', 'heads'])\n"
        "print([name for name in ('typer', 'rich', 'click', 'sqlpair.cli')"
        " if name in sys.modules])"
    )

    done = project.run("-c", program)

    assert done.stdout.splitlines()[-1] == "[]"
    assert project.tables("sqlite") == {"t2"}
