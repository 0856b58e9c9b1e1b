"""The PostgreSQL that tests run on: templates and copies of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

from sqlpair.databases.quoting import identifier, quote
from sqlpair.project.presence import exists
from sqlpair.testing.session import turn

if TYPE_CHECKING:
    from psycopg2.extensions import connection

PREFIX = "sqlpair_test_"
_NOTED = "servers"
STRATEGY_SINCE = 150_000
# Of a server that ends with the tests, no row has to survive a power failure.
FAST = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def started(folder: Path, binaries: Path | None) -> Iterator[str]:
    """Yield the URL of the session's own server, which its last process stops."""
    from sqlpair.databases import embedded

    with embedded.server(folder / "postgres", binaries=binaries) as server:
        with turn(folder, "fast"), _administered(server.url) as raw:
            for name in FAST:
                _run(raw, f"ALTER SYSTEM SET {name} = off")
            _run(raw, "SELECT pg_reload_conf()")
        yield server.url


def url_of(server: str, database: str) -> str:
    """Return the URL of a database on the server that ``server``, libpq's, names."""
    from psycopg2.extensions import parse_dsn

    told = parse_dsn(server)
    user = url_quote(told.pop("user", ""), safe="")
    password = told.pop("password", "")
    told.pop("dbname", None)
    given = f"{user}:{url_quote(password, safe='')}@" if password else f"{user}@"
    query = urlencode(told, quote_via=url_quote)
    return f"postgresql://{given}/{database}?{query}".removesuffix("?")


def template_name(folder: Path, key: str) -> str:
    """Return what a template of the session is called."""
    return f"{PREFIX}{folder.name.removeprefix('sqlpair-').replace('-', '_')}_{key}"


def create(server: str, name: str, template: str = "") -> None:
    """Make a database, a copy of ``template`` where that is named."""
    with _administered(server) as raw:
        _run(raw, f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
        sql = f"CREATE DATABASE {identifier(name)}"
        if template:
            sql += f" TEMPLATE {identifier(template)}"
        if raw.server_version >= STRATEGY_SINCE:
            sql += " STRATEGY file_copy"
        _run(raw, sql)


def close(server: str, name: str) -> None:
    """Let nobody connect to a template: it could not be copied meanwhile."""
    with _administered(server) as raw:
        _run(raw, f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS false")


def drop(server: str, name: str) -> None:
    """Drop a database, and end the connections to it."""
    with _administered(server) as raw:
        _run(raw, f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


def note(folder: Path, server: str) -> None:
    """Note that the session has templates on a server of the user's."""
    with (folder / _NOTED).open("a") as file:
        file.write(f"{server}\n")


def remove(folder: Path) -> None:
    """Remove all that the session has made."""
    noted = folder / _NOTED
    for server in {*noted.read_text().split("\n")} if exists(noted) else ():
        if server:
            _drop_templates(server, folder)
    shutil.rmtree(folder, ignore_errors=True)


def _drop_templates(server: str, folder: Path) -> None:
    """Drop the session's templates, where the server can still be reached."""
    from psycopg2 import Error

    begun = template_name(folder, "")
    with suppress(Error), _administered(server) as raw, raw.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_catalog.pg_database"
            f" WHERE starts_with(datname, {quote(begun)})"
        )
        for (name,) in cursor.fetchall():
            _run(raw, f"DROP DATABASE {identifier(name)} WITH (FORCE)")


def copy_name(number: int) -> str:
    """Return what the copy of that number in this process is called."""
    return f"{PREFIX}{os.getpid()}_{number}"


@contextmanager
def _administered(server: str) -> Iterator[connection]:
    import psycopg2

    with closing(psycopg2.connect(server)) as raw:
        raw.autocommit = True
        yield raw


def _run(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)
