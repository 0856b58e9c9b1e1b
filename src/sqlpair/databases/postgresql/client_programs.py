"""PostgreSQL's own programs, ``pg_dump`` and ``pg_restore``, run against a database.

They are told where to connect as libpq is told everywhere else, so sockets,
services, password files and several hosts work. A password is handed over in the
environment, never in the arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from psycopg2.extensions import make_dsn

from sqlpair import signals
from sqlpair.databases.embedded.programs import places
from sqlpair.errors import BackupError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession
    from sqlpair.project.settings import Database

SECRETS = frozenset({"password", "sslpassword"})
CHUNK = 1 << 20
SHOWN = 10
TICK = 0.25  # seconds between two calls of ``tick``


class Program(NamedTuple):
    """A program and what it says of itself, e.g. ``pg_dump (PostgreSQL) 18.1``."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The major version."""
        return major(self.version)


def major(version: str) -> int:
    """Return the major version in ``15.18 (Debian 15.18-0+deb12u1)`` and the like."""
    found = re.search(r"\b(\d+)(?:\.|devel|beta|rc)", version)
    return int(found[1]) if found else 0


def find(
    name: str, database: Database, at_least: int, *, newest: bool = False
) -> Program:
    """Return the program ``name`` whose version is the lowest that will do.

    An older one refuses a newer server; a newer one writes what an older server may
    not read back. ``newest`` takes the highest instead.
    """
    seen: list[Program] = []
    for program in programs(name, database):
        seen.append(program)
        if program.major == at_least and not newest:
            return program  # no other is lower: to ask one takes as long as a query
    fitting = [program for program in seen if program.major >= at_least]
    if not fitting:
        there = [f"{program.path} is {program.version}" for program in seen]
        raise BackupError(
            f"{database.name}: no {name} of PostgreSQL {at_least} or newer was found",
            there or [f"there is no {name} on this machine"],
            f"Install postgresql-client-{at_least}, or set binaries in the section"
            f" [{database.name}] of alembic.ini to the folder that holds it.",
        )
    choose = max if newest else min
    return choose(fitting, key=lambda program: program.major)


def programs(name: str, database: Database) -> Iterator[Program]:
    """Yield each program ``name`` of this machine that runs; the PATH's is the last."""
    if database.binaries is not None:
        paths = [database.binaries / name]
    else:
        paths = [folder / name for folder in places()]
        if found := shutil.which(name):
            paths.append(Path(found))
    for path in dict.fromkeys(paths):
        if os.access(path, os.X_OK) and (
            version := _version(path, path.stat().st_mtime_ns)
        ):
            yield Program(path, version)


@lru_cache
def _version(path: Path, _changed: int) -> str:
    """Return what the program says of its version; nothing where it does not run.

    Debian's wrapper is there without any psql or pg_dump behind it.
    """
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False
        )
    except OSError:  # of another kind of machine
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def conninfo(parameters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return a connection string without secrets, and the environment with them."""
    known = {key: value for key, value in parameters.items() if key not in SECRETS}
    secret = parameters.get("password")
    # Messages are read by this program's users, and partly by itself.
    environ = {"LC_ALL": "C", "PGAPPNAME": "sqlpair"}
    return make_dsn("", **known), environ | ({"PGPASSWORD": secret} if secret else {})


def run(
    database: Database,
    command: Sequence[object],
    environ: Mapping[str, str],
    deadline: float,
    take: Callable[[bytes], object] | None = None,
    *,
    tick: Callable[[], object] = lambda: None,
    stdin: IO[bytes] | None = None,
) -> tuple[int, str]:
    """Run ``command``, hand its output to ``take``; return exit code and stderr.

    ``tick`` is called again and again while it runs. However this ends, the program
    has ended too. Its output comes through a pipe, so that a pg_dump whose parent was
    killed ends at its next write.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environ},
        )
        assert process.stdout is not None
        try:
            for chunk in _read(process.stdout, deadline, tick):
                if take is not None:
                    take(chunk)
            code = process.wait(max(deadline - time.monotonic(), 0))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise BackupError(
                f"{database.name}: {Path(str(command[0])).name} did not end in time",
                ["it was stopped at the deadline"],
                "See what it waits for, or raise backup_timeout in alembic.ini.",
            ) from None
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        errors.seek(0)
        return code, errors.read().decode("utf-8", "replace")


def _read(
    pipe: IO[bytes], deadline: float, tick: Callable[[], object]
) -> Iterator[bytes]:
    due = 0.0
    while True:
        signals.raise_unwanted()
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError
        if now >= due:
            tick()
            due = now + TICK
        if select.select([pipe], [], [], min(TICK, deadline - now))[0]:
            chunk = os.read(pipe.fileno(), CHUNK)
            if not chunk:
                return
            yield chunk


def pg_dump(program: Program, database: Database) -> list[object]:
    """Return how a dump begins: it asks for no password, and waits for no lock long."""
    limit = f"--lock-wait-timeout={database.lock_timeout * 1000:.0f}"
    return [program.path, "--no-password", limit]


def not_dumped(
    session: PostgreSQLSession,
    program: Program,
    stderr: str,
    environ: Mapping[str, str],
) -> BackupError:
    """Return the error for a dump that failed, with who kept it from reading."""
    error = refused(session.database, program, stderr, environ)
    if "LOCK TABLE" in stderr:
        error.add(*session.readers_blocked_by())
    return error


def refused(
    database: Database, program: Program, stderr: str, environ: Mapping[str, str]
) -> BackupError:
    """Return the error for a program that failed, with what it said."""
    # "Command was: ..." repeats a statement, which may hold anything.
    said = [
        line
        for line in stderr.splitlines()
        if re.match(rf"{program.path.name}: (error|detail|hint)|(DETAIL|HINT):", line)
    ] or stderr.splitlines()
    password = environ.get("PGPASSWORD")
    if password:
        said = [line.replace(password, "***") for line in said]
    return BackupError(
        f"{database.name}: {program.path.name} failed",
        [*said[:SHOWN], f"it is {program.version}"],
    )
