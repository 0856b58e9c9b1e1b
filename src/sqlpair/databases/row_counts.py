"""What a driver counts of the rows that a downgrade would lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

SAVEPOINT = "sqlpair_before_downgrade"


class Table(NamedTuple):
    """A table as it stands.

    ``identity`` survives a rename, ``columns`` maps what survives a column's rename
    to its name. ``empty`` is False where that is not known for sure.
    """

    name: str
    identity: int
    columns: Mapping[int, str]
    empty: bool


class Count(NamedTuple):
    """Rows of a table, and the non-null values of its columns."""

    rows: int
    values: Mapping[str, int]


class Touched(NamedTuple):
    """What a run touched: ``tables`` as they were before it.

    ``others`` were not looked at before, so what they were is not known.
    """

    tables: tuple[Table, ...]
    others: Set[str] = frozenset()


class Inspector(Protocol):
    """What a driver knows of a database's rows, within the open transaction."""

    def look(self, names: Set[str]) -> None:
        """Set the savepoint, and look at the tables of these names, where there are.

        Whatever is touched later under another name was not looked at.
        """

    def watch(self) -> AbstractContextManager[Callable[[], Touched]]:
        """Within the block, notice the tables whose rows may change or go."""

    def find(self, old: Table) -> Table | None:
        """Return what ``old`` is now: the same table, or else one made in its place.

        That is of its name, and was not there before under any.
        """

    def hold(self, tables: Iterable[str]) -> None:
        """Keep other clients from changing ``tables`` until the transaction ends."""

    def count(self, table: str, columns: Sequence[str]) -> Count:
        """Count a table's rows and the non-null values of ``columns``."""


def amount(count: int, thing: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
