"""A dump of a PostgreSQL database: an archive of ``pg_dump``, in its custom format."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair import signals
from sqlpair.databases.interface import Dumped, Progress
from sqlpair.databases.postgresql import client_programs
from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.queries import Queries

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession
    from sqlpair.project.settings import Database

DUMP_SUFFIX = ".dump"


def dump(
    session: PostgreSQLSession, target: Path, deadline: float, progress: Progress
) -> Dumped:
    """Write an archive of the database; see ``sqlpair.databases.interface.Driver``.

    It is of one snapshot. Readers and writers are not held up; DDL waits.
    """
    database = session.database
    server = session.rows("SHOW server_version")[0]["server_version"]
    program = client_programs.find("pg_dump", database, client_programs.major(server))
    where, environ = client_programs.conninfo(session.parameters)
    command = [
        *client_programs.pg_dump(program, database),
        "--format=custom",
        f"--dbname={where}",
    ]
    with target.open("wb") as file:

        def write(chunk: bytes) -> None:
            file.write(chunk)
            progress(file.tell(), None)

        code, stderr = client_programs.run(database, command, environ, deadline, write)
    if code != 0:
        raise client_programs.not_dumped(session, program, stderr, environ)
    return Dumped(server, program.version)


def check_dump(database: Database, dump: Path, tool: str, deadline: float) -> None:
    """Let ``pg_restore`` read the archive's table of contents."""
    program = client_programs.find("pg_restore", database, client_programs.major(tool))
    code, stderr = client_programs.run(
        database, [program.path, "--list", dump], {"LC_ALL": "C"}, deadline
    )
    if code != 0:
        raise client_programs.refused(database, program, stderr, {})


def load(
    database: Database,
    parameters: Mapping[str, str],
    dump: Path,
    tool: str,
    deadline: float,
    progress: Progress,
) -> None:
    """Fill the empty database at ``parameters`` from ``dump``, made by ``tool``."""
    copy = Queries(Address(database, "", parameters), read_only=False)
    with closing(copy.raw), signals.cancelling(copy.raw.cancel):
        server = client_programs.major(
            copy.rows("SHOW server_version")[0]["server_version"]
        )
        program = client_programs.find(
            "pg_restore", database, max(server, client_programs.major(tool))
        )
        where, environ = client_programs.conninfo(parameters)
        command: list[object] = [program.path, "--no-password", f"--dbname={where}"]
        # From 17 on it begins with a setting that older servers do not know.
        odd = program.major >= 17 > server
        if not odd:
            command.append("--exit-on-error")
        progress(0, None)
        code, stderr = client_programs.run(
            database, [*command, dump], environ, deadline
        )
        if code != 0 and not (odd and only_odd_setting(stderr)):
            raise client_programs.refused(database, program, stderr, environ)
        progress(dump.stat().st_size, None)
        # What the planner knows of the data does not come with them.
        left = max(1, round((deadline - time.monotonic()) * 1000))
        copy.execute(f"SET statement_timeout = {left}")
        copy.execute("ANALYZE")


def only_odd_setting(stderr: str) -> bool:
    """Say whether all that failed is the setting that older servers do not know."""
    errors = [line for line in stderr.splitlines() if ": error: " in line]
    return (
        len(errors) == 1
        and "unrecognized configuration parameter" in errors[0]
        and '"transaction_timeout"' in errors[0]
    )
