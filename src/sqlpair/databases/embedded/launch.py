"""Make a data folder and start a server on it.

A data folder is whole or absent: it is made beside its place, then renamed. The
caller holds the gate.

Only the owner and root can connect: the server listens on no network, and its
socket is 0700 in a 0700 folder, which is the data folder itself. Where that path is
too long for a socket, the folder is a fresh one in /tmp. The server notes it in its
``postmaster.pid``, and there others find it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlpair.databases.embedded.cluster import (
    NAME,
    PATIENCE,
    PORT,
    ROLE,
    SHORT,
    ServerReply,
    ask,
    is_private,
    pid_file,
    socket_folder,
)
from sqlpair.databases.embedded.programs import (
    Account,
    ProgramRunner,
    account_for,
    major_version,
    runner,
)
from sqlpair.errors import ConnectError
from sqlpair.project.owner import make_file
from sqlpair.project.presence import exists

_SOCKET_LIMIT = 100  # bytes; the systems allow 103 (macOS) and 107 (Linux)
_REMNANT_PATIENCE = 20.0  # seconds that a killed server's children may take to go


def launch(data: Path, binaries: Path, report: Callable[[str], None]) -> ServerReply:
    """Start a server on ``data``, which is made first if it is absent."""
    version = major_version(binaries)
    absent = not exists(data) or not any(data.iterdir())
    if not absent:
        _check_version(data, version)
    account = account_for(data)
    log = _fresh_log(data)
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    doing = "Making and starting" if absent else "Starting"
    report(f"{doing} PostgreSQL {version} in {data}")
    if absent:
        _make(data, binaries, account, log)
    way = runner(account, binaries, data)
    command = [*way.prefix, str(binaries / "postgres"), *_options(data, account)]
    deadline = time.monotonic() + _REMNANT_PATIENCE
    while True:
        before = log.stat().st_size
        if answer := _attempt(data, command, way, log):
            return answer
        said = log.read_bytes()[before:].decode(errors="replace")
        if "shared memory block" not in said or time.monotonic() > deadline:
            raise ConnectError(
                f"PostgreSQL did not start in {data}",
                said.splitlines()[-12:],
                f"This is the end of {log}",
            )
        time.sleep(0.2)


def _attempt(
    data: Path, command: list[str], way: ProgramRunner, log: Path
) -> ServerReply | None:
    """One process; None when it has ended, or has come to nothing in time."""
    # PostgreSQL does not start while the process that a killed server has noted is
    # alive, though its number may be any other's by now. This variable makes it
    # overlook that one process. What guards the data from a second server is the
    # first one's shared memory, and that PostgreSQL looks for all the same.
    noted = "".join(pid_file(data)[:1])
    env = {"PG_GRANDPARENT_PID": noted if noted.isdigit() else "0"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            # Its own session: Ctrl-C in our terminal is not meant for it.
            start_new_session=True,
            stdout=output,
            stderr=output,
            **way.options | {"env": way.options["env"] | env},
        )
    deadline = time.monotonic() + PATIENCE
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if answer := ask(data):
                process.returncode = 0  # it outlives us: Popen is not to wait for it
                return answer
            time.sleep(0.02)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGQUIT)  # at once; nothing of ours is in it
            process.wait()
    return None


def _options(data: Path, account: Account) -> list[str]:
    settings = {
        "listen_addresses": "",
        # Relative, so that no path needs quoting.
        "unix_socket_directories": ".",
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "cluster_name": NAME,
        # A deployment over several databases prepares its transactions.
        "max_prepared_transactions": "64",
        # Without it, the statement of a killed client runs on and keeps its locks.
        "client_connection_check_interval": "1s",
    }
    socket_path = os.fsencode(data / f".s.PGSQL.{PORT}")
    # To libpq a comma separates hosts.
    if len(socket_path) > _SOCKET_LIMIT or b"," in socket_path:
        _remove_left_folder(data, account)
        settings["unix_socket_directories"] = str(_short_folder(account))
    pairs = [("-c", f"{name}={value}") for name, value in settings.items()]
    return ["-D", str(data), *(word for pair in pairs for word in pair)]


def _remove_left_folder(data: Path, account: Account) -> None:
    """Remove the socket folder that a killed server has left, if nobody uses it."""
    folder = socket_folder(data, pid_file(data))
    if folder is None or not str(folder).startswith(SHORT):
        return
    if not is_private(folder, account.uid):
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as end:
        # If the data was copied, it may be another server's.
        if end.connect_ex(str(folder / f".s.PGSQL.{PORT}")) != 0:
            shutil.rmtree(folder, ignore_errors=True)


def _short_folder(account: Account) -> Path:
    """A new private folder in /tmp.

    Always a new one: what the data folder names from its last run may by now be
    the folder of another server, if the data was copied.
    """
    folder = Path(tempfile.mkdtemp(prefix=Path(SHORT).name, dir=Path(SHORT).parent))
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
            ["there are files in it, but no PG_VERSION"],
            "Move it away, and a new one is made in its place.",
        ) from None
    if found != version:
        raise ConnectError(
            f"{data} is of PostgreSQL {found}, the programs are of {version}",
            ["one major version cannot read the data of another"],
            f"Set binaries, in alembic.ini, to a folder of PostgreSQL {found}, or move "
            "the\ndata folder away, and a new one is made in its place.",
        )


def _fresh_log(data: Path) -> Path:
    """An empty log beside ``data``; the last run's is kept under another name."""
    log = data.with_name(f"{data.name}.log")
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))
    make_file(log)
    return log
