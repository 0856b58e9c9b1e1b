"""A dump of a PostgreSQL database: an archive of ``pg_dump``, in its custom format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.drivers import Dumped, Progress
from sqlpair.drivers.postgresql import client

if TYPE_CHECKING:
    from sqlpair.drivers.postgresql.session import PostgreSQLSession
    from sqlpair.settings import Database

DUMP_SUFFIX = ".dump"


def dump(
    session: PostgreSQLSession, target: Path, deadline: float, progress: Progress
) -> Dumped:
    """Write an archive of the database; see ``sqlpair.drivers.Driver``.

    It is of one snapshot. Readers and writers are not held up; DDL waits.
    """
    database = session.database
    server = session.rows("SHOW server_version")[0]["server_version"]
    program = client.find("pg_dump", database, client.major(server))
    where, environ = client.conninfo(session.parameters)
    command = [program.path, "--format=custom", "--no-password", f"--dbname={where}"]
    with target.open("wb") as file:

        def write(chunk: bytes) -> None:
            file.write(chunk)
            progress(file.tell(), None)

        code, stderr = client.run(database, command, environ, deadline, write)
    if code != 0:
        raise client.refused(database, program, stderr, environ)
    return Dumped(server, program.version)


def check_dump(database: Database, dump: Path, tool: str, deadline: float) -> None:
    """Let ``pg_restore`` read the archive's table of contents."""
    program = client.find("pg_restore", database, client.major(tool))
    code, stderr = client.run(
        database, [program.path, "--list", dump], {"LC_ALL": "C"}, deadline
    )
    if code != 0:
        raise client.refused(database, program, stderr, {})
