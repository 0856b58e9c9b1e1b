"""A server that runs: ask it, use it, halt it.

Whether one runs is found by connecting and reading ``data_directory``. A process
id in a file proves nothing; the one to signal comes from the kernel.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import ConnectError
from sqlpair.project.presence import exists

PATIENCE = 120.0  # seconds to start, to stop, and to wait for one who does either
ROLE = "postgres"
_MAINTENANCE = "postgres"  # the database that is always there
PORT = 5432  # no port at all, but the end of the socket's name
NAME = "sqlpair"  # the server's cluster_name, by which we know what we started
SHORT = "/tmp/sqlpair-"  # noqa: S108 - a fresh 0700 folder, checked at each use


class ServerReply(NamedTuple):
    """What a server said of itself.

    ``run`` tells this run of it from every other; ``ours``: we may stop it.
    """

    host: Path
    pid: int
    run: bytes
    binaries: Path
    ours: bool

    def dsn(self, database: str) -> str:
        """The libpq keywords that reach it; there is no password."""
        return _dsn(self.host, database)


def ask(data: Path) -> ServerReply | None:
    """The server on ``data`` if it accepts connections. Read only."""
    if not exists(data):
        return None
    owner = data.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise ConnectError(
            f"{data} belongs to another user",
            [f"its owner is user id {owner}, ours is {os.geteuid()}"],
            "Run this as its owner or as root, or move the folder away to begin again.",
        )
    noted = pid_file(data)
    host = socket_folder(data, noted)
    if host is None:
        return None
    # After a reboot /tmp is empty, and anybody can make a folder of that name.
    if host != data and not is_private(host, owner):
        return None
    said = _converse(data, host)
    if said is None:
        return None
    folder, name, pid, uid = said
    if exists(folder) and folder.samefile(data):
        # "/path/to/postgres "-D" "/path/to/data" ..."
        command = (data / "postmaster.opts").read_text(errors="replace")
        return ServerReply(
            host,
            pid,
            run=f"{noted[0]} {noted[2]}".encode(),
            binaries=Path(command.split(' "')[0]).parent,
            ours=name == NAME and uid == owner and pid > 0,
        )
    if host != data:
        return None  # this is a copy of a data folder whose server still runs
    raise ConnectError(
        f"the PostgreSQL that answers in {data} serves another folder",
        [f"its data_directory is {folder}", f"its process is {pid}"],
        f"The folder was moved while the server ran. Stop that server: kill -INT {pid}",
    )


def _converse(data: Path, host: Path) -> tuple[Path, str, int, int] | None:
    """Connect, and learn the server's folder, name, process and user id."""
    import psycopg2

    try:
        connection = psycopg2.connect(_dsn(host, _MAINTENANCE), connect_timeout=10)
    except psycopg2.OperationalError as error:
        said = str(error)
        # Nobody listens; or a server does that is starting or stopping.
        if "FATAL" not in said or "the database system is" in said:
            return None
        raise ConnectError(
            f"the PostgreSQL in {data} runs, and refuses a connection",
            said.splitlines(),
        ) from None
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('data_directory'), current_setting('cluster_name')"
        )
        row = cursor.fetchone()
        assert row is not None
        pid, uid = _peer(connection.fileno(), data)
    return Path(row[0]), row[1], pid, uid


def _peer(descriptor: int, data: Path) -> tuple[int, int]:
    """Process and user id of who listens at the other end."""
    if sys.platform != "linux":
        return int(pid_file(data)[0]), data.stat().st_uid
    # The process is 0 if it runs in another container.
    with socket.socket(fileno=os.dup(descriptor)) as end:
        found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("3i", found)
    return pid, uid


def _dsn(host: Path, database: str) -> str:
    from psycopg2.extensions import make_dsn

    return make_dsn(host=str(host), port=PORT, user=ROLE, dbname=database)


def pid_file(data: Path) -> list[str]:
    """What a server has noted of itself: process, ..., start, port, socket."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def socket_folder(data: Path, noted: list[str]) -> Path | None:
    """Where the server put its socket, if it has come so far."""
    return data / noted[4] if len(noted) > 4 and noted[4] else None


def is_private(folder: Path, owner: int) -> bool:
    """Whether this is a folder, of this owner, closed to everybody else."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    closed = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return closed and found.st_uid == owner


def create_database(answer: ServerReply, name: str) -> None:
    """Make the database if it is missing."""
    import psycopg2
    from psycopg2 import sql

    with contextlib.closing(psycopg2.connect(answer.dsn(_MAINTENANCE))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not cursor.fetchone():
                statement = sql.SQL("CREATE DATABASE {}")
                cursor.execute(statement.format(sql.Identifier(name)))


def clients(answer: ServerReply) -> list[str]:
    """The clients that are connected, as they name themselves."""
    import psycopg2

    connection = psycopg2.connect(answer.dsn(_MAINTENANCE))
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), 'a client') "
            "FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def halt(data: Path, answer: ServerReply) -> None:
    """Stop the server that gave ``answer``, and wait until it has gone."""
    os.kill(answer.pid, signal.SIGINT)  # fast: sessions are ended, data is written
    deadline = time.monotonic() + PATIENCE
    while pid_file(data):  # the last thing a server removes
        if time.monotonic() > deadline:
            raise ConnectError(
                f"PostgreSQL in {data} does not stop",
                [f"its process is {answer.pid}"],
                f"Look into {data}.log",
            )
        time.sleep(0.02)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(answer.pid, 0)
    if str(answer.host).startswith(SHORT):
        with contextlib.suppress(OSError):
            answer.host.rmdir()
