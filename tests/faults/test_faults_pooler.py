"""A real PgBouncer in transaction mode: a deployment works, or is refused.

Such a pooler gives each transaction another connection of the server, so that what a
session holds, a lock above all, would be held by nobody or by somebody else.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conftest import CANARY, PROGRAMS, Project, connected
from fault_injection import add, assert_at, at_once, deploy, holding, until
from sqlpair.databases import embedded
from sqlpair.databases.postgresql.blockers import Watch
from sqlpair.databases.postgresql.lock import DEPLOYMENT
from sqlpair.errors import ConnectError, LockError, SqlpairError

# Debian keeps it where only root looks.
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
query_wait_timeout = {queue}
idle_transaction_timeout = {patience}
logfile = {folder}/pgbouncer.log
"""
RUNS = 20


@pytest.fixture(scope="module")
def reachable_server(clean_environment: None) -> Iterator[str]:
    """The libpq string of a server whose socket a pooler of its owner's can reach."""
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-pooled-"))
    folder.chmod(0o755)
    try:
        with embedded.server(folder / "postgres", binaries=PROGRAMS) as running:
            yield running.dsn
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(reachable_server: str, tmp_path: Path) -> Project:
    """A project on that server; its address is still the server's own."""
    with connected(reachable_server) as execute:
        execute("DROP DATABASE IF EXISTS pooled WITH (FORCE)")
        execute("CREATE DATABASE pooled TEMPLATE template0 STRATEGY file_copy")
    words = [w for w in reachable_server.split() if not w.startswith("dbname=")]
    return Project(tmp_path / "project", " ".join([*words, "dbname=pooled"]))


@contextmanager
def pooled(
    project: Project, size: int, patience: int = 0, queue: int = 60
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a pooler with so many server connections, and let the project use it.

    ``patience``: after so many seconds it ends a transaction that idles; ``queue``:
    one that waits for a server connection.
    """
    assert PGBOUNCER, "install pgbouncer"
    at = dict(word.split("=", 1) for word in project.dsn.split())
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-pgbouncer-"))
    owner = Path(at["host"]).stat().st_uid
    os.chown(folder, owner, -1)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(
            **at,
            listen=listen,
            size=size,
            patience=patience,
            queue=queue,
            folder=folder,
        )
    )
    # It refuses to run as root.
    account = ["-u", pwd.getpwuid(owner).pw_name] if os.geteuid() == 0 else []
    direct = project.environ["DATABASE_URL"]
    process = subprocess.Popen(
        [PGBOUNCER, "-q", *account, str(configuration)], stderr=subprocess.DEVNULL
    )
    try:

        def answers() -> bool:
            assert process.poll() is None, "the pooler did not start"
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", listen)).close()
                return True
            return False

        until(answers, "the pooler listens")
        project.environ["DATABASE_URL"] = (
            f"postgresql://{at['user']}:{CANARY}@127.0.0.1:{listen}/pooled"
        )
        yield process
    finally:
        project.environ["DATABASE_URL"] = direct
        process.kill()
        process.wait()
        shutil.rmtree(folder)


@pytest.mark.parametrize("command", ["alembic", "sqlpair"])
def test_deployment_through_a_pooler_in_transaction_mode_moves_both_databases(
    project: Project, command: str
) -> None:
    add(project, 1, 2, 3, 4)

    with pooled(project, size=5):
        if command == "alembic":
            project.alembic("upgrade", "heads")
            assert "Nothing to do" in project.alembic("upgrade", "heads").stderr
            assert_at(project, 4)
            project.alembic("downgrade", "-1")
        else:
            project.sqlpair("migrate")
            assert_at(project, 4)
            project.sqlpair("version")
            project.sqlpair("verify")
            project.sqlpair("rollback", "--to", "2")
        assert_at(project, 2)


def test_twenty_runs_at_once_through_a_pooler_apply_each_migration_once(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4, 5, 6)

    with pooled(project, size=4):
        ended = at_once(project, RUNS)

    words = "\n".join(said for _, said in ended)
    ran = sorted(re.findall(r"^ran \w+ (\w+)", words, re.MULTILINE))
    assert ran == [f"{number:03}_t{number}" for number in (3, 4, 5, 6)]
    assert [code for code, _ in ended] == [0] * RUNS, words
    assert_at(project, 6)


@pytest.mark.parametrize("holder", ["pooler", "server"])
def test_lock_that_is_held_through_a_pooler_keeps_others_out_and_is_kept_out(
    project: Project, holder: str
) -> None:
    add(project, 1, 2)
    project.configure("postgres", lock_wait="0.3")
    direct = project.environ["DATABASE_URL"]

    with pooled(project, size=5):
        through = project.environ["DATABASE_URL"]
        first, second = (through, direct) if holder == "pooler" else (direct, through)
        project.environ["DATABASE_URL"] = first
        with holding(project):
            project.environ["DATABASE_URL"] = second
            with pytest.raises(LockError, match="another deployment holds the lock"):
                deploy(project)
        deploy(project)

    assert_at(project, 2)


def test_lock_that_a_pooler_ends_stops_the_run_before_it_commits(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who looks at the locks each second, over that connection, may keep it from idling.
    monkeypatch.setattr(Watch, "_look", lambda _watch, _pid: [])
    add(project, 1, 2)
    project.upgrade()
    add(project, 4)
    # Until the pooler has ended the other transaction of this run, which idles.
    project.add(
        "postgres",
        "003_t3",
        "CREATE TABLE t3 ();\nDO $$ BEGIN FOR i IN 1..600 LOOP\n"
        "  EXIT WHEN NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
        f" AND classid = {DEPLOYMENT});\n  PERFORM pg_sleep(0.1);\n"
        "END LOOP; END $$;\n",
    )

    with pooled(project, size=5, patience=1), pytest.raises(LockError) as failure:
        deploy(project)

    assert "postgres: the deployment lock was lost" in str(failure.value)
    assert "closed, by the server or a pooler" in str(failure.value)
    assert_at(project, 2)


def test_file_outside_transactions_is_refused_through_a_pooler(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    project.add("postgres", "005_alone", "-- no-transaction\nVACUUM t1;\n")

    with pooled(project, size=5), pytest.raises(ConnectError) as failure:
        deploy(project)

    words = str(failure.value)
    assert "a -- no-transaction file cannot run through a connection pooler" in words
    assert "Let DATABASE_URL name the server itself for this command" in words
    assert_at(project, 2)


def test_pooler_without_a_connection_to_spare_is_an_error_and_no_hang(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)

    with pooled(project, size=1, queue=1), pytest.raises(SqlpairError) as failure:
        deploy(project)

    assert "postgres: PostgreSQL failed: server closed the connection" in str(
        failure.value
    )
    assert_at(project, 2)
    deploy(project)
    assert_at(project, 4)


def test_pooler_that_is_killed_in_a_deployment_leaves_both_as_they_were(
    project: Project,
) -> None:
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    project.add("postgres", "005_last", "SELECT 1;\n")
    module = project.root / "alembic/versions/postgres/005_last.py"
    with pooled(project, size=5) as pooler:
        text = module.read_text().replace("upgrade, downgrade", "up, downgrade")
        module.write_text(
            f"import os\n{text}\n\ndef upgrade():\n    os.kill({pooler.pid}, 9)\n"
            "    up()\n"
        )

        with pytest.raises(SqlpairError) as failure:
            deploy(project)

    assert "rolled back: nothing was changed" in str(failure.value)
    assert_at(project, 2)
