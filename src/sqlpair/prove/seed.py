"""The project's own rows for prove: ``sql/<database>/seed.sql``.

Its statements run in their order, each above the first version at which it runs. Tables
that are empty afterwards get generated rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from sqlpair import signals
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Session
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import SEED
from sqlpair.project.presence import exists
from sqlpair.project.statement import Statement


class Seed:
    """The statements of ``seed.sql``, and how many of them have run."""

    def __init__(self, branch: Branch):
        self.path = branch.database.sql / SEED
        self.exists = exists(self.path)
        self._pending: tuple[Statement, ...] = ()
        if self.exists:
            file = sql_file.read(self.path, driver_of(branch.database).split)
            self._pending = tuple(sql_file.statements(file))
        self._failure: SqlpairError | None = None

    def copy(self) -> Seed:
        """One that goes on from here in another database."""
        return copy(self)

    def run(self, session: Session) -> None:
        """Run what runs at this version: all that is left, or up to the first failure.

        All together first: a deferred constraint may need several statements.
        """
        left = self._pending
        if left and self._try(session, left):
            left = ()
        while left and self._try(session, left[:1]):
            left = left[1:]
        self._pending = left

    def problems(self) -> list[str]:
        """Say why it has not run to its end."""
        if not self._pending or self._failure is None:
            return []
        return [f"not all of it runs, even at the last version: {self._failure}"]

    def _try(self, session: Session, statements: Sequence[Statement]) -> bool:
        signals.raise_unwanted()
        try:
            session.begin()
            session.run(statements, self.path)
            session.check()
            session.commit()
        except SqlpairError as error:
            session.rollback()
            self._failure = error
            return False
        return True
