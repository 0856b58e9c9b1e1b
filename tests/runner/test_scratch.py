"""The schema that the files make, built in a database that goes again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from conftest import Project, connected, with_canary
from sqlpair.databases import embedded, kept_open, temporary
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql.maintenance import drop, drop_leftovers
from sqlpair.errors import ConnectError, SqlpairError, StatementError
from sqlpair.project import branches
from sqlpair.runner import scratch
from sqlpair.schema.model import ObjectKey, Schema, difference

BOTH = ("postgres", "sqlite")


def nothing(_line: str) -> None:
    pass


def live(project: Project, database: str) -> Schema:
    found = branch_of(project, database).database
    from sqlpair.databases.driver import driver_of

    session = driver_of(found).connect(found, read_only=True, report=nothing)
    assert session is not None
    with session.snapshot():
        schema = session.schema()
    session.close()
    return schema


def branch_of(project: Project, database: str, **changes: object) -> branches.Branch:
    known = branches.branches(project.settings)
    found = next(b for b in known if b.name == database)
    return found._replace(database=found.database._replace(**changes))  # type: ignore[arg-type]


def build(project: Project, database: str, **changes: object) -> Schema:
    found = branch_of(project, database, **changes)
    with scratch.opened(found, nothing) as opened:
        return opened.schema(len(found.migrations))


@pytest.fixture
def three(project: Project) -> Project:
    """Three migrations on each database, one of them outside a transaction."""
    for database in BOTH:
        project.add(database, "001_t", "CREATE TABLE t (id integer, note text);\n")
        project.add(database, "002_u", "ALTER TABLE t ADD COLUMN u text;\n")
    project.add(
        "postgres",
        "003_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY t_u ON t (u);\n",
    )
    project.add(
        "sqlite", "003_view", "-- no-transaction\nCREATE VIEW v AS SELECT u FROM t;\n"
    )
    return project


@pytest.mark.parametrize("database", BOTH)
def test_what_the_files_build_is_what_a_deployment_made(
    three: Project, database: str
) -> None:
    three.upgrade()

    assert difference(build(three, database), live(three, database)) == ()


@pytest.mark.parametrize("database", BOTH)
def test_the_schema_can_be_asked_for_version_after_version(
    three: Project, database: str
) -> None:
    found = branch_of(three, database)

    with scratch.opened(found, nothing) as opened:
        schemas = [opened.schema(position) for position in range(4)]

    tables = [{k.name for k in schema if k.kind == "table"} for schema in schemas]
    assert tables == [set(), {"t"}, {"t"}, {"t"}]
    columns = [sum(k.kind == "column" for k in schema) for schema in schemas]
    assert columns == [0, 2, 3, 3]


def test_no_scratch_database_waits_for_the_disk(three: Project) -> None:
    asked = {"postgres": "SHOW synchronous_commit", "sqlite": "PRAGMA synchronous"}
    for database, sql in asked.items():
        found = branch_of(three, database)
        driver = driver_of(found.database)
        with (
            scratch.opened(found, nothing) as opened,
            driver.copied(opened.session, nothing) as copy,
        ):
            copy.lock(nothing)
            for session in (opened.session, copy):
                session.begin()
                (row,) = session.rows(sql)
                session.rollback()
                assert [*row.values()] in (["off"], [0])


@pytest.mark.parametrize("database", BOTH)
def test_building_leaves_nothing_behind(
    three: Project,
    database: str,
    server: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))

    build(three, database)
    three.add(database, "004_broken", "CREATE TABLE w (id int);\nSELECT nope;\n")
    with pytest.raises(StatementError, match=r"004_broken\.sql:2"):
        build(three, database)

    assert scratch_databases(server) == []
    assert three.tables("postgres") == set()
    assert not three.file.exists()
    assert list(place.iterdir()) == []


def test_a_scratch_database_is_dropped_beside_what_the_command_does_next(
    three: Project, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow_drop(*arguments: Any) -> None:
        assert goes_on.wait(30)
        drop(*arguments)

    monkeypatch.setattr("sqlpair.databases.postgresql.scratch.drop", slow_drop)
    with kept_open.to_the_end():
        build(three, "postgres")
        assert len(scratch_databases(server)) == 1
        goes_on.set()

    assert scratch_databases(server) == []


def scratch_databases(server: str) -> list[str]:
    with connected(server) as execute:
        rows = execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'sqlpair_scratch_%'"
        )
    return [row[0] for row in rows]


def test_what_a_killed_process_left_on_the_server_is_dropped(
    three: Project, server: str
) -> None:
    old, young = (
        f"sqlpair_scratch_{time.time() - age:.0f}_00000000" for age in (9000, 5)
    )
    used = f"sqlpair_scratch_{time.time() - 9000:.0f}_11111111"
    with connected(server) as execute:
        for name in (old, young, used):
            execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        words = [word for word in server.split() if not word.startswith("dbname=")]
        holder = psycopg2.connect(" ".join([*words, f"dbname={used}"]))
        try:
            build(three, "postgres")
            assert sorted(scratch_databases(server)) == sorted([young, used])
        finally:
            holder.close()
            for name in (old, young, used):
                execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def poll(process: int) -> None:
    """Raise ProcessLookupError once it has ended: a moment after its last file."""
    for _ in range(1200):
        os.kill(process, 0)
        time.sleep(0.05)


def test_what_a_killed_process_left_in_the_temporary_folder_is_removed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(temporary, "_YOUNG", 0.0)
    code = (
        "import os, signal; from sqlpair.databases import embedded, temporary\n"
        "with temporary.folder() as folder:\n"
        "    with embedded.server(folder / 'postgres') as server:\n"
        "        print(server.dsn, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = os.environ | {"TMPDIR": str(place)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=False)
    (left,) = place.glob(f"{temporary.PREFIX}*")
    assert done.returncode == -9
    assert embedded.running(left / "postgres")
    process = int((left / "postgres" / "postmaster.pid").read_text().split()[0])

    with temporary.folder(lambda folder: embedded.stop(folder / "postgres")) as mine:
        assert set(place.glob(f"{temporary.PREFIX}*")) == {mine}
        with pytest.raises(ProcessLookupError):
            poll(process)
        # It is in use: nobody else removes it.
        with temporary.folder() as another:
            assert mine.is_dir()
            assert another.is_dir()

    assert list(place.iterdir()) == []


@pytest.fixture
def place() -> Iterator[Path]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield folder
    for noted in folder.rglob("postmaster.pid"):
        os.kill(int(noted.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


def test_without_a_named_server_a_temporary_one_is_started_with_the_live_roles(
    three: Project, server: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    three.add(
        "postgres",
        "004_policy",
        "CREATE ROLE scratch_made;\nCREATE POLICY p ON t TO scratch_there;\n"
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''9MB''',"
        " current_database()); END $$;\nGRANT scratch_made TO scratch_there;\n",
    )
    with connected(server) as execute:
        execute("CREATE ROLE scratch_there")
        try:
            three.upgrade()
            schema = build(three, "postgres", scratch="")
            assert difference(schema, live(three, "postgres")) == ()
        finally:
            three.pg("DROP TABLE t")
            execute("DROP ROLE scratch_made, scratch_there")
    assert list(place.iterdir()) == []


def test_files_that_touch_roles_do_not_run_on_the_embedded_server(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    project = Project(tmp_path / "project", "")
    del project.environ["DATABASE_URL"], project.environ["SCRATCH_URL"]
    project.add("postgres", "001_t", "CREATE TABLE t (id int);\n")
    data = place / "postgres"
    with embedded.server(data) as running:
        here = {"embedded": data}
        build(project, "postgres", **here)
        with connected(running.dsn) as execute:
            before = execute("SELECT count(*) FROM pg_roles")
            project.add("postgres", "002_role", "CREATE ROLE somebody;\n")
            build(project, "postgres", **here)
            assert execute("SELECT count(*) FROM pg_roles") == before
            rows = execute("SELECT datname FROM pg_database ORDER BY 1")
    assert [row[0] for row in rows] == ["app", "postgres", "template0", "template1"]


ROLES = (
    "CREATE ROLE scratch_a;\nCREATE TABLE a ();\nALTER TABLE a OWNER TO scratch_a;\n"
    "DO $$ BEGIN EXECUTE format('CREATE ROLE %I', 'scratch_b'); END $$;\n"
    "GRANT scratch_a TO scratch_b;\n"
)


def roles(server: str) -> list[str]:
    with connected(server) as execute:
        rows = execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^scratch_[ab]$'")
    return [row[0] for row in rows]


@pytest.fixture
def other(three: Project, unpreparing_server: str) -> str:
    """A server that SCRATCH_URL names, and that has not the live database."""
    three.environ["SCRATCH_URL"] = with_canary(unpreparing_server)
    return unpreparing_server


def test_roles_that_files_make_on_the_named_server_go_with_the_database(
    three: Project, other: str
) -> None:
    three.add("postgres", "004_roles", ROLES, "DROP OWNED BY scratch_a;\n")

    for _ in range(2):
        build(three, "postgres")
        assert roles(other) == []
    # One that was there is not ours to drop.
    with connected(other) as execute:
        execute("CREATE ROLE scratch_b")
        try:
            with pytest.raises(StatementError) as failure:
                build(three, "postgres")
            assert roles(other) == ["scratch_b"]
        finally:
            execute("DROP ROLE scratch_b")
    assert "in a scratch database, on the server of SCRATCH_URL" in str(failure.value)
    assert "It is the scratch server that has it: drop it there." in str(failure.value)


@pytest.mark.parametrize("what", ["database", "role"])
def test_a_named_server_that_has_the_live_database_keeps_what_it_shares(
    three: Project, what: str
) -> None:
    [(name,)] = three.pg("SELECT current_database()")
    sql = {
        "database": f"ALTER DATABASE {name} SET work_mem = '9MB';\n"
        f"COMMENT ON DATABASE {name} IS 'by a file';\n"
        f'GRANT CREATE ON DATABASE "{name}" TO public;\n',
        "role": f"ALTER ROLE current_user IN DATABASE {name} SET work_mem = '9MB';\n",
    }
    three.add("postgres", "004_shared", sql[what])

    build(three, "postgres")  # SCRATCH_URL names the server of the live database

    assert three.pg(
        "SELECT shobj_description(oid, 'pg_database'), datacl FROM pg_database"
        " WHERE datname = current_database() UNION ALL"
        " SELECT setconfig::text, NULL FROM pg_db_role_setting s JOIN pg_database d"
        " ON d.oid = s.setdatabase WHERE d.datname = current_database()"
    ) == [(None, None)]


@pytest.mark.parametrize("copied", [False, True])
def test_roles_that_a_killed_process_left_on_the_named_server_are_dropped(
    three: Project, other: str, monkeypatch: pytest.MonkeyPatch, *, copied: bool
) -> None:
    three.add("postgres", "004_roles", ROLES)
    code = (
        f"import os, pathlib, signal; copied = {copied}\n"
        "from sqlpair.databases.driver import driver_of\n"
        "from sqlpair.project import branches, settings\n"
        "from sqlpair.runner import scratch\n"
        "found = branches.branches(settings.load(pathlib.Path('alembic.ini')))[0]\n"
        "files = [item.up for item in found.migrations]\n"
        "driver = driver_of(found.database)\n"
        "with driver.scratch(found.database, files, print) as session:\n"
        "    if copied:\n"
        "        copy = driver.copied(session, print, files)\n"
        "        session = copy.__enter__()\n"
        "    scratch.Scratch(found, session, print).build(4)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = three.environ
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=three.root, env=environ, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert roles(other) == ["scratch_a", "scratch_b"]

    monkeypatch.setattr("sqlpair.databases.postgresql.maintenance._YOUNG", -1)
    for _ in range(200):  # its session may be there for another moment
        with connected(other) as execute:
            drop_leftovers(execute)
        if not roles(other):
            break
        time.sleep(0.05)
    build(three, "postgres")

    assert scratch_databases(other) == roles(other) == []


def test_a_copy_of_a_scratch_database_has_its_settings(three: Project) -> None:
    database = branch_of(three, "postgres").database
    driver = driver_of(database)
    settings = "current_setting('search_path') AS path, current_setting('work_mem')"
    with driver.scratch(database, (), nothing) as session:
        (row,) = session.rows("SELECT current_database() AS name")
        name = f'ALTER DATABASE "{row["name"]}"'
        session.execute(f"""{name} SET search_path = 'a, b', public""")
        session.execute(f"{name} SET work_mem = '9MB'")

        with driver.copied(session, nothing) as copy:
            assert copy.rows(f"SELECT {settings} AS memory") == [
                {"path": '"a, b", public', "memory": "9MB"}
            ]


def test_a_copy_is_emptied_while_its_source_is_at_work(three: Project) -> None:
    database = branch_of(three, "postgres").database
    driver = driver_of(database)
    with driver.scratch(database, (), nothing) as session:
        with driver.copied(session, nothing) as copy:
            copy.execute("CREATE TABLE a (id int)")
            name = copy.fetch("SELECT current_database()")
            session.execute("BEGIN")
        assert session.in_transaction()
        session.rollback()
        with driver.copied(session, nothing) as copy:
            assert copy.fetch("SELECT current_database()") == name
            assert ObjectKey("table", "a") not in copy.schema()


def test_of_a_copy_only_what_has_changed_is_described_again(three: Project) -> None:
    database = branch_of(three, "postgres").database
    driver = driver_of(database)
    with (
        driver.scratch(database, (), nothing) as session,
        driver.copied(session, nothing) as copy,
    ):
        copy.execute("CREATE TABLE a (id int); CREATE TABLE b (id int)")
        before = copy.schema()
        copy.execute("DROP TABLE b; CREATE TABLE b (id bigint)")
        whole = copy.schema()
        copy.execute("ALTER TABLE b ADD c text")
        after = copy.schema()

    a, c = ObjectKey("table", "a"), ObjectKey("column", "b.c")
    assert whole[a] is not before[a]
    assert after[a] is whole[a]
    assert c in after
    assert c not in whole


def test_the_search_path_of_the_live_database_holds(three: Project) -> None:
    three.pg("CREATE SCHEMA app")
    (name,) = three.pg("SELECT current_database()")[0]
    three.pg(f"ALTER DATABASE {name} SET search_path = app, public")
    three.add("postgres", "004_schema", "CREATE SCHEMA more; CREATE TABLE more.m ();\n")
    three.upgrade()

    schema = build(three, "postgres")

    assert "app.t" in {key.name for key in schema}
    assert difference(schema, live(three, "postgres")) == ()


def test_a_scratch_server_that_refuses_is_told_as_such(three: Project) -> None:
    with pytest.raises(ConnectError) as failure:
        build(three, "postgres", scratch="postgresql://localhost:1/nowhere")

    assert "Check SCRATCH_URL" in failure.value.remedy


def test_a_role_that_may_not_make_databases_is_told_as_such(
    three: Project, server: str
) -> None:
    with connected(server) as execute:
        execute("CREATE ROLE scratch_poor LOGIN")
        try:
            with pytest.raises(ConnectError) as failure:
                build(three, "postgres", scratch=f"{three.dsn} user=scratch_poor")
        finally:
            execute("DROP ROLE scratch_poor")

    assert failure.value.what == "postgres: the scratch database cannot be made"
    assert "permission denied to create database" in failure.value.evidence[0]
    assert "CREATEDB" in failure.value.remedy


def test_no_server_at_all_is_said_with_both_ways_out(
    three: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SqlpairError) as failure:
        build(three, "postgres", scratch="", scratch_beside=False, binaries=tmp_path)

    assert "Set SCRATCH_URL" in failure.value.remedy


def test_a_revision_module_that_does_more_than_its_pair_counts(three: Project) -> None:
    module = three.root / "alembic" / "versions" / "postgres" / "001_t.py"
    module.write_text(
        module.read_text()
        + "\n_upgrade = upgrade\n\n\ndef upgrade():\n    from alembic import op\n\n"
        "    _upgrade()\n    op.execute('CREATE TABLE extra (id int)')\n"
    )

    assert "extra" in {key.name for key in build(three, "postgres")}
