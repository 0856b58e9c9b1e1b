"""What a row of a table must look like, as a driver reads it from the live catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import NamedTuple


class ValueKind(Enum):
    """What other values may be tried in a column."""

    NUMBER = auto()
    TEXT = auto()
    OTHER = auto()


class ColumnShape(NamedTuple):
    """A column, its name as SQL writes it.

    ``value`` makes the literal of the n-th value, None for a type it does not know.
    ``automatic``: the database makes the value. ``choices`` are literals, where only
    these are allowed.
    """

    name: str
    kind: ValueKind
    value: Callable[[int], str | None]
    required: bool = False
    automatic: bool = False
    choices: tuple[str, ...] = ()


class Check(NamedTuple):
    """A CHECK, and which columns it speaks of."""

    columns: frozenset[str]
    text: str


class ForeignKeyShape(NamedTuple):
    """``columns`` refer to ``parents`` of the table ``parent``; "" where it is none."""

    columns: tuple[str, ...]
    parent: str
    parents: tuple[str, ...]


class TableShape(NamedTuple):
    """A table that takes rows; every name as SQL writes it."""

    name: str
    columns: tuple[ColumnShape, ...]
    checks: tuple[Check, ...] = ()
    unique: frozenset[str] = frozenset()
    """Columns that stand in some unique key."""
    foreign_keys: tuple[ForeignKeyShape, ...] = ()
    overriding: str = ""
    """What an INSERT says so that it may set a column the database would number."""


class TableRows(NamedTuple):
    """Every row of a table, each value as a literal in the engine's own writing."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Contents = Mapping[str, TableRows]


def text_of(name: str, number: int) -> str:
    """Return the n-th text of a column, in neither small nor capital letters alone."""
    return f"{name.capitalize()} {number + 1}"
