"""SQLite files as the members of a fleet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.members import MemberAddress, Rows
from sqlpair.errors import SettingsError
from sqlpair.project.database import sqlite_file
from sqlpair.project.fleet import BESIDE

if TYPE_CHECKING:
    from sqlpair.databases.interface import Report
    from sqlpair.project.settings import Database


def member(database: Database, address: str, root: Path) -> MemberAddress:
    """See ``sqlpair.databases.interface.Driver``."""
    scheme, separator, rest = address.partition("://")
    host = ""
    if separator and scheme == "sqlite" and not rest.startswith("/"):
        # sqlite://node1//srv/app.db: what reaches the file is a worker on that host.
        host, _, path = rest.partition("/")
        address = f"sqlite:///{path}"
    path = str(sqlite_file(root, database.name, address))
    if BESIDE.search(path):
        raise SettingsError(
            f"{database.name}: what is put beside a SQLite database is no member",
            [f"{database.variable}: {path}"],
            "Take it out of the list.",
        )
    inside = os.path.relpath(path, root)
    name = path if inside.startswith("..") else inside
    return MemberAddress(name, f"{host}:{path}" if host else path, path, host)


def is_there(database: Database) -> bool:
    """See ``sqlpair.databases.interface.Driver``."""
    try:
        os.stat(database.address)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return True


def schemas(rows: Rows) -> Sequence[str]:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``."""
    return ()


def new_schema(database: Database, report: Report) -> AbstractContextManager[None]:
    """See ``sqlpair.databases.interface.Driver``."""
    raise NotImplementedError
