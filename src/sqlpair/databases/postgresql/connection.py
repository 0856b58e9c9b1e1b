"""Where a PostgreSQL database is, and a connection to it.

psycopg2 is kept in autocommit: what begins and ends a transaction is sent by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from sqlpair.databases.postgresql.connection_pool import pool_of
from sqlpair.errors import ConnectError, SettingsError

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from sqlpair.project.settings import Database


class Address(NamedTuple):
    """A libpq string, and parameters over it. Holds the password, so never shown."""

    database: Database
    dsn: str
    parameters: Mapping[str, str]

    def __repr__(self) -> str:
        """Name the database without its address."""
        return f"<Address of {self.database.name}>"

    def known(self) -> dict[str, str]:
        """Return what libpq is told, the password included."""
        told: dict[str, str] = parse_dsn(self.dsn) if self.dsn else {}
        return told | dict(self.parameters)

    def open(self) -> connection:
        """Connect; ConnectError without the password."""
        pool = pool_of(self.database)
        raw = pool.take(self._key) if pool else None
        return raw or open_connection(self.database, self.dsn, self.parameters)

    def close(self, raw: connection, *, as_new: bool = False) -> None:
        """Close a connection, or keep it for the next member of a fleet.

        It is ``as_new`` where nothing was done that outlives a transaction.
        """
        pool = pool_of(self.database)
        if pool is None or not pool.put(self._key, raw, as_new=as_new):
            raw.close()

    @property
    def _key(self) -> object:
        return self.dsn, *sorted(self.parameters.items())


def parse_address(database: Database) -> tuple[str, dict[str, str]]:
    """Split the configured address into a libpq string and parameters over it.

    A password may hold ``@ : / # % ?``, percent-encoded or as it is: the user and
    password end at the last ``@`` that is not in a query. As with libpq, the
    address wins over the PG* variables.
    """
    scheme = re.match(r"([\w+.-]+)://", database.address)
    if scheme is None:
        told = _told(database, database.address) if database.address else {}
        return database.address, _unless_told(database, told)
    if scheme[1].partition("+")[0] not in ("postgres", "postgresql"):
        raise _no_address(database)
    rest = database.address[scheme.end() :]
    query = _query(rest)
    userinfo, at, location = rest.removesuffix(query).rpartition("@")
    dsn = f"postgresql://{location}{query}"
    told = _told(database, dsn)
    given = {}
    if at:
        user, colon, password = userinfo.partition(":")
        if user:
            given["user"] = unquote(user)
        if colon:
            given["password"] = unquote(password)
    return dsn, _unless_told(database, told | given) | given


def _query(rest: str) -> str:
    """Return the ``?…`` that ends an address; a ``?`` may be in a password, too."""
    for start in (match.start() for match in re.finditer(r"\?", rest)):
        with suppress(psycopg2.ProgrammingError):
            parse_dsn(f"postgresql:///{rest[start:]}")
            return rest[start:]
    # One that libpq does not know is for libpq to refuse.
    end = rest.rpartition("@")[2]
    return end[end.index("?") :] if "?" in end else ""


def _told(database: Database, dsn: str) -> dict[str, str]:
    try:
        told: dict[str, str] = parse_dsn(dsn)
    except psycopg2.ProgrammingError as error:
        # What libpq quotes may be a part of a password, so only its own words.
        raise _no_address(database, str(error).partition('"')[0]) from None
    ports = told.get("port", "").split(",")
    if not all(re.fullmatch(r"\d{0,5}", port) for port in ports):
        # An address without a host has its password there.
        raise _no_address(database, "the port is not a number")
    return told


def _unless_told(database: Database, told: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in database.parameters.items()
        if key not in told and not (key == "hostaddr" and "host" in told)
    }


def _no_address(database: Database, why: str = "") -> SettingsError:
    return SettingsError(
        f"{database.name}: {database.variable} is not a PostgreSQL address",
        [why.strip(" :\n")] if why else [],
        "It looks like postgresql://user:password@host:5432/database",
    )


def open_connection(
    database: Database, dsn: str, parameters: Mapping[str, str]
) -> connection:
    """Open a psycopg2 connection in autocommit; ConnectError without the password."""
    defaults = {"application_name": "sqlpair", "client_encoding": "utf8"}
    known = (_told(database, dsn) if dsn else {}) | dict(parameters)
    if "connect_timeout" not in known and "PGCONNECT_TIMEOUT" not in os.environ:
        defaults["connect_timeout"] = "10"
    try:
        raw = psycopg2.connect(make_dsn(dsn, **(defaults | dict(parameters))))
    except psycopg2.Error as error:
        raise ConnectError(
            f"{database.name}: cannot connect to PostgreSQL",
            [line.strip() for line in _without_secrets(error, known, dsn)],
            f"Check {database.variable} and that the server is running.",
        ) from None
    raw.autocommit = True
    return raw


# A name, a path or an IP address; anything else may be an address that went wrong.
_PLAIN = re.compile(r"[\w.-]*|/[^@:]*|[0-9A-Fa-f:.]+(%\w+)?")
_INVALID = re.compile(
    r'(invalid [\w ]+:? )".*"(?= for connection option|\s*$)', re.DOTALL
)


def _without_secrets(
    error: psycopg2.Error, parameters: Mapping[str, str], dsn: str
) -> list[str]:
    """Return what libpq says, by line, without what is a password, or could be.

    Where an address is malformed, a password is taken for a port, a user or a host; in
    the environment and in service files, too.
    """
    message = str(error).strip()
    for key, value in parameters.items():
        if key in ("password", "sslpassword") or not _PLAIN.fullmatch(value):
            message = message.replace(value, "***") if value else message
    message = _INVALID.sub(r'\1"***"', message)
    if "password" in parameters and "://" in dsn:
        # The password may have an @, and there is no host behind it.
        message = re.sub(r'(translate host name )"[^"]*"', r'\1"***"', message)
    return re.sub(
        r'"([^"]*)"', lambda m: m[0] if _PLAIN.fullmatch(m[1]) else '"***"', message
    ).splitlines()
