"""Whether two names stand for one database."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from sqlpair.errors import SettingsError
from sqlpair.project.database import Database


def refuse_shared(databases: Iterable[Database]) -> None:
    """Raise SettingsError where two names stand for one database."""
    seen: dict[tuple[object, ...], str] = {}
    for database in databases:
        if database.fleet is not None:
            continue
        target = (database.driver, location(database), database.embedded)
        if target in seen:
            raise one_and_the_same(seen[target], database)
        seen[target] = database.name


def one_and_the_same(other: str, database: Database) -> SettingsError:
    """Return the error of two names for one database."""
    return SettingsError(
        f"{other} and {database.name} are one and the same database",
        remedy=f"Give each its own variable and address ({database.variable}).",
    )


def location(database: Database, *, here: bool = True) -> tuple[object, ...]:
    """Return what is the same for each way to write the address of one database.

    A file that is ``here`` is known by its number: a hard link is another path to it.
    """
    if database.driver == "sqlite" and here:
        with suppress(OSError):
            found = os.stat(database.address)  # noqa: PTH116
            return found.st_dev, found.st_ino
    _, separator, rest = database.address.partition("://")
    if not separator:
        return (database.address,)
    host, slash, name = rest.rpartition("@")[2].partition("/")
    return (f"{host.removesuffix(':5432')}{slash}{name}",)
