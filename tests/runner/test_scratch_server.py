"""Which server a scratch database is on, where the files need what not every one has.

One server has an extension of these tests' own, and no other has it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from conftest import Project, connected
from sqlpair.databases import embedded

MISSING = 'extension "keyring" is not available'
LACKS = "It is the scratch server that lacks this: install it there."
RECORDED = (["verify"], ["snapshot"], ["prove"])
ADOPT = ["adopt", "postgres", "--yes"]


@pytest.fixture
def equipped() -> Iterator[str]:
    """A server with the extension: the wheel's, which knows extension_control_path."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="sqlpair-equipped-", dir=parent) as folder,
        embedded.server(Path(folder) / "data") as own,
    ):
        share = Path(folder, "data", "share")
        files = share / "extension"
        files.mkdir(parents=True)
        (files / "keyring.control").write_text("default_version = '1'\n")
        (files / "keyring--1.sql").write_text(
            "CREATE FUNCTION hashed(text) RETURNS text IMMUTABLE LANGUAGE sql"
            " AS 'SELECT pg_catalog.md5($1)';\n"
        )
        for path in (share, *share.rglob("*")):
            shutil.chown(path, Path(folder, "data").owner())
        with connected(own.dsn) as execute:
            execute(f"ALTER SYSTEM SET extension_control_path = '{share}:$system'")
            execute("SELECT pg_reload_conf()")
        yield own.dsn


@pytest.fixture
def crypto(tmp_path: Path, equipped: str) -> Project:
    """A project that needs the extension, its database on the server that has it."""
    project = Project(tmp_path / "project", equipped)
    del project.environ["SCRATCH_URL"]
    project.environ["SQLITE_PATH"] = str(project.file)
    project.add(
        "postgres",
        "001_keys",
        "CREATE EXTENSION keyring;\n"
        "CREATE TABLE keys (id int PRIMARY KEY, d text DEFAULT hashed('a'));\n",
        "DROP TABLE keys;\nDROP EXTENSION keyring;\n",
    )
    return project


def unrecorded(project: Project) -> None:
    """Take the records away, and let a run be of several stages."""
    project.pg("DROP TABLE schema_version, schema_history, alembic_version")
    project.add(
        "postgres",
        "002_more",
        "CREATE TABLE more (id int PRIMARY KEY);\n",
        "DROP TABLE more;\n",
    )
    project.pg("CREATE TABLE more (id int PRIMARY KEY)")
    project.configure("alembic", transaction="migration")


def left(project: Project) -> list[tuple[str]]:
    return project.pg("SELECT datname FROM pg_database WHERE datname ~ 'scratch'")


def test_in_development_it_is_the_server_of_the_database(crypto: Project) -> None:
    crypto.sqlpair("migrate")

    for command in RECORDED:
        crypto.sqlpair(*command)
    unrecorded(crypto)
    told = crypto.sqlpair("migrate", expect=1).stderr

    assert "it is 002_more" in told
    crypto.sqlpair(*ADOPT)
    assert left(crypto) == []


@pytest.mark.parametrize("named", ["SCRATCH_URL", "DATABASE_URL"])
def test_elsewhere_a_setting_names_a_server_that_has_it(
    crypto: Project, named: str, equipped: str
) -> None:
    crypto.environ |= {"APP_ENV": "staging", "BACKUP": "0"}
    crypto.sqlpair("migrate", "--create")
    for command in (*RECORDED, ADOPT, ["migrate"]):
        if command == ADOPT:
            unrecorded(crypto)
        done = crypto.sqlpair(*command, expect=1)
        told = " ".join((done.stdout + done.stderr).split())
        assert MISSING in told, command
        assert "in a scratch database, on a temporary server" in told, command
        assert LACKS in told, command
        assert "Set SCRATCH_URL to the URL of a server" in told, command

    crypto.configure("postgres", scratch=named)
    crypto.environ[named] = equipped
    for command in (ADOPT, *RECORDED):
        crypto.sqlpair(*command)
    assert left(crypto) == []


def test_a_server_that_lacks_it_is_named(crypto: Project, server: str) -> None:
    crypto.sqlpair("migrate")

    told = crypto.sqlpair("verify", expect=1, SCRATCH_URL=server).stdout

    assert "in a scratch database, on the server of SCRATCH_URL" in told
    assert LACKS in told


def test_a_role_that_may_not_create_databases_has_a_temporary_server(
    crypto: Project, equipped: str
) -> None:
    crypto.sqlpair("migrate")
    with connected(equipped) as execute:
        execute("CREATE ROLE poor LOGIN IN ROLE pg_read_all_data")
    words = psycopg2.extensions.parse_dsn(equipped) | {"user": "poor"}
    poor = psycopg2.extensions.make_dsn(**words)

    told = crypto.sqlpair("verify", expect=1, DATABASE_URL=poor).stdout

    assert "in a scratch database, on a temporary server" in told


def test_files_that_touch_roles_never_run_beside_the_database(crypto: Project) -> None:
    crypto.add(
        "postgres", "001_keys", "CREATE ROLE own_made;\n", "DROP ROLE own_made;\n"
    )
    crypto.configure("postgres", scratch="DATABASE_URL")
    crypto.sqlpair("migrate")

    told = crypto.sqlpair("verify").stderr

    assert "postgres: starting a temporary PostgreSQL" in told
    crypto.sqlpair("prove")
    assert crypto.pg("SELECT 1 FROM pg_roles WHERE rolname = 'own_made'") == [(1,)]
