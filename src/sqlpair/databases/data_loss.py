"""What a driver counts of the rows that a downgrade would lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

SAVEPOINT = "sqlpair_before_downgrade"


class CountedTable(NamedTuple):
    """A table as it stands.

    ``identity`` survives a rename, ``columns`` maps what survives a column's rename
    to its name. ``empty`` is False where that is not known for sure.
    """

    name: str
    identity: int
    columns: Mapping[int, str]
    empty: bool


class Missing(NamedTuple):
    """Rows of a table that are missing, or values of its ``column``."""

    table: str
    column: str
    number: int


class Touched(NamedTuple):
    """What a run touched: ``tables`` as they were before it.

    ``others`` were not looked at before, so what they were is not known.
    """

    tables: tuple[CountedTable, ...]
    others: Set[str] = frozenset()


class Inspector(Protocol):
    """What a driver knows of a database's rows, within the open transaction."""

    def look(self, names: Set[str]) -> None:
        """Set the savepoint, and look at the tables of these names, where there are.

        Whatever is touched later under another name was not looked at.
        """

    def watch(self) -> AbstractContextManager[Callable[[], Touched]]:
        """Within the block, notice the tables whose rows may change or go."""

    def foresee(self, tables: Iterable[CountedTable]) -> None:
        """Learn what has become of ``tables`` after a run that will be undone."""

    def keep(self, tables: Iterable[CountedTable], exact: Set[str]) -> None:
        """Lock ``tables`` for writing by others, and remember what they hold.

        Each row of those named in ``exact``.
        """

    def missing(self) -> tuple[list[Missing], Set[str]]:
        """Return what is missing now of what was kept.

        Also the tables that hold something else now, and are to be kept exactly to
        tell whether something is missing.
        """
