"""What verify compares of a SQLite database beside its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.interface import Dangling
from sqlpair.databases.sqlite import dangling as foreign_keys
from sqlpair.databases.sqlite.catalog import pragmas
from sqlpair.schema.model import Schema

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.session import SQLiteSession


def own(session: SQLiteSession) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    return session.table.names


def properties(session: SQLiteSession, *, privileges: bool) -> Schema:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``."""
    with session.guarded():
        return pragmas(session.fetch)


def dangling(session: SQLiteSession) -> Sequence[Dangling]:
    """See ``sqlpair.databases.interface.Driver``."""
    with session.guarded():
        return [*foreign_keys.dangling(session.fetch)]
