"""A dump of a PostgreSQL database: an archive of ``pg_dump``, in its custom format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair import signals
from sqlpair.databases.interface import Dumped, Progress
from sqlpair.databases.postgresql import client_programs
from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.errors import BackupError, SqlpairError, several
from sqlpair.project.settings import Database

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession
    from sqlpair.project.settings import Database

DUMP_SUFFIX = ".dump"
SHOWN = 10
# In the order in which pg_dump writes their rows.
SIZES = (
    "SELECT c.oid::bigint AS oid, pg_catalog.pg_table_size(c.oid) AS size"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
    " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"'
)
COPYING = "sqlpair pg_dump"
PROGRESS_SINCE = 140000  # pg_stat_progress_copy


def refuse_schema(database: Database) -> None:
    """BackupError for a schema of a database: a restore would exchange the whole."""
    if database.search_path:
        raise BackupError(
            f"{database.name}: a schema is no database to back up by itself",
            ["a restore exchanges whole databases"],
            f"Back up the database of {database.variable} as a whole, for example with"
            " pg_dump.",
        )


def dump(
    session: PostgreSQLSession, target: Path, deadline: float, progress: Progress
) -> Dumped:
    """Write an archive of the database; see ``sqlpair.databases.interface.Driver``.

    It is of one snapshot. Readers and writers are not held up; DDL waits.
    """
    database = session.database
    refuse_schema(database)
    session.reconnect()
    (row,) = session.rows(
        "SELECT pg_catalog.current_setting('server_version') AS version,"
        " pg_catalog.pg_encoding_to_char(encoding) AS encoding"
        " FROM pg_catalog.pg_database WHERE datname = current_database()"
    )
    _refuse_hidden_rows(session)
    server = str(row["version"])
    program = client_programs.find("pg_dump", database, client_programs.major(server))
    name = f"{COPYING} {os.getpid()}"
    where, environ = client_programs.conninfo(
        session.parameters | {"application_name": name}
    )
    command = [
        *client_programs.pg_dump(program, database),
        "--format=custom",
        # Half the time of the level that is its own choice, and a tenth more bytes.
        "--compress=3",
        # The role's own client_encoding may lack some of the characters.
        f"--encoding={row['encoding']}",
        f"--dbname={where}",
    ]
    with target.open("wb") as file:
        tick = _watching(session, name, progress, file.tell)
        code, stderr = client_programs.run(
            database, command, environ, deadline, file.write, tick=tick
        )
    if code != 0:
        raise client_programs.not_dumped(session, program, stderr, environ)
    size = target.stat().st_size
    progress(size, size)
    return Dumped(server, program.version)


def _refuse_hidden_rows(session: PostgreSQLSession) -> None:
    """BackupError where row security may keep rows from this role."""
    found = session.rows(
        "SELECT c.oid::pg_catalog.regclass::text AS name FROM pg_catalog.pg_class c"
        " WHERE c.relkind = 'r' AND c.relrowsecurity"
        " AND pg_catalog.row_security_active(c.oid) ORDER BY 1"
    )
    if not found:
        return
    names = [row["name"] for row in found]
    raise BackupError(
        f"{session.database.name}: row security may hide rows from this role",
        [f"of {several(names, SHOWN)}"],
        "Connect as a role that has BYPASSRLS, or as the owner of these tables and"
        " without\nFORCE ROW LEVEL SECURITY on them.",
    )


def _watching(
    session: PostgreSQLSession,
    name: str,
    progress: Progress,
    written: Callable[[], int],
) -> Callable[[], None]:
    """Return what tells how far the pg_dump is that connects as ``name``.

    In bytes of the tables where the server tells them, else of the archive.
    """
    sizes = _sizes(session)
    starts = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
    total = sum(sizes.values())
    reached = 0

    def tick() -> None:
        nonlocal reached
        if not total:
            progress(written(), None)
            return
        with suppress(SqlpairError):  # it is progress only
            for row in session.rows(
                "SELECT p.relid::bigint AS oid, p.bytes_processed AS bytes"
                " FROM pg_catalog.pg_stat_progress_copy p"
                " JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid"
                " WHERE p.datname = current_database()"
                f" AND a.application_name = '{name}'"
            ):
                size = sizes.get(row["oid"], 0)
                here = starts.get(row["oid"], 0) + min(row["bytes"], size)
                reached = max(reached, here)
        progress(reached, total)

    return tick


def _sizes(session: PostgreSQLSession) -> dict[int, int]:
    """Return the bytes of each table; nothing where one is locked."""
    if session.raw.server_version < PROGRESS_SINCE:
        return {}
    with suppress(SqlpairError), session.snapshot():
        session.execute("SET LOCAL lock_timeout = '200ms'")
        return {row["oid"]: row["size"] for row in session.rows(SIZES)}
    return {}


def load(
    database: Database,
    parameters: Mapping[str, str],
    dump: Path,
    tool: str,
    deadline: float,
    progress: Progress,
    *options: str,
) -> None:
    """Fill the empty database at ``parameters`` from ``dump``, made by ``tool``.

    ``options`` are pg_restore's own.
    """
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
    size = dump.stat().st_size
    with dump.open("rb") as archive:
        code, stderr = client_programs.run(
            database,
            [*command, *options],
            environ,
            deadline,
            # It reads from the place of this very file, which moves with it.
            tick=lambda: progress(os.lseek(archive.fileno(), 0, os.SEEK_CUR), size),
            stdin=archive,
        )
    if code != 0 and not (odd and only_odd_setting(stderr)):
        raise client_programs.refused(database, program, stderr, environ)
    progress(size, size)


def only_odd_setting(stderr: str) -> bool:
    """Say whether all that failed is the setting that older servers do not know."""
    errors = [line for line in stderr.splitlines() if ": error: " in line]
    return (
        len(errors) == 1
        and "unrecognized configuration parameter" in errors[0]
        and '"transaction_timeout"' in errors[0]
    )
