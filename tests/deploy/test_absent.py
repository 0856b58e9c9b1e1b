"""A database that is missing while the others have a history is not made unasked."""

from __future__ import annotations

import fcntl
from collections.abc import Callable

import pytest

from conftest import Project, with_canary
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import HistoryError

MISSING = "sqlite: there is no database, though this project has a history"


@pytest.fixture
def production(project: Project) -> Project:
    """Both databases at head, outside development."""
    project.add("postgres", "001_a", "CREATE TABLE a (x text);\n", "DROP TABLE a;\n")
    project.add("sqlite", "002_b", "CREATE TABLE b (x text);\n", "DROP TABLE b;\n")
    project.environ |= {
        "APP_ENV": "production",
        "BACKUP": "0",
        "SQLITE_PATH": str(project.file),
    }
    project.sqlpair("migrate")
    return project


@pytest.mark.parametrize(
    "command",
    [
        ("sqlpair", "migrate"),
        ("sqlpair", "force-version", "2", "--yes"),
        ("alembic", "upgrade", "heads"),
        ("alembic", "upgrade", "sqlite@head"),
        ("alembic", "stamp", "heads"),
    ],
)
def test_no_command_makes_a_database_that_is_missing_outside_development(
    production: Project, command: tuple[str, ...]
) -> None:
    wrong = production.root / "state" / "trdes.db"
    production.environ["SQLITE_PATH"] = str(wrong)

    failure = production.raw(*command)

    assert failure.returncode == 1
    assert MISSING in failure.stderr
    assert f"{wrong} is not there" in failure.stderr
    assert "Correct SQLITE_PATH" in failure.stderr
    assert "sqlpair migrate --create" in failure.stderr
    assert not wrong.exists()


def test_one_that_goes_while_its_lock_is_waited_for_is_not_made(
    production: Project,
) -> None:
    production.add("postgres", "003_c", "CREATE TABLE c (x text);\n")
    moved = production.file.with_suffix(".moved")
    lock = production.file.with_name(f"{production.file.name}.lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def said(line: str) -> None:
        if "waiting for another deployment" in line:
            production.file.rename(moved)
            lock.close()

    target = Destination(("heads",), "upgrade", said)
    with lock, pytest.raises(HistoryError, match=MISSING):
        deployment.deploy(production.settings, target, said)

    assert moved.exists()
    assert not production.file.exists()
    assert production.tables("postgres") == {"a"}


def test_plan_says_that_it_would_be_refused(production: Project) -> None:
    production.environ["SQLITE_PATH"] = "state/trdes.db"

    assert MISSING in production.sqlpair("plan", expect=1).stdout


def test_an_empty_file_and_an_empty_server_database_are_not_there_either(
    production: Project, new_database: Callable[[], str]
) -> None:
    (production.root / "empty.db").touch()

    failure = production.sqlpair("migrate", expect=1, SQLITE_PATH="empty.db")
    assert "what SQLITE_PATH names holds no table" in failure.stderr
    other = with_canary(new_database())
    failure = production.sqlpair("migrate", expect=1, DATABASE_URL=other)
    assert "what DATABASE_URL names holds no table" in failure.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("sqlpair", "migrate", "--create"),
        ("alembic", "-x", "create=true", "upgrade", "heads"),
    ],
)
def test_it_is_made_where_that_is_asked_for(
    production: Project, command: tuple[str, ...]
) -> None:
    production.file.unlink()

    done = production.raw(*command)

    assert done.returncode == 0, done.stderr
    assert production.tables("sqlite") == {"b"}


def test_in_development_and_where_nothing_is_applied_yet_it_is_made(
    production: Project, new_database: Callable[[], str]
) -> None:
    production.sqlpair("migrate", APP_ENV="development", SQLITE_PATH="state/dev.db")
    production.sqlpair(
        "migrate", SQLITE_PATH="state/two.db", DATABASE_URL=with_canary(new_database())
    )


def test_one_that_has_no_files_yet_keeps_nobody_from_anything(project: Project) -> None:
    project.add("postgres", "001_a", "CREATE TABLE a (x text);\n", "DROP TABLE a;\n")
    project.add("postgres", "002_b", "CREATE TABLE b (x text);\n", "DROP TABLE b;\n")
    project.environ |= {"APP_ENV": "production", "SQLITE_PATH": str(project.file)}
    project.file.parent.mkdir(exist_ok=True)
    project.sqlpair("migrate", "--to", "1")

    project.sqlpair("migrate")
    project.sqlpair("rollback")
    made = project.sqlpair("backup").stdout.splitlines()[-1]
    project.sqlpair("migrate")
    assert not project.file.exists()
    project.sqlpair("restore", made, "--yes")

    assert project.tables("postgres") == {"a"}
