"""A SQLAlchemy connection for Alembic, over a connection that stays the session's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def connection_over(name: str, raw: Callable[[], object], **address: Any) -> Connection:
    """Return a connection that uses what ``raw`` returns and ends no transaction.

    ``name`` is SQLAlchemy's of the dialect and driver.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.engine import URL
    from sqlalchemy.pool import StaticPool

    engine = create_engine(
        URL.create(name, **address),
        creator=raw,
        poolclass=StaticPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )
    connection = engine.connect()
    # Alembic then takes the transaction for its caller's and ends none.
    connection.begin()
    return connection
