"""What verify compares of a PostgreSQL database beside its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.interface import Dangling
from sqlpair.databases.postgresql.catalog import privileges as described_privileges
from sqlpair.databases.postgresql.catalog import qualified
from sqlpair.schema.model import Schema

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession


def own(session: PostgreSQLSession) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    return [qualified(session.table.schema, name) for name in session.table.names]


def properties(session: PostgreSQLSession, *, privileges: bool) -> Schema:
    """See ``sqlpair.databases.interface.Driver``."""
    if not privileges:
        return {}
    with session.snapshot():
        return described_privileges(session.fetch, session.table.ledger)


def dangling(session: PostgreSQLSession) -> Sequence[Dangling]:  # noqa: ARG001
    """Return nothing: PostgreSQL holds every reference."""
    return ()
