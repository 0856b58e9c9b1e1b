"""The command line itself: help, misuse, files it writes, what it does not import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from conftest import COMMANDS, Project
from sqlpair import cli

# To a migrate of SQLite alone, in a pipe.
NEEDLESS = {
    *("alembic", "psycopg2", "pydantic", "rich", "sqlalchemy", "typer"),
    *("asyncio", "importlib.metadata", "shutil", "ssl", "urllib.request"),
    *("sqlpair.backup.backup", "sqlpair.cli.status", "sqlpair.databases.postgresql"),
}


def sqlpair(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return COMMANDS.run("sqlpair", *arguments, cwd=folder, env=os.environ)


def test_help_names_every_command_in_its_section(tmp_path: Path) -> None:
    done = sqlpair("--help", folder=tmp_path)

    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for title, names in cli.SECTIONS.items():
        section = done.stdout.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (\S+)", section, re.MULTILINE) == list(names)


@pytest.mark.parametrize("name", cli.NAMES)
def test_every_command_helps(tmp_path: Path, name: str) -> None:
    done = sqlpair(name, "-h", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: sqlpair {name} [OPTIONS]")
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = str(cli.command(name).help).split()
    assert " ".join(words) in " ".join(done.stdout.split())
    for parameter in cli.command(name).params:
        record = parameter.get_help_record(click.Context(cli.command(name)))
        assert record
        assert record[1], f"{parameter.name} says nothing"
        assert f"\n  {record[0]}  " in done.stdout


def test_every_command_is_found_by_its_name() -> None:
    named = {id(cli.command(name)) for name in cli.NAMES}
    for path in Path(cli.__file__).parent.glob("[!_]*.py"):
        for value in vars(import_module(f"sqlpair.cli.{path.stem}")).values():
            if isinstance(value, click.Command) and value is not cli.app:
                assert id(value) in named
    assert len(named) == len(cli.NAMES)


def test_no_command_is_misuse_and_shows_help(tmp_path: Path) -> None:
    done = sqlpair(folder=tmp_path)

    assert done.returncode == 2
    assert "Move the databases:\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "meant"),
    [("migrat", "'migrate'"), ("rollback --allow-data-los", "--allow-data-loss")],
)
def test_what_is_misspelt_is_suggested(tmp_path: Path, words: str, meant: str) -> None:
    done = sqlpair(*words.split(), folder=tmp_path)

    assert done.returncode == 2
    assert re.search(rf"Did you mean '?{meant}'?\?", done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "-c alembic.ini",
        "migrate --nonsense",
        "migrate more",
        "rollback --to",
        "force-version",
        "lint --format nonsense",
    ],
)
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


@pytest.mark.parametrize("command", ["adopt --yes", "verify", "prove", "snapshot"])
def test_an_empty_name_is_not_taken_for_all_databases(project, command: str) -> None:
    """Such as "$DB" of a shell that knows no DB."""
    failure = project.sqlpair(*command.split(), "", expect=2)

    assert "no database is called ''" in failure.stderr


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


def test_a_psql_that_does_not_run_is_passed_over_for_the_wheels(
    project: Project, tmp_path: Path
) -> None:
    # Debian's wrapper comes with PgBouncer, and without any psql.
    program = tmp_path / "bin" / "psql"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 2\n")
    program.chmod(0o755)

    asked = ("-m", "sqlpair", "psql", "-Atc", "SELECT 1")
    done = project.run(*asked, PATH=f"{program.parent}:{os.environ['PATH']}")

    assert done.stdout == "1\n"


def test_no_psql_that_runs_is_said_with_where_it_was_looked_for(
    project: Project, tmp_path: Path
) -> None:
    project.configure("postgres", binaries=str(tmp_path))

    failure = project.run("-m", "sqlpair", "psql", "-c", "SELECT 1", expect=1)

    assert "no psql that runs was found" in failure.stderr
    assert f"looked in {tmp_path}" in failure.stderr
    assert "Set binaries, in the section [postgres]" in failure.stderr


def test_psqls_exit_code_is_ours(project: Project) -> None:
    project.run("-m", "sqlpair", "psql", "-c", "SELECT nope", expect=1)
    project.run(
        "-m", "sqlpair", "psql", "-v", "ON_ERROR_STOP=1", "-f", "/dev/null", expect=0
    )


def test_db_start_is_refused_where_a_server_is_configured(project: Project) -> None:
    failure = project.sqlpair("db-start", expect=2)

    assert "has a server of its own" in failure.stderr


def test_migrate_imports_nothing_that_it_does_not_need(project: Project) -> None:
    project.configure("alembic", databases="sqlite")
    project.add("sqlite", "001_t", "CREATE TABLE t (id int);\n")

    done = project.run("-X", "importtime", "-m", "sqlpair", "migrate")

    assert "Migrated: 1 migration" in done.stdout
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "sqlpair.deploy.run" in imported
    assert imported & NEEDLESS == set()


def test_nothing_terminal_only_is_imported_by_alembic_upgrade(project: Project) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    program = (
        "import sys; from alembic.config import main\n"
        "main(['upgrade', 'heads'])\n"
        "print([name for name in ('rich', 'click', 'sqlpair.cli')"
        " if name in sys.modules])"
    )

    done = project.run("-c", program)

    assert done.stdout.splitlines()[-1] == "[]"
    assert project.tables("sqlite") == {"t2"}


def test_output_that_nobody_reads_to_its_end_is_no_failure(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id int);\n")
    for arguments in ("migrate", "status", "history --json", "migrate"):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "sqlpair", *arguments.split()],
            cwd=project.root,
            env=project.environ,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writing)

        assert done.returncode == 0, done.stderr
        for line in done.stderr.splitlines():
            assert line.startswith("sqlite 001_t: upgrade "), line

    assert project.applied("sqlite") == ["001_t"]
