"""Where nothing is to do, the command line's short way says what the long one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from unittest import mock

import pytest

from conftest import Project, connected
from fault_injection import deploy
from sqlpair.deploy import nothing_to_do
from sqlpair.deploy.nothing_to_do import NOTHING_TO_DO


@pytest.fixture
def known(project: Project) -> Project:
    """A project at head."""
    for database, number in (("postgres", 1), ("sqlite", 2), ("postgres", 3)):
        project.add(
            database, f"00{number}_t{number}", f"CREATE TABLE t{number} (id int);\n"
        )
    deploy(project)
    return project


def answer(project: Project) -> nothing_to_do.Answer | None:
    with mock.patch.dict(os.environ, project.environ):
        return nothing_to_do.answer(project.root / "alembic.ini")


def test_answer_is_the_one_of_the_long_way(known: Project) -> None:
    outcome, _ = deploy(known)

    assert answer(known) == ([NOTHING_TO_DO, *outcome.where()], [])
    assert outcome.summary.endswith(
        "postgres is at 003_t3, sqlite is at 002_t2; schema version 3"
    )


def test_same_answer_comes_from_both_command_lines(known: Project) -> None:
    told = "import sys, sqlpair.__main__ as m; m.main(); print(*sys.modules)"
    own = known.run("-c", f"import sys; sys.argv[1:] = ['migrate']; {told}").stdout
    long = known.sqlpair("migrate").stdout
    alembic = known.alembic("-q", "upgrade", "heads").stderr

    assert own.startswith(long)
    assert "Schema version 3." in own
    modules = own.removeprefix(long).split()
    assert "sqlpair.deploy.nothing_to_do" in modules
    assert not {"sqlpair.deploy.run", "click", "rich", "sqlalchemy"} & {*modules}
    assert "Nothing to do" in alembic


def test_nothing_is_remembered(known: Project) -> None:
    before = {*known.root.rglob("*")}

    assert answer(known) is not None
    assert {*known.root.rglob("*")} == before


def test_there_is_no_answer_while_something_is_pending(known: Project) -> None:
    known.add("sqlite", "004_t4", "CREATE TABLE t4 (id);\n")
    deploy(known, "postgres@head")

    assert answer(known) is None


def test_answer_holds_no_secret(known: Project) -> None:
    assert "canary" not in str(answer(known))


def test_no_server_is_started_for_it(known: Project) -> None:
    del known.environ["DATABASE_URL"]
    data = known.settings.database("postgres").embedded
    assert data is not None
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()

    with mock.patch("sqlpair.databases.embedded.server") as start:
        assert answer(known) is None

    start.assert_not_called()


def test_signal_ends_it_with_a_message(known: Project) -> None:
    with connected(known.dsn) as execute:
        execute("BEGIN; LOCK TABLE schema_version")
        running = subprocess.Popen(
            [sys.executable, "-m", "sqlpair", "migrate"],
            cwd=known.root,
            env=known.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while execute(waiting) == [(0,)]:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
        execute("ROLLBACK")

    assert (running.returncode, out) == (130, "")
    assert err.count("\n") == 1, err


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
        _linked,
        _added,
        _lost_module,
        _no_variable,
        _restoring,
        _another_file,
        _pg("DELETE FROM schema_version WHERE version = 3"),
        _pg("DELETE FROM alembic_version"),
        _pg("UPDATE schema_version SET checksum = 'x' WHERE version = 1"),
        _pg("INSERT INTO schema_version (version, migration_name) VALUES (4, 'x')"),
        _pg("INSERT INTO alembic_version VALUES ('postgres_001')"),
        _pg("UPDATE schema_history SET databases = 'sqlite=1', transaction_id = 'z/1'"),
        _lite("DELETE FROM schema_version"),
        _lite("UPDATE alembic_version SET version_num = 'sqlite_001'"),
    ],
)
def test_whatever_there_is_to_do_or_to_say_is_left_for_the_long_way(
    known: Project, change: Callable[[Project], None]
) -> None:
    assert answer(known) is not None

    change(known)

    assert answer(known) is None


@pytest.mark.parametrize(
    "change",
    [
        _replaced,
        _lost_rollback,
        _links_to_modules,
        _pg("UPDATE schema_version SET checksum = NULL WHERE version = 1"),
        _pg("UPDATE schema_version SET migration_name = 'x' WHERE version = 1"),
        _pg("DROP TABLE schema_history"),
        _pg("ALTER TABLE schema_version RENAME checksum TO other"),
        _pg("UPDATE schema_history SET databases = 'sqlite=4'"),
    ],
)
def test_what_makes_no_difference_to_the_long_way_makes_none_here(
    known: Project, change: Callable[[Project], None]
) -> None:
    change(known)

    outcome, _ = deploy(known)

    assert outcome.done == ()
    assert answer(known) == ([NOTHING_TO_DO, *outcome.where()], [])


def test_module_lost_from_a_folder_that_is_a_link_is_noticed(known: Project) -> None:
    _links_to_modules(known)
    assert answer(known) is not None

    (known.root / "modules/002_t2.py").unlink()

    assert answer(known) is None


def test_another_expected_version_is_left_for_the_long_way(known: Project) -> None:
    env = known.root / ".env"
    env.write_text("SCHEMA_VERSION=3\n")
    assert answer(known) is not None

    env.write_text("SCHEMA_VERSION=2\n")

    assert answer(known) is None


def test_transaction_in_doubt_is_left_for_the_long_way(known: Project) -> None:
    ((name,),) = known.pg("SELECT current_database()")
    prepared = f"'sqlpair:{name}.public:20260102T030405.006Z-abcdef/1'"
    known.pg(f"BEGIN; CREATE TABLE t9 (); PREPARE TRANSACTION {prepared}")
    try:
        assert answer(known) is None
    finally:
        known.pg(f"ROLLBACK PREPARED {prepared}")
    assert answer(known) is not None


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
