"""What a server's data folder and socket are, and who may reach them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from sqlpair.databases import embedded
from sqlpair.databases.embedded.programs import account_for, runner
from sqlpair.errors import ConnectError

INSTALLED = [
    embedded.find_binaries(),
    *Path("/usr/lib/postgresql").glob("[0-9]*/bin"),
]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def socket_of(server: embedded.Server) -> Path:
    where = parse_dsn(server.dsn)
    return Path(where["host"], f".s.PGSQL.{where['port']}")


def setting(server: embedded.Server, statement: str) -> str:
    connection = psycopg2.connect(server.dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
            assert row is not None
            return str(row[0])
    finally:
        connection.close()


@pytest.mark.parametrize("binaries", INSTALLED, ids=str)
def test_every_postgresql_at_hand_serves(place: Path, binaries: Path) -> None:
    data = place / "postgres"

    with embedded.server(data, binaries=binaries) as server:
        major = (data / "PG_VERSION").read_text().strip()
        assert setting(server, "SHOW server_version_num")[:2] == major
        assert server.binaries == binaries.resolve()
        assert setting(server, "SHOW server_encoding") == "UTF8"
        assert int(setting(server, "SHOW max_prepared_transactions")) >= 8


def test_it_listens_on_no_network(data: Path) -> None:
    with embedded.server(data) as server:
        assert setting(server, "SHOW listen_addresses") == ""

    log = data.with_name("postgres.log").read_text()
    listening = [line for line in log.splitlines() if "listening on" in line]
    assert len(listening) == 1
    assert "Unix socket" in listening[0]


CONNECT_AS = """
import os, socket, sys
user = int(sys.argv[1])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[2])
except PermissionError:
    print("refused")
else:
    print("connected")
"""


def connect_as(user: int, socket: Path) -> str:
    command = [sys.executable, "-c", CONNECT_AS, str(user), socket]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_only_its_owner_and_root_can_connect(open_place: Path) -> None:
    with embedded.server(open_place / "postgres") as server:
        socket = socket_of(server)
        owner = server.data.stat().st_uid
        assert mode(socket.parent) == mode(socket) == 0o700
        assert socket.stat().st_uid == owner
        assert setting(server, "SELECT 1") == "1"
        # Only root can play others.
        if os.geteuid() == 0:
            assert connect_as(owner, socket) == "connected"
            assert connect_as(owner + 1, socket) == "refused"
            # Were the folder ever opened, the socket would still refuse.
            socket.parent.chmod(0o755)
            assert connect_as(owner + 1, socket) == "refused"
            socket.parent.chmod(0o700)


def test_its_files_are_closed_to_others(data: Path) -> None:
    with embedded.server(data):
        pass

    assert mode(data) == 0o700
    assert mode(data.with_name("postgres.log")) == 0o600
    assert mode(data.with_name("postgres.lock")) == 0o600


@pytest.mark.parametrize(
    "name",
    ["x" * 100, "a,b", 'it\'s "quoted" $HOME `id` \\ %s #'],
    ids=["too long for a socket", "comma", "odd"],
)
def test_any_path_will_do(place: Path, name: str) -> None:
    data = place / name / "postgres"

    with embedded.server(data) as server:
        assert len(os.fsencode(socket_of(server))) <= 100
        assert mode(socket_of(server).parent) == 0o700
        assert setting(server, "SHOW data_directory") == str(data)
        # Another process finds it, too.
        code = "import sys, pathlib; from sqlpair.databases.embedded import running; "
        code += "print(running(pathlib.Path(sys.argv[1])).dsn)"
        command = [sys.executable, "-c", code, data]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == server.dsn

    # A folder made for the socket alone goes with it.
    assert (
        socket_of(server).parent in (data, None)
        or not socket_of(server).parent.exists()
    )


def test_a_socket_folder_that_others_could_have_made_is_not_trusted(
    place: Path,
) -> None:
    data = place / ("x" * 100) / "postgres"
    with embedded.server(data) as server:
        folder = socket_of(server).parent
        folder.chmod(0o755)
        assert embedded.running(data) is None

        folder.chmod(0o700)
        assert embedded.running(data)


@pytest.fixture(params=[0o755, 0o700], ids=["open parents", "private parents"])
def project(request: pytest.FixtureRequest, place: Path) -> Path:
    """A project in a folder that others may enter, or may not."""
    place.chmod(request.param)
    folder = place / "home" / "project"
    folder.mkdir(parents=True)
    folder.parent.chmod(request.param)
    return folder


def test_it_runs_below_open_and_private_folders_and_changes_no_mode(
    project: Path,
) -> None:
    parents = [project, *project.parents]
    before = [mode(folder) for folder in parents]

    with embedded.server(project / "state" / "postgres") as server:
        assert setting(server, "SELECT 1") == "1"
        assert [mode(folder) for folder in parents] == before

    assert [mode(folder) for folder in parents] == before


def test_it_runs_from_programs_that_only_their_owner_may_run(tmp_path: Path) -> None:
    # As in a virtual environment made under /root with umask 077.
    installed = embedded.find_binaries().parents[1]
    private = tmp_path / "packages"
    private.mkdir()
    for part in (installed.name, f"{installed.name}.libs"):
        subprocess.run(["cp", "-R", installed.with_name(part), private], check=True)
    subprocess.run(["chmod", "-R", "go-rwx", private], check=True)

    binaries = private / installed.name / "pginstall" / "bin"
    with embedded.server(tmp_path / "postgres", binaries=binaries) as server:
        assert server.binaries == binaries
        assert setting(server, "SELECT 1") == "1"


def test_the_server_runs_as_the_owner_of_its_data_who_is_not_root(data: Path) -> None:
    owner = os.geteuid() or 65534
    subprocess.run(["chown", "-R", str(owner), data], check=True)

    with embedded.server(data) as server:
        # A process makes its socket in its own name.
        assert socket_of(server).stat().st_uid == owner


def test_what_root_makes_in_a_persons_project_is_that_persons(place: Path) -> None:
    person = os.geteuid() or 65534
    os.chown(place, person, -1)
    data = place / "state" / "postgres"

    with embedded.server(data):
        pass

    made = [data.parent, *data.parent.iterdir()]
    assert {path.name: path.stat().st_uid for path in made} == {
        "state": person,
        "postgres": person,
        "postgres.log": person,
        "postgres.lock": person,
    }


def test_no_variable_of_ours_reaches_the_server(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary")
    monkeypatch.setenv("PGOPTIONS", "-c application_name=canary")
    with embedded.server(data) as server:
        connection = psycopg2.connect(server.dsn)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE variable (line text)")
            cursor.execute("COPY variable FROM PROGRAM 'env'")
            cursor.execute("SELECT line FROM variable")
            environment = {row[0].split("=")[0] for row in cursor.fetchall()}
        connection.close()

    assert "PATH" in environment
    assert not {"DATABASE_URL", "PGOPTIONS"} & environment


def test_an_initdb_that_is_killed_leaves_nothing_that_looks_whole(
    place: Path,
) -> None:
    data = place / "postgres"
    code = "import sys, pathlib, sqlpair.databases.embedded as e; "
    code += "e.server(pathlib.Path(sys.argv[1])).__enter__()"
    maker = subprocess.Popen([sys.executable, "-c", code, data], process_group=0)
    while not list(place.glob("postgres.new-*/base")):
        time.sleep(0.001)
    os.killpg(maker.pid, signal.SIGKILL)
    maker.wait()
    assert not data.exists()

    with embedded.server(data) as server:
        assert setting(server, "SELECT 1") == "1"

    assert sorted(path.name for path in place.iterdir()) == [
        "postgres",
        "postgres.lock",
        "postgres.log",
        "postgres.log.1",
    ]


def test_a_folder_of_another_major_version_is_named_and_left_alone(
    data: Path,
) -> None:
    (data / "PG_VERSION").write_text("9\n")
    before = sorted(data.rglob("*"))

    with pytest.raises(ConnectError) as failure, embedded.server(data):
        pass

    assert "is of PostgreSQL 9, the programs are of 1" in str(failure.value)
    assert "a folder of PostgreSQL 9" in failure.value.remedy
    assert sorted(data.rglob("*")) == before


def test_a_state_folder_that_cannot_be_made_is_said(place: Path) -> None:
    (place / "state").touch()

    with pytest.raises(ConnectError) as failure, embedded.server(place / "state/data"):
        pass

    assert str(place / "state") in failure.value.evidence[0]


def test_a_file_that_cannot_be_made_is_said(data: Path) -> None:
    data.with_name("postgres.log").touch()
    data.with_name("postgres.log.1").mkdir()

    with pytest.raises(ConnectError) as failure, embedded.server(data):
        pass

    assert "postgres.log.1" in failure.value.evidence[0]


def test_a_folder_of_other_things_is_left_alone(place: Path) -> None:
    data = place / "postgres"
    data.mkdir()
    (data / "diary").touch()

    with pytest.raises(ConnectError, match="no PostgreSQL data"), embedded.server(data):
        pass

    assert [path.name for path in data.iterdir()] == ["diary"]


def test_an_empty_folder_is_filled(place: Path) -> None:
    (place / "postgres").mkdir()

    with embedded.server(place / "postgres") as server:
        assert setting(server, "SELECT 1") == "1"


def test_a_start_that_fails_shows_the_end_of_the_log(data: Path) -> None:
    with (data / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = 1\n")

    with pytest.raises(ConnectError) as failure, embedded.server(data):
        pass

    assert 'unrecognized configuration parameter "nonsense"' in str(failure.value)
    assert str(data.with_name("postgres.log")) in failure.value.remedy


def test_a_server_started_by_hand_is_used_but_not_stopped(data: Path) -> None:
    binaries = embedded.find_binaries()
    way = runner(account_for(data), binaries, data)
    by_hand = subprocess.Popen(
        [*way.prefix, binaries / "postgres", "-D", data, "-k", data, "-h", ""],
        stderr=subprocess.DEVNULL,
        **way.options,
    )
    try:
        while not embedded.running(data):
            assert by_hand.poll() is None
        with embedded.server(data) as server:
            assert not server.started
        with pytest.raises(ConnectError, match="by hand"):
            embedded.stop(data)
        assert embedded.running(data)
    finally:
        by_hand.terminate()
        by_hand.wait()


@pytest.fixture
def open_place(place: Path) -> Path:
    """A folder that everybody can enter."""
    place.chmod(0o755)
    return place
