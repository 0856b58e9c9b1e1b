"""One data folder and the PostgreSQL server on it: make, launch, ask, halt.

What runs is found by connecting and reading ``data_directory``; a process id in
a file proves nothing. A data folder is whole or absent: it is made beside its
place, then renamed. Nothing here locks; callers hold the gate of ``embedded``.

Only the owner and root can connect: the server listens on no network, and its
socket is 0700 in a 0700 folder, the data folder itself. Where that path is too
long for a socket, the folder is a fresh one in /tmp, which the server notes in
its ``postmaster.pid``; others find it there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlpair.binaries import Account, Runner, account_for, major_version, runner
from sqlpair.errors import ConnectError

ROLE = "postgres"
PATIENCE = 120.0  # seconds to start, to stop, and to wait for one who does either
_NAME = "sqlpair"  # the server's cluster_name, by which we know what we started
_PORT = 5432  # no port at all, but the end of the socket's name
_SOCKET_LIMIT = 100  # bytes; the systems allow 103 (macOS) and 107 (Linux)
_SHORT = "/tmp/sqlpair-"  # noqa: S108 - a fresh 0700 folder, checked at each use


class Answer(NamedTuple):
    """What a server said: its process, and whether it was started by us."""

    pid: int
    ours: bool


def ask(data: Path) -> Answer | None:
    """The server on ``data`` if it accepts connections. Read only."""
    import psycopg2

    host = _socket_folder(data)
    if host is None:
        return None
    owner = data.stat().st_uid
    # After a reboot /tmp is empty, and anybody can make a folder of that name.
    if host != data and not _private(host, owner):
        return None
    try:
        connection = psycopg2.connect(dsn(data, "postgres"), connect_timeout=10)
    except psycopg2.OperationalError:
        return None
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('data_directory'), current_setting('cluster_name')"
        )
        row = cursor.fetchone()
        assert row is not None
        pid, uid = _peer(connection.fileno(), data)
    folder, name = Path(row[0]), row[1]
    if folder.exists() and folder.samefile(data):
        return Answer(pid, ours=name == _NAME and uid == owner and pid > 0)
    if host != data:
        return None  # a copy of a data folder whose server still runs
    raise ConnectError(
        f"the PostgreSQL that answers in {data} serves another folder",
        [f"its data_directory is {folder}", f"its process is {pid}"],
        f"It was moved while the server ran. Stop that server: kill -INT {pid}",
    )


def dsn(data: Path, database: str) -> str:
    """The libpq keywords that reach a server that runs; there is no password."""
    from psycopg2.extensions import make_dsn

    host = str(_socket_folder(data))
    return make_dsn(host=host, port=_PORT, user=ROLE, dbname=database)


def run_id(data: Path) -> str:
    """What tells this run of the server from every other: process and start."""
    lines = (data / "postmaster.pid").read_text().splitlines()
    return f"{lines[0]} {lines[2]}"


def binaries_of(data: Path) -> Path:
    """The programs of the server that runs, as it noted them when it started."""
    return Path((data / "postmaster.opts").read_text().split(' "')[0]).parent


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
    except PermissionError:
        raise ConnectError(
            f"{data} belongs to another user",
            [f"its owner is user id {data.stat().st_uid}, ours is {os.geteuid()}"],
            "Run this as its owner or as root, or move the folder away to begin anew.",
        ) from None


def _socket_folder(data: Path) -> Path | None:
    lines = _pid_file(data)
    return data / lines[4] if len(lines) > 4 and lines[4] else None


def _private(folder: Path, owner: int) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return found.st_uid == owner and found.st_mode == 0o040700


def _peer(descriptor: int, data: Path) -> tuple[int, int]:
    """Process and user id of who listens at the other end."""
    if sys.platform != "linux":
        return int(_pid_file(data)[0]), data.stat().st_uid
    # From the kernel. The process is 0 if it runs in another container.
    with socket.socket(fileno=os.dup(descriptor)) as end:
        found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("3i", found)
    return pid, uid


def launch(data: Path, binaries: Path, report: Callable[[str], None]) -> Answer:
    """Start a server on ``data``, which is made first if it is absent."""
    version = major_version(binaries)
    account = account_for(data)
    log = _fresh_log(data)
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not data.exists() or not any(data.iterdir()):
        report(f"Creating a PostgreSQL {version} database cluster in {data}")
        _make(data, binaries, account, log)
    _check_version(data, version)
    report(f"Starting PostgreSQL {version} in {data}")
    way = runner(account, binaries, data)
    options = _options(data, account)
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = _attempt(data, [binaries / "postgres", *options], way, log, deadline)
        if answer:
            return answer
        said = log.read_text(errors="replace")
        # A killed server's children take a moment to go.
        if "shared memory block" not in said or time.monotonic() > deadline:
            raise ConnectError(
                f"PostgreSQL did not start in {data}", said.splitlines()[-12:]
            )
        time.sleep(0.2)


def _attempt(
    data: Path, command: list[str | Path], way: Runner, log: Path, deadline: float
) -> Answer | None:
    """One process; None when it has ended, or has come to nothing in time."""
    # PostgreSQL does not start while the process that a killed server noted is
    # alive, though the system may have given its number to any other since. This
    # variable makes it overlook that one process. What guards the data from two
    # servers is the shared memory, which PostgreSQL checks all the same.
    noted = _pid_file(data)[:1]
    env = way.options["env"] | {"PG_GRANDPARENT_PID": "".join(noted) or "0"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*way.prefix, *command],
            # Its own session: Ctrl-C in our terminal is not for it.
            start_new_session=True,
            stdout=output,
            stderr=output,
            **way.options | {"env": env},
        )
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if answer := ask(data):
                process.returncode = 0  # it outlives us; Popen need not wait
                return answer
            time.sleep(0.02)
    finally:
        if process.returncode is None:
            process.terminate()
            process.wait()
    return None


def _options(data: Path, account: Account) -> list[str]:
    settings = {
        "listen_addresses": "",
        # Relative, so that no path needs quoting.
        "unix_socket_directories": ".",
        "unix_socket_permissions": "0700",
        "port": str(_PORT),
        "cluster_name": _NAME,
        # A deployment over several databases prepares its transactions.
        "max_prepared_transactions": "64",
        # Without it, the statement of a killed client runs on and keeps its locks.
        "client_connection_check_interval": "1s",
    }
    socket_path = os.fsencode(data / f".s.PGSQL.{_PORT}")
    # To libpq a comma separates hosts.
    if len(socket_path) > _SOCKET_LIMIT or b"," in socket_path:
        settings["unix_socket_directories"] = str(_short_folder(data, account))
    pairs = [("-c", f"{name}={value}") for name, value in settings.items()]
    return ["-D", str(data), *(word for pair in pairs for word in pair)]


def _short_folder(data: Path, account: Account) -> Path:
    """A private folder in /tmp: the one a killed server has left, or a new one."""
    left = _socket_folder(data)
    if left and str(left).startswith(_SHORT) and _private(left, account.uid):
        return left
    folder = Path(tempfile.mkdtemp(prefix=Path(_SHORT).name, dir=Path(_SHORT).parent))
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return folder


def _make(data: Path, binaries: Path, account: Account, log: Path) -> None:
    """Run initdb beside ``data`` and rename: what is named ``data`` is whole."""
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    try:
        os.chown(new, account.uid, account.gid, follow_symlinks=False)
        way = runner(account, binaries, new)
        # macOS has no C.UTF-8.
        locale = "C" if sys.platform == "darwin" else "C.UTF-8"
        with log.open("ab") as output:
            done = subprocess.run(
                [
                    *way.prefix,
                    *(binaries / "initdb", "-D", new, "-U", ROLE),
                    *("--encoding=UTF8", f"--locale={locale}", "--auth=trust"),
                    "--no-instructions",
                ],
                stdout=output,
                stderr=output,
                check=False,
                **way.options,
            )
        if done.returncode != 0:
            raise ConnectError(
                f"initdb could not make {data}",
                log.read_text(errors="replace").splitlines()[-12:],
            )
        new.rename(data)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_version(data: Path, version: str) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise ConnectError(
            f"{data} is no PostgreSQL data folder",
            ["it has no file PG_VERSION"],
            "Move it away, and a new one is made in its place.",
        ) from None
    if found != version:
        raise ConnectError(
            f"{data} is of PostgreSQL {found}, the programs are of {version}",
            ["one major version cannot read the data of another"],
            f"Name a folder with the programs of PostgreSQL {found}, or move the "
            "data\nfolder away, and a new one is made in its place.",
        )


def _fresh_log(data: Path) -> Path:
    """An empty log beside ``data``; the last run's is kept under another name."""
    log = data.with_name(f"{data.name}.log")
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))
    os.close(private_file(log))
    return log


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each of which belongs to whom its own does."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            parent = path.parent.stat()
            os.chown(path, parent.st_uid, parent.st_gid, follow_symlinks=False)


def private_file(path: Path) -> int:
    """Open a 0600 file, made if absent, that belongs to whom its folder belongs.

    So what root has made in a person's project does not lock that person out.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def create_database(data: Path, name: str) -> None:
    """Make the database if it is missing."""
    import psycopg2
    from psycopg2 import sql

    with contextlib.closing(psycopg2.connect(dsn(data, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not cursor.fetchone():
                statement = sql.SQL("CREATE DATABASE {}")
                cursor.execute(statement.format(sql.Identifier(name)))


def clients(data: Path) -> list[str]:
    """Whoever is connected, as they name themselves."""
    import psycopg2

    connection = psycopg2.connect(dsn(data, "postgres"))
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), 'a client') "
            "FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def halt(data: Path, answer: Answer, report: Callable[[str], None]) -> None:
    """Stop the server that gave ``answer``, and wait until it has gone."""
    report(f"Stopping PostgreSQL in {data}")
    host = _socket_folder(data)
    os.kill(answer.pid, signal.SIGINT)  # fast: sessions are ended, data is written
    deadline = time.monotonic() + PATIENCE
    while _pid_file(data):  # the last thing a server removes
        if time.monotonic() > deadline:
            raise ConnectError(
                f"PostgreSQL in {data} does not stop",
                [f"its process is {answer.pid}"],
                f"Look at {data}.log",
            )
        time.sleep(0.02)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(answer.pid, 0)
    if host and str(host).startswith(_SHORT):
        with contextlib.suppress(OSError):
            host.rmdir()
