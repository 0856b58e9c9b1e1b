"""A column that a reference across databases speaks of, as a driver reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class ReferenceColumn(Protocol):
    """A column of a live database. Each call sees the database as it then is."""

    def is_there(self) -> bool:
        """Say whether there is such a column."""

    def type(self) -> str:
        """Return its declared type."""

    def indexed(self) -> bool:
        """Say whether an index leads with it."""

    def count(self) -> int:
        """Count the values that are not NULL."""

    def values(self) -> Iterator[tuple[Any, int]]:
        """Return each different value, with how many rows have it."""

    def malformed(self, values: Sequence[Any]) -> set[Any]:
        """Return those of ``values`` that the column could not hold."""

    def absent(self, values: Sequence[Any]) -> set[Any]:
        """Return those of ``values`` that the column does not hold."""
