"""A copy of a PostgreSQL scratch database, and a database written out as SQL.

Both by PostgreSQL's own programs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql import client_programs, create_like
from sqlpair.databases.postgresql.catalog_kept import KeptCatalog
from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.dump import dump, load
from sqlpair.databases.postgresql.maintenance import (
    drop,
    new_name,
    noted,
    roles,
    strategy,
)
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.databases.postgresql.shared import made_by
from sqlpair.databases.quoting import identifier
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
    before = roles(session.fetch)
    name = new_name()
    (row,) = session.rows("SELECT current_database()::text AS source")
    session.execute(
        f"CREATE DATABASE {identifier(name)} TEMPLATE template0"
        f"{strategy(session.fetch)}"
    )
    parameters = session.parameters | {"dbname": name}
    here = session.database._replace(address="", parameters=parameters, embedded=None)
    try:
        for statement in create_like.settings(session.rows, row["source"], name):
            session.execute(statement)
        _restore(session, parameters)
        copy = connect(here, read_only=False, report=report)
        assert copy is not None
        copy.alone = True
        copy.catalog = KeptCatalog().catalog  # it is described after each step
        with closing(copy):
            session.execute(noted(name, made_by(texts) - before))
            yield copy
    finally:
        # A server that is lost must not hide why; a leftover goes another time.
        with suppress(SqlpairError):
            # Not the session: the next migration may be running in it.
            dropping = Queries(
                Address(session.database, "", session.parameters), read_only=False
            )
            with closing(dropping.raw):
                drop(dropping.fetch, name, made_by(texts) - before, "WITH (FORCE)")


def _restore(session: PostgreSQLSession, parameters: dict[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE
    with temporary.folder() as folder:
        archive = folder / "copy.dump"
        made = dump(session, archive, deadline, _unseen)
        load(session.database, parameters, archive, made.tool, deadline, _unseen)


def _unseen(_done: int, _total: int | None) -> None:
    """Nobody waits for a copy alone: the whole trial is what is shown."""


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
