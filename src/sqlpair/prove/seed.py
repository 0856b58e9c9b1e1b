"""The project's own rows for a proof: ``sql/<database>/seed.sql``.

It is tried above every migration, until it runs; its rows stay from there on. Tables
that it leaves empty, and those made later, get generated rows.
"""

from __future__ import annotations

from sqlpair.databases.interface import driver_of
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import SEED
from sqlpair.prove.lane import Lane


class Seed:
    """The project's own rows: ``seed.sql``, run once, at the first version it fits."""

    def __init__(self, branch: Branch):
        self._path = branch.database.sql / SEED
        self._split = driver_of(branch.database).split
        self._sown = False
        self._failure: SqlpairError | None = None

    def sow(self, lane: Lane) -> bool:
        """Try it, unless it has been run; say whether its rows are there."""
        if self._sown or not self._path.exists():
            return self._sown
        session = lane.session
        file = sql_file.read(self._path, self._split)
        session.begin()
        try:
            session.run(sql_file.statements(file), self._path)
            session.check()
            session.commit()
            self._sown = True
        except SqlpairError as error:
            session.rollback()
            self._failure = error
        return self._sown

    def problem(self) -> list[str]:
        """Say why it never ran."""
        if self._sown or self._failure is None:
            return []
        return [f"seed.sql fits no version, the last one neither: {self._failure}"]
