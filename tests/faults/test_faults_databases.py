"""Databases that cannot be used, or do not agree: said plainly, nothing changed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import CANARY, Project, connected, with_canary
from fault_injection import add, assert_at, deploy, forked_to_the_end
from sqlpair.databases import embedded
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import ConnectError, SqlpairError

NOBODY = 65534


def refused(project: Project, *arguments: str) -> str:
    """Deploy, which must fail and say so in the log; return what it says."""
    with pytest.raises(SqlpairError) as failure:
        deploy(project, *arguments)
    words = str(failure.value)
    assert CANARY not in words
    last = project.log.splitlines()[-1]
    assert "outcome=failed" in last
    told = words.splitlines()[0].encode("unicode_escape").decode()
    assert told.replace('"', r"\"") in last
    return words


@pytest.fixture(scope="module")
def guarded_server(clean_environment: None) -> Iterator[str]:
    """The libpq string of a server that asks for the password, which is not ours."""
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-guarded-"))
    try:
        with embedded.server(folder / "postgres") as running:
            with connected(running.dsn) as execute:
                execute("CREATE ROLE person LOGIN PASSWORD 'another'")
                [(path,)] = execute("SHOW hba_file")
                text = Path(path).read_text()
                Path(path).write_text(f"local all person scram-sha-256\n{text}")
                execute("SELECT pg_reload_conf()")
            yield running.dsn
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "127.0.0.1", "port": "1"}, "Connection refused"),  # nobody is there
        ({"port": "1"}, "No such file or directory"),
        ({"dbname": "none"}, 'database "none" does not exist'),
        ({"user": "nobody_here"}, 'role "nobody_here" does not exist'),
        ({"host": "no-such-host.invalid"}, "could not translate host name"),
    ],
)
def test_server_that_is_down_and_each_wrong_part_of_an_address_are_said_plainly(
    project: Project, changes: dict[str, str], message: str
) -> None:
    add(project, 1, 2)
    project.environ["DATABASE_URL"] = with_canary(project.dsn, **changes)

    words = refused(project)

    assert words.startswith("postgres: cannot connect to PostgreSQL\n")
    assert message in words
    assert words.endswith("Check DATABASE_URL and that the server is running.")
    assert not project.file.exists()


def test_server_that_accepts_and_never_answers_is_given_up(project: Project) -> None:
    add(project, 1, 2)
    database = project.settings.database("postgres")
    session = driver_of(database).connect(
        database, read_only=True, report=lambda _: None
    )
    assert isinstance(session, PostgreSQLSession)
    told = session.raw.info.dsn_parameters["connect_timeout"]
    session.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        silent_one = with_canary(project.dsn, host="127.0.0.1", port=port)
        project.environ["DATABASE_URL"] = f"{silent_one}&connect_timeout=2"

        words = refused(project)

    assert told == "10"
    assert "timeout expired" in words


def test_wrong_password_is_said_plainly_and_not_shown(
    project: Project, guarded_server: str
) -> None:
    add(project, 1, 2)
    project.environ["DATABASE_URL"] = with_canary(guarded_server, user="person")

    words = refused(project)
    failure = project.alembic("upgrade", "heads", expect=1)
    debugged = project.raw("sqlpair", "migrate", SQLPAIR_DEBUG="1")

    assert 'password authentication failed for user "person"' in words
    assert 'password authentication failed for user "person"' in failure.stderr
    assert "Traceback" in debugged.stderr
    assert CANARY not in debugged.stderr + debugged.stdout


@contextmanager
def role(project: Project) -> Iterator[str]:
    """Make a role that may connect, and nothing more, for a while."""
    project.pg(
        "CREATE ROLE weak LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
        " REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"
    )
    try:
        yield "weak"
    finally:
        project.pg(
            "GRANT CONNECT ON DATABASE postgres TO PUBLIC; DROP OWNED BY weak;"
            " DROP ROLE weak"
        )


def test_missing_permission_is_said_plainly(project: Project) -> None:
    add(project, 1, 2)

    with role(project) as weak:
        project.environ["DATABASE_URL"] = with_canary(project.dsn, user=weak)
        first = refused(project)
        plan = project.sqlpair("plan", expect=1)
        project.environ["DATABASE_URL"] = with_canary(project.dsn)
        project.upgrade()
        add(project, 4)
        project.add("postgres", "003_alter", "ALTER TABLE t1 ADD COLUMN v int;\n")
        project.pg(
            "GRANT ALL ON SCHEMA public TO weak;"
            " GRANT ALL ON ALL TABLES IN SCHEMA public TO weak;"
            " GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weak"
        )
        project.environ["DATABASE_URL"] = with_canary(project.dsn, user=weak)
        second = refused(project)
        project.environ["DATABASE_URL"] = with_canary(
            project.dsn, user=weak, dbname="postgres"
        )
        third = refused(project)

    assert "postgres: PostgreSQL failed: permission denied for schema public" in first
    assert "Grant the role what the statement needs" in first
    assert "not run: postgres: PostgreSQL failed: permission denied" in plan.stdout
    assert "postgres 003_alter.sql:1: must be owner of table t1" in second
    assert "Grant the role what the statement needs" in second
    assert 'permission denied for database "postgres"' in third
    assert_at(project, 2)


def test_row_security_that_hides_the_records_from_the_role_is_named(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    with role(project) as weak:
        project.pg(
            "GRANT ALL ON SCHEMA public TO weak;"
            " GRANT ALL ON ALL TABLES IN SCHEMA public TO weak;"
            " GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weak;"
            " ALTER TABLE schema_version ENABLE ROW LEVEL SECURITY"
        )
        project.environ["DATABASE_URL"] = with_canary(project.dsn, user=weak)

        # With no row to be seen, it would be taken for one that was interrupted.
        said = [
            project.sqlpair(command, expect=1).stderr
            for command in ("status", "verify", "migrate", "rollback")
        ]
        project.environ["DATABASE_URL"] = with_canary(project.dsn)

    for one in said:
        assert "postgres: row security may hide from this role what is recorded" in one
        assert "public.schema_version" in one.replace('"', "")
    assert_at(project, 2)


def test_role_that_may_not_see_who_blocks_keeps_the_lock(project: Project) -> None:
    project.configure("postgres", lock_timeout="0.2")
    project.add("postgres", "001_alter", "ALTER TABLE held ADD COLUMN v int;\n")

    reader = connected(project.dsn)

    def report(line: str) -> None:
        if "trying again" in line:
            reader.raw.close()

    with role(project) as weak:
        project.pg(
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_clear_snapshot FROM PUBLIC;"
            " GRANT ALL ON SCHEMA public TO weak;"
            " CREATE TABLE held (id int); ALTER TABLE held OWNER TO weak"
        )
        project.environ["DATABASE_URL"] = with_canary(project.dsn, user=weak)
        reader.execute("BEGIN; SELECT * FROM held")
        target = Destination(("heads",), "upgrade", report)
        deployment.deploy(project.settings, target, report)

        assert reader.raw.closed
        assert project.applied("postgres") == ["001_alter"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (None, "sqlite: the folder of the database is not there"),
        ("folder", "is a folder"),
        ("text", "file is not a database"),
    ],
)
def test_sqlite_folder_that_is_missing_and_file_that_is_no_database_are_said(
    project: Project, make: str | None, message: str
) -> None:
    add(project, 1, 2)
    path = project.root / "data" / "trades.db"
    project.environ["SQLITE_PATH"] = str(path)
    if make:
        path.parent.mkdir()
    if make == "folder":
        path.mkdir()
    if make == "text":
        path.write_text("id;pair;price\n" * 100)

    words = refused(project)

    assert message in words
    assert project.tables("postgres") == set()
    assert path.parent.exists() == bool(make)
    if make == "text":
        assert path.read_text() == "id;pair;price\n" * 100


def test_sqlite_file_that_is_read_only_is_said(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-read-only-"))
    try:
        path = folder / "trades.db"
        shutil.copy(project.file, path)
        path.chmod(0o444)
        if os.geteuid() == 0:  # whom no mode keeps from writing
            for each in (folder, path):
                os.chown(each, NOBODY, NOBODY)
        database = project.settings.database("sqlite")._replace(address=str(path))

        def upgrade() -> None:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            driver = driver_of(database)
            with pytest.raises(ConnectError) as failure:
                driver.connect(database, read_only=False, report=lambda _: None)
            (folder / "said").write_text(str(failure.value))

        forked_to_the_end(upgrade)

        words = (folder / "said").read_text()
        assert "sqlite: cannot open the SQLite database" in words
        assert f"{path}: attempt to write a readonly database" in words
    finally:
        shutil.rmtree(folder)


def as_the_servers_user(project: Project, *command: str) -> tuple[int, str]:
    """Run a command as who owns the server, and the project; who is not root."""
    user = []
    if os.geteuid() == 0:  # whom no mode keeps from writing
        owner = Path(re.findall(r"host=(\S+)", project.dsn)[0]).stat().st_uid
        for path in (project.root, *project.root.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)
        # It reads what root alone may: the folders of tests, and of the server.
        may = "+dac_read_search"
        user = ["setpriv", f"--reuid={owner}", "--clear-groups"]
        user += [f"--inh-caps={may}", f"--ambient-caps={may}"]
    done = subprocess.run(
        [*user, sys.executable, "-m", *command],
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("mode", "lock_file"),
    [("delete", True), ("delete", False), ("persist", True), ("wal", True)],
)
def test_sqlite_folder_that_may_not_be_written_is_said_before_anything_is_committed(
    project: Project, mode: str, lock_file: bool
) -> None:
    project.configure("alembic", transaction="migration")
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    project.lite(f"PRAGMA journal_mode = {mode}")
    project.sqlpair("backup")
    (backup,) = (project.root / "state" / "backups").glob("2*")
    folder = project.root / "data"
    folder.mkdir()
    for path in project.file.parent.glob(f"{project.file.name}*"):
        path.rename(folder / path.name)
    lock = folder / f"{project.file.name}.lock"
    if not lock_file:
        lock.unlink()
    project.file = folder / project.file.name
    project.environ["SQLITE_PATH"] = str(project.file)
    folder.chmod(0o555)
    try:
        for command in (
            *("sqlpair migrate", "sqlpair rollback --yes", "sqlpair plan"),
            *("sqlpair force-version 1 --yes", "sqlpair backup"),
            f"sqlpair restore {backup.name} --yes",
        ):
            code, words = as_the_servers_user(project, *command.split())

            assert code == 1, words
            said = "sqlite: the folder of the SQLite database cannot be written"
            assert said in words, command
            assert f"{folder}: " in words
            assert "let this user write to the folder" in words
        code, words = as_the_servers_user(project, "sqlpair", "status")
        assert (code, "2 migrations pending" in words) == (0, True), words
    finally:
        folder.chmod(0o755)
    assert_at(project, 2)


def test_current_status_and_verify_create_nothing_whatever_is_missing(
    project: Project,
) -> None:
    add(project, 1, 2)
    before = sorted(project.root.rglob("*"))

    project.sqlpair("status")
    project.sqlpair("verify")
    project.run("-B", "-m", "alembic", "current", PYTHONDONTWRITEBYTECODE="1")

    assert sorted(project.root.rglob("*")) == before
    assert project.pg("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    project.environ["SQLITE_PATH"] = "nowhere/trades.db"
    project.sqlpair("status")
    assert not (project.root / "nowhere").exists()


PARENTS = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, old TEXT);
CREATE TABLE child (parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO child VALUES (1), (1), (3);
"""
REBUILD = """
CREATE TABLE parent_new (id INTEGER PRIMARY KEY, new TEXT NOT NULL);
INSERT INTO parent_new SELECT id, old FROM parent {which};
DROP TABLE parent;
ALTER TABLE parent_new RENAME TO parent;
"""


@pytest.mark.parametrize(
    "around", ["{}", "PRAGMA foreign_keys = OFF;\nBEGIN;{}COMMIT;\n"]
)
def test_table_rebuild_with_cascading_children_loses_no_row(
    project: Project, around: str
) -> None:
    project.add("sqlite", "002_tables", PARENTS)
    project.upgrade()
    project.add("sqlite", "004_rebuild", around.format(REBUILD.format(which="")))

    project.upgrade()

    assert project.lite("SELECT parent FROM child") == [(1,), (1,), (3,)]
    assert project.lite("SELECT new FROM parent") == [("a",), ("b",), ("c",)]


def test_foreign_key_left_dangling_is_rolled_back_with_its_table_and_rowid(
    project: Project,
) -> None:
    add(project, 1)
    project.add("sqlite", "002_tables", PARENTS)
    project.upgrade()
    add(project, 3)
    project.add("sqlite", "004_rebuild", REBUILD.format(which="WHERE id <> 3"))

    words = refused(project)

    assert "sqlite: 1 foreign key is left dangling" in words
    assert "child rowid 3 refers to parent" in words
    assert "rolled back: nothing was changed" in words
    assert project.lite("SELECT old FROM parent") == [("a",), ("b",), ("c",)]
    assert project.tables("postgres") == {"t1"}


@pytest.mark.parametrize(
    "command",
    [
        ("alembic", "upgrade", "heads"),
        ("alembic", "downgrade", "-1"),
        ("sqlpair", "migrate"),
        ("sqlpair", "rollback"),
        ("sqlpair", "force-version", "--yes", "2"),
    ],
)
def test_database_ahead_of_this_checkout_is_explained_and_not_changed(
    project: Project, command: tuple[str, ...]
) -> None:
    add(project, 1, 2, 3, 4)
    project.upgrade()
    for number, database in ((3, "postgres"), (4, "sqlite")):
        for path in project.root.glob(f"*/**/{database}/00{number}_*"):
            path.unlink()

    done = project.run("-m", *command, expect=1)

    assert "postgres: the database is ahead of this checkout" in done.stderr
    assert "Update the checkout" in done.stderr
    assert "the database is ahead of this checkout" in project.log.splitlines()[-1]
    assert_at(project, 4)


DISAGREEMENTS = {
    "version table": "UPDATE alembic_version SET version_num = '{database}_00{first}'",
    "ledger": "DELETE FROM schema_version WHERE version > 2",
    "empty version table": "DELETE FROM alembic_version",
}


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize("what", DISAGREEMENTS)
def test_version_table_ledger_and_env_that_disagree_are_all_shown_and_nothing_runs(
    project: Project, database: str, what: str
) -> None:
    env = project.root / ".env"
    env.write_text("SCHEMA_VERSION=4\n")
    add(project, 1, 2, 3, 4)
    project.upgrade()
    first = 1 if database == "postgres" else 2
    query = project.pg if database == "postgres" else project.lite
    query(DISAGREEMENTS[what].format(database=database, first=first))
    add(project, 5, 6)

    words = refused(project)

    assert f"{database}: alembic_version and schema_version disagree" in words
    assert re.search(r"^  alembic_version: \w+, which means \w+ ", words, re.M)
    assert re.search(r"^  schema_version:  [12] applied, up to 00\d", words, re.M)
    assert re.search(r"^  SCHEMA_VERSION:  4 in \.env$", words, re.M)
    assert "t5" not in project.tables("postgres")
    assert "t6" not in project.tables("sqlite")
    assert env.read_text() == "SCHEMA_VERSION=4\n"
    told = project.sqlpair("version", expect=1).stdout
    assert "SCHEMA_VERSION:  4 in .env" in told
    project.sqlpair("force-version", "--yes", "4")
    project.upgrade()
    assert_at(project, 6)


def test_every_refusal_of_a_command_that_changes_something_is_in_the_log(
    project: Project,
) -> None:
    add(project, 1, 2)
    (project.root / ".env").write_text("SCHEMA_VERSION=9\n")

    words = refused(project)

    assert "expects a version this checkout does not have" in words
    assert project.log.count("\n") == 1
