"""Databases that sqlpair makes on a PostgreSQL server for itself, and drops again.

By the second when one was made, its name tells what a killed process has left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg2

from sqlpair.databases.postgresql.connection import open_connection
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import ConnectError, SqlpairError
from sqlpair.project.settings import Database

Execute = Callable[[str], list[tuple[Any, ...]]]

_NAME = "sqlpair_scratch_"
_STALE = 600  # seconds after which one that nobody is connected to is a leftover
_YOUNG = 30  # within which its maker connects


@contextmanager
def maintenance(database: Database, dsn: str) -> Iterator[Execute]:
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


def strategy(execute: Execute) -> str:
    """Let a server copy files where it waits for no disk; 14 cannot be told to.

    Elsewhere two checkpoints, for which copying waits, take longer than the log.
    """
    known = "current_setting('server_version_num')::int >= 150000"
    ((quicker,),) = execute(f"SELECT {known} AND current_setting('fsync') = 'off'")
    return " STRATEGY file_copy" if quicker else ""


def new_name() -> str:
    """Return a name for a database that is dropped in the end."""
    return f"{_NAME}{time.time():.0f}_{os.urandom(4).hex()}"


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
