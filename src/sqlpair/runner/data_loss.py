"""What a downgrade would lose: rows and values, compared before it may.

A savepoint is set and the SQL is run. Where it touches a table that has rows, it is
undone, those tables are locked and what they hold is remembered, and it is run again.
What they held before and do not hold afterwards is lost, and the downgrade is refused
with the counts unless data loss was allowed.

What is compared is what the values are. A row is known by its primary key, in a table
without one by its columns that hold no NULL. A row that is not there any more is lost,
and so is each value that is not there as it was; where a column's type has changed, the
new value is cast back to the old type first. A NULL that becomes a value loses nothing.
Tables and columns are followed through renames, rebuilds and partitions: what was made
in the place of a table, under its name, is compared with it. A table is lost whose
place another took that was there before. Generated columns are computed from others,
and are not compared.

PostgreSQL remembers a checksum of the rows that were written, or of each table of which
that is not known; only where it differs the run is undone once more, to remember a hash
of each value. SQLite, which has no hash function, remembers the rows in a temporary
table. How: ``databases/*/kept_rows.py``.

Whatever the run touches is noticed while it runs. Only which tables are empty has to be
asked before, and only of those whose names stand in what is run: a table that is
touched in another way counts as one with rows. So the work depends on what a downgrade
touches, not on how many tables there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sqlpair.databases.data_loss import (
    SAVEPOINT,
    CountedTable,
    Inspector,
    Touched,
)
from sqlpair.databases.driver import driver_of
from sqlpair.errors import DataLossError, amount

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

REMEDY = (
    "Nothing was changed. To allow data loss: sqlpair rollback --allow-data-loss, or"
    " alembic -x allow-data-loss=true downgrade …"
)

# Bare, or in double quotes. A name that is written in another way, or that comes later
# in a long file, is missed: that costs a second run, no more.
_NAMES = re.compile(r'[^\W\d][\w$]*|"([^"]+)"')
_CHARACTERS = 2**16


class Loss(NamedTuple):
    """Rows of a table that would go, or values of its ``column``."""

    database: str
    table: str
    column: str
    missing: int

    def __str__(self) -> str:
        """Say it as evidence."""
        if self.column:
            what = f"{amount(self.missing, 'value')} of {self.table}.{self.column}"
        else:
            what = f"{amount(self.missing, 'row')} of {self.table}"
        return f"{self.database}: {what}"


# Each file's, with its database.
Texts: TypeAlias = Sequence[tuple[str, str]]


def guard(sessions: Sequence[Session], texts: Texts, run: Callable[[], None]) -> None:
    """Call ``run`` in the sessions' open transactions; DataLossError if it loses data.

    See ``measure``. The caller rolls back.
    """
    losses = measure(sessions, texts, run)
    if losses:
        rows = sum(loss.missing for loss in losses if not loss.column)
        values = sum(loss.missing for loss in losses if loss.column)
        counts = [amount(rows, "row")] * bool(rows)
        counts += [amount(values, "value")] * bool(values)
        raise DataLossError(
            f"the downgrade would lose data: {' and '.join(counts)}",
            [str(loss) for loss in losses],
            REMEDY,
        )


def measure(
    sessions: Sequence[Session], texts: Texts, run: Callable[[], None]
) -> tuple[Loss, ...]:
    """Call ``run`` in the sessions' open transactions, and return what it lost.

    ``texts`` are of the files that ``run`` runs. It is undone and called again until
    every table it touches was empty before, or was kept. Only where nothing is lost is
    it sure to be done in the end.
    """
    inspectors = {
        session.database.name: driver_of(session.database).inspector(session)
        for session in sessions
    }
    names = {
        name: _names(text for database, text in texts if database == name)
        for name in inspectors
    }
    kept: dict[str, dict[str, CountedTable]] = {name: {} for name in inspectors}
    exact: dict[str, Set[str]] = {name: set() for name in inspectors}
    while True:
        for name, inspector in inspectors.items():
            inspector.look(names[name])
            if kept[name]:  # the empty ones too: they are to be so still
                inspector.keep(kept[name].values(), exact[name])
        touched = _run_watched(inspectors, run)
        if _is_kept(touched, kept):
            losses, unknown = _missing(inspectors, kept)
            if not any(unknown.values()):
                return losses
            exact = {name: exact[name] | more for name, more in unknown.items()}
        else:
            for name, one in touched.items():
                kept[name] |= {table.name: table for table in one.tables}
                names[name] |= one.others
                inspectors[name].foresee(kept[name].values())
        for session in sessions:
            session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")


def _missing(
    inspectors: Mapping[str, Inspector], kept: Mapping[str, Mapping[str, CountedTable]]
) -> tuple[tuple[Loss, ...], dict[str, Set[str]]]:
    losses: list[Loss] = []
    unknown: dict[str, Set[str]] = {}
    for name, inspector in inspectors.items():
        found, unknown[name] = inspector.missing() if kept[name] else ([], set())
        losses += [Loss(name, *each) for each in found]
    return tuple(losses), unknown


def _run_watched(
    inspectors: Mapping[str, Inspector], run: Callable[[], None]
) -> dict[str, Touched]:
    with ExitStack() as watches:
        told = {
            name: watches.enter_context(inspector.watch())
            for name, inspector in inspectors.items()
        }
        run()
        return {name: tables() for name, tables in told.items()}


def _is_kept(
    touched: Mapping[str, Touched], kept: Mapping[str, Mapping[str, CountedTable]]
) -> bool:
    return not any(
        one.others
        or any(not table.empty and table.name not in kept[name] for table in one.tables)
        for name, one in touched.items()
    )


def _names(texts: Iterable[str]) -> set[str]:
    """Return what may be names in ``texts``; bare ones in lower case, too."""
    found: set[str] = set()
    for text in texts:
        for match in _NAMES.finditer(text[:_CHARACTERS]):
            found |= {match[1]} if match[1] else {match[0], match[0].lower()}
    return found
