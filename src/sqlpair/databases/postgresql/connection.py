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
        return open_connection(self.database, self.dsn, self.parameters)


def parse_address(database: Database) -> tuple[str, dict[str, str]]:
    """Split the configured address into a libpq string and parameters over it.

    A password may hold ``@ : / # % ?``, percent-encoded or as it is: the user and
    password end at the last ``@`` that is not in a query. As with libpq, the
    address wins over the PG* variables.
    """
    scheme, separator, rest = database.address.partition("://")
    if not separator:
        told = _told(database, database.address) if database.address else {}
        return database.address, _unless_told(database, told)
    if scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise _no_address(database, [f"it starts with {scheme}://"])
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
        # Anything else that libpq says may quote a part of a password.
        known = re.search(r'invalid URI query parameter: "\w+"', str(error))
        raise _no_address(database, [known[0]] if known else []) from None
    return told


def _unless_told(database: Database, told: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in database.parameters.items()
        if key not in told and not (key == "hostaddr" and "host" in told)
    }


def _no_address(database: Database, evidence: list[str]) -> SettingsError:
    return SettingsError(
        f"{database.name}: {database.variable} is not a PostgreSQL address",
        evidence,
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
            _without_secrets(str(error), known).strip().splitlines(),
            f"Check {database.variable} and that the server is running.",
        ) from None
    raw.autocommit = True
    return raw


def _without_secrets(message: str, parameters: Mapping[str, str]) -> str:
    for key in ("password", "sslpassword"):
        if secret := parameters.get(key):
            message = message.replace(secret, "***")
    return message
