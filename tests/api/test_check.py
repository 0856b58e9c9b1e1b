"""``sqlpair.check``: is every database what the code expects, asked at its start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

import sqlpair
from conftest import Project
from sqlpair.databases.sqlite.session import SQLiteSession


@pytest.fixture
def code(project: Project) -> Iterator[Project]:
    """Code that expects 003_users in PostgreSQL and 002_notes in SQLite."""
    project.add("postgres", "001_users", "CREATE TABLE users (id int);\n")
    project.add("sqlite", "002_notes", "CREATE TABLE notes (id);\n")
    project.add("postgres", "003_users", "ALTER TABLE users ADD mail text;\n")
    with mock.patch.dict("os.environ", project.environ):
        yield project


def check(project: Project, **options: object) -> int:
    return sqlpair.check(project.root / "alembic.ini", **options)  # type: ignore[arg-type]


def refused(project: Project, **options: object) -> str:
    with pytest.raises(sqlpair.HistoryError) as failed:
        check(project, **options)
    return str(failed.value)


def forget(project: Project, stem: str) -> None:
    """Be the code of a release before that migration."""
    for path in project.root.rglob(f"{stem}*"):
        path.unlink()


def test_databases_at_the_version_of_the_code_are_right(code: Project) -> None:
    code.upgrade()

    assert check(code) == 3


def test_a_database_that_is_behind_is_named_with_both_versions(code: Project) -> None:
    code.upgrade("postgres_001")

    told = refused(code)

    assert told.startswith(
        "postgres: the database is at 001_users, the code expects 003_users\n"
    )
    assert "sqlite: the database is at base, the code expects 002_notes" in told
    assert "the database is not there yet" in told
    assert "not applied: 002_notes" in told
    assert told.endswith("Run: sqlpair migrate")
    assert not code.file.exists()


def test_empty_databases_are_at_base(code: Project) -> None:
    code.file.parent.mkdir(exist_ok=True)
    code.lite("CREATE TABLE theirs (id)")

    told = refused(code)

    assert "postgres: the database is at base, the code expects 003_users" in told
    assert "sqlite: the database is at base" in told
    assert code.tables("postgres") == set()


def test_a_database_that_is_ahead_is_refused_unless_it_may_be(code: Project) -> None:
    code.upgrade()
    forget(code, "003_users")

    told = refused(code, wait=60)  # nothing that is waited for would help

    assert told.startswith(
        "postgres: the database is at 003_users, the code expects 001_users\n"
    )
    assert "applied, and not in the code: 003_users" in told
    assert check(code, allow_newer=True) == 2
    code.pg("DELETE FROM schema_version WHERE version = 1")
    assert "not applied: 001_users" in refused(code, allow_newer=True)


def test_what_waiting_cannot_mend_is_told_at_once(code: Project) -> None:
    code.upgrade("postgres@head")
    forget(code, "003_users")  # PostgreSQL is ahead, and SQLite behind

    told = refused(code, wait=600)

    assert told.startswith("postgres: the database is at 003_users")
    assert "sqlite: the database is at base" in told


def test_records_that_disagree_are_refused(code: Project) -> None:
    code.upgrade()
    code.pg("UPDATE alembic_version SET version_num = 'postgres_001'")

    told = refused(code, wait=60)

    assert "alembic_version says postgres_001, not postgres_003" in told


def test_code_without_its_sql_files_is_refused(code: Project) -> None:
    code.upgrade()
    for stem in ("001_users", "002_notes", "003_users"):
        forget(code, stem)

    assert "there are no SQL files" in refused(code, wait=60)


def test_addresses_may_be_given(
    code: Project, new_database: Callable[[], str], tmp_path: Path
) -> None:
    code.upgrade()
    given = {"postgres": new_database()}

    assert "postgres: the database is at base" in refused(code, addresses=given)
    given = {"postgres": code.dsn, "sqlite": f"sqlite+aiosqlite:///{code.file}"}
    with mock.patch.dict("os.environ", DATABASE_URL="", SQLITE_PATH=""):
        assert check(code, addresses=given) == 3


def test_a_database_that_cannot_be_reached_is_told(
    code: Project, tmp_path: Path
) -> None:
    nowhere = {"postgres": f"postgresql://u:secret@/x?host={tmp_path}"}

    with pytest.raises(sqlpair.ConnectError) as failed:
        check(code, addresses=nowhere, wait=0.01)

    assert "waited for 0.01 s" in str(failed.value)
    assert "secret" not in str(failed.value)


def test_a_role_that_may_not_read_the_records_is_told(code: Project) -> None:
    code.upgrade()
    code.pg("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    try:
        dsn = f"{code.dsn} options='-c role=reader'"
        with pytest.raises(sqlpair.SqlpairError, match="alembic_version"):
            check(code, addresses={"postgres": dsn})
    finally:
        code.pg("DROP ROLE reader")


def test_waiting_ends_when_a_migrator_is_done(code: Project) -> None:
    asked = threading.Event()
    rows = SQLiteSession.rows
    code.upgrade("sqlite@head")

    def seen(session: SQLiteSession, sql: str, **options: bool) -> object:
        asked.set()  # once, so that it waits for what comes now
        return rows(session, sql, **options)

    def migrate() -> None:
        asked.wait()
        code.upgrade()

    migrator = threading.Thread(target=migrate)
    migrator.start()
    try:
        with mock.patch.object(SQLiteSession, "rows", seen):
            assert check(code, wait=600) == 3
    finally:
        asked.set()
        migrator.join()


def test_each_database_is_asked_one_query(code: Project) -> None:
    code.upgrade()
    asked: list[str] = []

    def counted(kind: str) -> Callable[..., object]:
        module = __import__(f"sqlpair.databases.{kind}.session", fromlist=["x"])
        name = "PostgreSQLSession" if kind == "postgresql" else "SQLiteSession"
        real = getattr(module, name).rows

        def rows(session: object, sql: str, **options: bool) -> object:
            asked.append(kind)
            return real(session, sql, **options)

        return rows

    with (
        mock.patch(
            "sqlpair.databases.postgresql.session.PostgreSQLSession.rows",
            counted("postgresql"),
        ),
        mock.patch.object(SQLiteSession, "rows", counted("sqlite")),
    ):
        check(code)
        assert asked == ["postgresql", "sqlite"]
        repeatable(code, ONE)
        code.upgrade()
        asked.clear()
        check(code)

    assert asked == ["postgresql", "sqlite", "sqlite"]


def test_a_start_imports_neither_alembic_nor_sqlalchemy(code: Project) -> None:
    code.upgrade()

    told = code.run(
        "-c", "import sys, sqlpair; print(sqlpair.check()); print(*sys.modules)"
    )

    version, modules = told.stdout.splitlines()
    assert version == "3"
    assert not {"alembic", "sqlalchemy", "click", "rich"} & {*modules.split()}


def repeatable(project: Project, text: str, name: str = "v") -> Path:
    path = project.root / f"sql/sqlite/repeatable/{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


ONE = "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT 1 AS one;\n"
TWO = ONE.replace("1 AS one", "2 AS two")


def test_a_repeatable_file_that_has_not_run_is_told(code: Project) -> None:
    code.upgrade()
    repeatable(code, ONE)

    told = refused(code)

    assert told.startswith(
        "sqlite: the database has not run 1 repeatable file as the code has it\n"
        "  repeatable/v: never ran; the file is now "
    )
    assert told.endswith("Run: sqlpair migrate")
    code.upgrade()
    assert check(code) == 3


def test_a_repeatable_file_that_ran_with_another_text_is_told(code: Project) -> None:
    repeatable(code, ONE)
    code.upgrade()
    repeatable(code, TWO)
    repeatable(code, "SELECT 1;\n", name="w")

    told = refused(code)

    assert "has not run 2 repeatable files as the code has them" in told
    ((ran,),) = code.lite("SELECT checksum FROM schema_repeatable")
    assert f"repeatable/v: recorded {ran[:12]}; the file is now" in told
    assert "repeatable/w: never ran" in told
    assert "repeatable/v" in refused(code, allow_newer=True)
    code.upgrade()
    assert check(code) == 3


def test_a_newer_release_may_have_run_another_text_since(code: Project) -> None:
    repeatable(code, ONE)
    code.upgrade()
    repeatable(code, TWO)
    code.upgrade()
    path = repeatable(code, ONE)  # be the code of the release before

    assert "repeatable/v: recorded" in refused(code)
    assert check(code, allow_newer=True) == 3
    path.unlink()  # and of one that had no such file
    assert check(code) == 3


def test_a_text_that_ran_at_a_newer_version_is_a_newer_one(code: Project) -> None:
    repeatable(code, TWO)
    code.add("sqlite", "004_more", "CREATE TABLE more (id);\n")
    code.upgrade()
    forget(code, "004_more")
    repeatable(code, ONE)

    assert "not in the code: 004_more" in refused(code)
    assert check(code, allow_newer=True) == 3


def test_a_file_that_was_gone_and_came_back_is_told(code: Project) -> None:
    path = repeatable(code, ONE)
    code.upgrade()
    path.unlink()
    code.upgrade()
    repeatable(code, ONE)

    assert "repeatable/v: recorded that it is gone; the file is now" in refused(code)


def test_text_whose_rollback_was_interrupted_is_told(code: Project) -> None:
    repeatable(code, ONE)
    code.upgrade()
    code.lite("UPDATE schema_repeatable SET version = 9")

    assert "repeatable/v: recorded" in refused(code)


def test_waiting_ends_when_the_repeatable_file_has_run(code: Project) -> None:
    code.upgrade()
    repeatable(code, ONE)
    migrator = threading.Timer(0.1, code.upgrade)
    migrator.start()
    try:
        assert check(code, wait=600) == 3
    finally:
        migrator.join()


def test_a_project_may_have_repeatable_files_alone(project: Project) -> None:
    repeatable(project, ONE)
    with mock.patch.dict("os.environ", project.environ):
        assert "repeatable/v: never ran" in refused(project)
        project.upgrade()
        assert check(project) == 0


def test_a_database_of_which_nothing_is_expected_need_not_be_there(
    project: Project,
) -> None:
    project.add("postgres", "001_users", "CREATE TABLE users (id int);\n")
    with mock.patch.dict("os.environ", project.environ):
        project.upgrade()
        project.file.unlink(missing_ok=True)

        assert check(project) == 1
    assert not project.file.exists()
