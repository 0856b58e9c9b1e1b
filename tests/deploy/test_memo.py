"""What is remembered holds just as long as nothing is different."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from unittest import mock

import pytest

from conftest import Project
from fault_injection import deploy
from sqlpair.deploy import fast_path


@pytest.fixture
def known(project: Project) -> Project:
    """A project at head whose files have rested, and the answer to that is kept."""
    for database, number in (("postgres", 1), ("sqlite", 2), ("postgres", 3)):
        project.add(
            database, f"00{number}_t{number}", f"CREATE TABLE t{number} (id int);\n"
        )
    deploy(project)
    with mock.patch.object(fast_path, "RESTED", -1):
        deploy(project)
    return project


def recalled(project: Project) -> fast_path.NothingToDo | None:
    return fast_path.recall(project.settings, lambda _line: None)


def test_answer_is_the_one_that_was_worked_out(known: Project) -> None:
    outcome, _ = deploy(known)

    answer = recalled(known)

    assert answer == fast_path.NothingToDo(outcome.where(), outcome.summary)
    assert outcome.summary.endswith(
        "postgres is at 003_t3, sqlite is at 002_t2; schema version 3"
    )


def test_same_answer_comes_from_both_command_lines(known: Project) -> None:
    told = "import sys, sqlpair.__main__ as m; m.main(); print(*sys.modules)"
    own = known.run("-c", f"import sys; sys.argv[1:] = ['migrate']; {told}").stdout
    alembic = known.alembic("-q", "upgrade", "heads").stderr

    assert "Schema version 3." in own
    assert "sqlpair.deploy.fast_path" in own
    assert "sqlpair.deploy.deployment" not in own
    assert "Nothing to do" in alembic


def test_nothing_is_kept_of_files_that_changed_a_moment_ago(project: Project) -> None:
    project.add("sqlite", "001_t1", "CREATE TABLE t1 (id);\n")
    with mock.patch.object(fast_path, "RESTED", 3600):  # the machine may be slow
        deploy(project)
        deploy(project)

    assert not list((project.root / "state").glob("at-head*"))


def test_nothing_is_kept_while_something_is_pending(known: Project) -> None:
    known.add("sqlite", "004_t4", "CREATE TABLE t4 (id);\n")
    with mock.patch.object(fast_path, "RESTED", -1):
        deploy(known, "postgres@head")

    assert recalled(known) is None


def test_answer_holds_no_secret_and_is_its_owners(known: Project) -> None:
    (kept,) = (known.root / "state").glob("at-head*")

    assert kept.stat().st_mode & 0o777 == 0o600
    assert "canary" not in kept.read_text()


def _edited(project: Project) -> None:
    """Change one letter; length and modification time stay as they were."""
    path = project.root / "sql/postgres/001_t1.sql"
    at = path.stat()
    path.write_text(path.read_text().replace("id int", "ix int"))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert path.stat().st_size == at.st_size


def _replaced(project: Project) -> None:
    path = project.root / "sql/sqlite/002_t2.sql"
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def _linked(project: Project) -> None:
    path = project.root / "sql/sqlite/002_t2.sql"
    path.rename(project.root / "elsewhere.sql")
    path.symlink_to(project.root / "elsewhere.sql")


def _added(project: Project) -> None:
    project.add("sqlite", "004_t4", "CREATE TABLE t4 (id);\n")


def _lost_module(project: Project) -> None:
    (project.root / "alembic/versions/sqlite/002_t2.py").unlink()


def _links_to_modules(project: Project) -> None:
    folder = project.root / "alembic/versions/sqlite"
    folder.rename(project.root / "modules")
    folder.symlink_to(project.root / "modules")


def _lost_rollback(project: Project) -> None:
    (project.root / "sql/sqlite/002_t2_rollback.sql").unlink()


def _no_variable(project: Project) -> None:
    (project.root / ".env").write_text("OTHER=2\n")


def _restoring(project: Project) -> None:
    name = ".restore-development-20260102T030405.006Z-abcdef"
    (project.root / "state/backups" / name).mkdir(parents=True)


def _pg(sql: str) -> Callable[[Project], None]:
    return lambda project: (project.pg(sql), None)[1]


def _lite(sql: str) -> Callable[[Project], None]:
    return lambda project: (project.lite(sql), None)[1]


def _another_file(project: Project) -> None:
    project.environ["SQLITE_PATH"] = str(project.root / "another.db")


@pytest.mark.parametrize(
    "change",
    [
        _edited,
        _replaced,
        _linked,
        _added,
        _lost_module,
        _lost_rollback,
        _no_variable,
        _restoring,
        _another_file,
        _pg("DELETE FROM schema_version WHERE version = 3"),
        _pg("DELETE FROM alembic_version"),
        _pg("UPDATE schema_version SET checksum = 'x' WHERE version = 1"),
        _pg("UPDATE schema_version SET checksum = NULL WHERE version = 1"),
        _pg("UPDATE schema_version SET migration_name = 'x' WHERE version = 1"),
        _pg("INSERT INTO schema_version (version, migration_name) VALUES (4, 'x')"),
        _pg("INSERT INTO alembic_version VALUES ('postgres_001')"),
        _pg("DROP TABLE schema_history"),
        _pg("ALTER TABLE schema_version RENAME checksum TO other"),
        _pg("UPDATE schema_history SET databases = 'sqlite=4'"),
        _lite("DELETE FROM schema_version"),
        _lite("UPDATE alembic_version SET version_num = 'sqlite_001'"),
    ],
)
def test_whatever_is_different_is_worked_out_again(
    known: Project, change: Callable[[Project], None]
) -> None:
    assert recalled(known) is not None

    change(known)

    assert recalled(known) is None


def test_module_lost_from_a_folder_that_is_a_link_is_noticed(known: Project) -> None:
    _links_to_modules(known)
    with mock.patch.object(fast_path, "RESTED", -1):
        deploy(known)
    assert recalled(known) is not None

    (known.root / "modules/002_t2.py").unlink()

    assert recalled(known) is None


def test_another_expected_version_is_worked_out_again(known: Project) -> None:
    env = known.root / ".env"
    env.write_text("SCHEMA_VERSION=3\n")
    with mock.patch.object(fast_path, "RESTED", -1):
        deploy(known)
    assert recalled(known) is not None

    env.write_text("SCHEMA_VERSION=2\n")

    assert recalled(known) is None


def test_promise_of_a_run_that_died_is_worked_out_again(known: Project) -> None:
    ((name,),) = known.pg("SELECT current_database()")
    prepared = f"'sqlpair:{name}.public:20260102T030405.006Z-abcdef/1'"
    known.pg(f"BEGIN; CREATE TABLE t9 (); PREPARE TRANSACTION {prepared}")
    try:
        assert recalled(known) is None
    finally:
        known.pg(f"ROLLBACK PREPARED {prepared}")
    assert recalled(known) is not None


def test_setting_that_is_wrong_is_told_all_the_same(known: Project) -> None:
    known.configure("alembic", databases="postgres, nowhere")

    failure = known.sqlpair("migrate", expect=1)

    assert "nowhere" in failure.stderr


def test_reader_that_has_seen_enough_gets_no_traceback(known: Project) -> None:
    command = f"{sys.executable} -m sqlpair migrate 2>&1 | true"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=known.root,
        env=known.environ,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == done.stderr == ""
