"""How the tables that record migrations are written in an engine's SQL."""

from __future__ import annotations

from typing import NamedTuple

from sqlpair.project.ledger_tables import BookkeepingTables


class BookkeepingSQL(NamedTuple):
    """How an engine's bookkeeping tables are written in SQL.

    ``names`` are what the tables are called, ``key`` is the type of an auto-numbered
    primary key, ``now`` an expression for the present moment in UTC, ``schema`` where
    the tables are, ``prefix`` what qualifies their names (a migration can move
    neither), ``add_column`` what adds a column that may be there already (nothing where
    the engine cannot), and ``join`` the aggregate that joins texts.
    """

    names: BookkeepingTables
    key: str
    timestamp: str
    now: str
    schema: str
    prefix: str
    add_column: str
    join: str

    @property
    def ledger(self) -> str:
        """The ledger, qualified, as are the next three."""
        return self.prefix + self.names.ledger

    @property
    def history(self) -> str:
        return self.prefix + self.names.history

    @property
    def repeatable(self) -> str:
        return self.prefix + self.names.repeatable

    @property
    def version(self) -> str:
        return self.prefix + self.names.version
