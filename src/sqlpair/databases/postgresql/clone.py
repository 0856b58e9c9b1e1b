"""A copy of a PostgreSQL scratch database, and a database written out as SQL.

Both by PostgreSQL's own programs.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql import client_programs
from sqlpair.databases.postgresql.dump import dump
from sqlpair.databases.postgresql.scratch import NAME, noted, strategy
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.databases.postgresql.shared import made_by
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file

PATIENCE = 600  # seconds for one program over a scratch database


@contextmanager
def copied(
    session: PostgreSQLSession, report: Report, files: Sequence[Path] = ()
) -> Iterator[PostgreSQLSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    values = session.database.values
    texts = [values.shown(sql_file.lenient(path)) for path in files]
    roles = _roles(session)
    name = f"{NAME}{time.time():.0f}_{secrets.token_hex(4)}"
    quoted = identifier(name)
    (row,) = session.rows(
        "SELECT current_database()::text AS source, (SELECT setconfig FROM"
        " pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d"
        " ON d.oid = s.setdatabase WHERE d.datname = current_database()"
        " AND s.setrole = 0) AS settings"
    )
    session.execute(
        f"CREATE DATABASE {quoted} TEMPLATE template0{strategy(session.fetch)}"
    )
    parameters = session.parameters | {"dbname": name}
    here = session.database._replace(address="", parameters=parameters, embedded=None)
    try:
        for setting in row["settings"] or ():
            key, _, value = setting.partition("=")
            # A list is stored as SQL writes it.
            written = value if key == "search_path" else quote(value)
            session.execute(
                f"ALTER DATABASE {quoted} SET {identifier(key)} = {written}"
            )
        _restore(session, parameters)
        copy = connect(here, read_only=False, report=report)
        assert copy is not None
        copy.alone = True
        with closing(copy):
            session.execute(noted(name, made_by(texts) - roles))
            yield copy
    finally:
        # A server that is lost must not hide why; a leftover goes another time.
        with suppress(SqlpairError):
            session.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
            for role in made_by(texts) & _roles(session) - roles:
                with suppress(SqlpairError):  # another database grants it something
                    session.execute(f"DROP ROLE {identifier(role)}")


def _roles(session: PostgreSQLSession) -> set[str]:
    return {row[0] for row in session.fetch("SELECT rolname FROM pg_catalog.pg_roles")}


def _restore(session: PostgreSQLSession, parameters: dict[str, str]) -> None:
    database = session.database
    deadline = time.monotonic() + PATIENCE
    with temporary.folder() as folder:
        archive = folder / "copy.dump"
        dumped = dump(session, archive, deadline, lambda _done, _total: None)
        program = client_programs.find(
            "pg_restore", database, client_programs.major(dumped.tool)
        )
        where, environ = client_programs.conninfo(parameters)
        command = [program.path, "--no-password", f"--dbname={where}", archive]
        code, stderr = client_programs.run(database, command, environ, deadline)
        # A newer program names settings that an older server does not know.
        failed = re.findall(r"error: could not execute query: (.*)", stderr)
        known = all("unrecognized configuration parameter" in line for line in failed)
        if code != 0 and not (failed and known):
            raise client_programs.refused(database, program, stderr, environ)


def dumped(session: PostgreSQLSession, *options: str, newest: bool = False) -> str:
    """Return what ``pg_dump`` with these options writes as SQL."""
    database = session.database
    (row,) = session.rows("SHOW server_version")
    major = client_programs.major(row["server_version"])
    program = client_programs.find("pg_dump", database, major, newest=newest)
    where, environ = client_programs.conninfo(session.parameters)
    pieces: list[bytes] = []
    command = [
        *client_programs.pg_dump(program, database),
        *options,
        f"--dbname={where}",
    ]
    deadline = time.monotonic() + PATIENCE
    code, stderr = client_programs.run(
        database, command, environ, deadline, pieces.append
    )
    if code != 0:
        raise client_programs.not_dumped(session, program, stderr, environ)
    return b"".join(pieces).decode("utf-8", "replace")
