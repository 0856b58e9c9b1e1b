"""Where a PostgreSQL database is, and a connection to it.

psycopg2 is kept in autocommit: what begins and ends a transaction is sent by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from sqlpair.errors import ConnectError, SettingsError

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from sqlpair.settings import Database


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
        return open_connection(self.database, self.dsn, self.parameters)


def parse_address(database: Database) -> tuple[str, dict[str, str]]:
    """Split the configured address into a libpq string and parameters over it.

    A password may hold ``@ : / # %``, percent-encoded or as it is: the user and
    password end at the last ``@`` before any ``?``.
    """
    parameters = dict(database.parameters)
    scheme, separator, rest = database.address.partition("://")
    if not separator:
        return database.address, parameters
    if scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise SettingsError(
            f"{database.name}: {database.variable} is not a PostgreSQL address",
            [f"it starts with {scheme}://"],
            "It looks like postgresql://user:password@host:5432/database",
        )
    head, question, query = rest.partition("?")
    userinfo, at, location = head.rpartition("@")
    if at:
        user, colon, password = userinfo.partition(":")
        if user:
            parameters["user"] = unquote(user)
        if colon:
            parameters["password"] = unquote(password)
    return f"postgresql://{location}{question}{query}", parameters


def open_connection(
    database: Database, dsn: str, parameters: Mapping[str, str]
) -> connection:
    """Open a psycopg2 connection in autocommit; ConnectError without the password."""
    defaults = {"application_name": "sqlpair", "client_encoding": "utf8"}
    try:
        known = parse_dsn(dsn) | dict(parameters) if dsn else dict(parameters)
        if "connect_timeout" not in known:
            defaults["connect_timeout"] = "10"
        raw = psycopg2.connect(make_dsn(dsn, **(defaults | dict(parameters))))
    except psycopg2.Error as error:
        raise ConnectError(
            f"{database.name}: cannot connect to PostgreSQL",
            _without_secrets(str(error), parameters).strip().splitlines(),
            f"Check {database.variable} and that the server is running.",
        ) from None
    raw.autocommit = True
    return raw


def _without_secrets(message: str, parameters: Mapping[str, str]) -> str:
    password = parameters.get("password")
    return message.replace(password, "***") if password else message
