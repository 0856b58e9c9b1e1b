"""A copy of a PostgreSQL scratch database, and a database written out as SQL.

Both by PostgreSQL's own programs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlpair.databases import temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql import client_programs, create_like
from sqlpair.databases.postgresql.catalog_kept import KeptCatalog
from sqlpair.databases.postgresql.dump import dump, load
from sqlpair.databases.postgresql.empty_databases import EmptyDatabases
from sqlpair.databases.postgresql.maintenance import noted, roles
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.databases.postgresql.shared import made_by
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
    (row,) = session.rows("SELECT current_database()::text AS source")
    made = made_by(texts) - before
    if session.empty_database is None:
        session.empty_database = EmptyDatabases(session).one
    with temporary.folder() as folder:
        archive = folder / "copy.dump"
        deadline = time.monotonic() + PATIENCE
        tool = dump(session, archive, deadline, _unseen).tool
        with session.empty_database(made) as name:
            parameters = session.parameters | {"dbname": name}
            for statement in create_like.settings(session.rows, row["source"], name):
                session.execute(statement)
            load(session.database, parameters, archive, tool, deadline, _unseen)
            archive.unlink()
            here = session.database._replace(
                address="", parameters=parameters, embedded=None
            )
            copy = connect(here, read_only=False, report=report)
            assert copy is not None
            copy.alone = True
            copy.catalog = KeptCatalog().catalog  # it is described after each step
            with closing(copy):
                session.execute(noted(name, made))
                yield copy


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
