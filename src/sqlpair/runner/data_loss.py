"""What a downgrade would take with it: rows and values, counted before it may.

The SQL is run, and where that touches a table with rows it is undone, the tables are
held still and counted, and it is run again. What is missing then is what would go, and
the downgrade is refused with those counts unless data loss was allowed.

A table that was renamed or rebuilt under its name is not lost; rows and non-null
values missing from it are. One that another table took the place of, which was there
before, is lost. Values overwritten by other values are not seen.

Whatever the run touches is noticed while it runs. Only which tables are empty has to be
asked before, and only of those whose names stand in what is run: a table that is
touched in another way counts as one with rows. So the work depends on what a downgrade
touches, not on how many tables there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sqlpair.databases.row_counts import Count, Inspector, Table, Touched, amount
from sqlpair.errors import DataLossError

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

SAVEPOINT = "sqlpair_before_downgrade"
REMEDY = (
    "Nothing was changed. To lose them: sqlpair rollback --allow-data-loss, or"
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
# By database and table: what it had, and what is left of it under which names.
_Had: TypeAlias = dict[tuple[str, str], Count]
_Kept: TypeAlias = dict[tuple[str, str], tuple[Count, Mapping[str, str]] | None]


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
    every table it touches was empty before, or held and counted. Only where nothing is
    lost is it sure to be done in the end.
    """
    inspectors = {session.database.name: session.inspector() for session in sessions}
    names = {
        name: _names(text for database, text in texts if database == name)
        for name in inspectors
    }
    held: dict[str, dict[str, Table]] = {name: {} for name in inspectors}
    kept: _Kept = {}
    while True:
        had: _Had = {}
        for name, inspector in inspectors.items():
            inspector.look(names[name])
            if held[name]:  # the empty ones too: they are to be so still
                inspector.hold(sorted(held[name]))
            for table, old in sorted(held[name].items()):
                had[name, table] = inspector.count(table, list(old.columns.values()))
        if losses := _losses(had, kept):
            return losses
        touched = _run_watched(inspectors, run)
        if _is_counted(touched, had):
            return _losses(had, _survivors(inspectors, held))
        for name, one in touched.items():
            held[name] |= {table.name: table for table in one.tables}
            names[name] |= one.others
        # What it lost is known already, unless there is more that it touched.
        whole = not any(one.others for one in touched.values())
        kept = _survivors(inspectors, held) if whole else {}
        for session in sessions:
            session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")


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


def _is_counted(touched: Mapping[str, Touched], had: _Had) -> bool:
    return not any(
        one.others
        or any(
            not table.empty and (name, table.name) not in had for table in one.tables
        )
        for name, one in touched.items()
    )


def _names(texts: Iterable[str]) -> set[str]:
    """Return what may be names in ``texts``; bare ones in lower case, too."""
    found: set[str] = set()
    for text in texts:
        for match in _NAMES.finditer(text[:_CHARACTERS]):
            found |= {match[1]} if match[1] else {match[0], match[0].lower()}
    return found


def _survivors(
    inspectors: Mapping[str, Inspector], tables: Mapping[str, Mapping[str, Table]]
) -> _Kept:
    return {
        (name, table): _survivor(inspector, old)
        for name, inspector in inspectors.items()
        for table, old in tables[name].items()
    }


def _survivor(
    inspector: Inspector, old: Table
) -> tuple[Count, Mapping[str, str]] | None:
    """Count what is left of ``old``; map its surviving columns to their names now."""
    new = inspector.find(old)
    if new is None:
        return None
    if new.identity == old.identity:
        renamed = {
            name: new.columns[key]
            for key, name in old.columns.items()
            if key in new.columns
        }
    else:
        there = set(new.columns.values())
        renamed = {name: name for name in old.columns.values() if name in there}
    return inspector.count(new.name, list(renamed.values())), renamed


def _losses(had: _Had, kept: _Kept) -> tuple[Loss, ...]:
    """Compare the tables that are in both."""
    losses: list[Loss] = []
    for (database, table), before in had.items():
        if (database, table) not in kept:
            continue
        left = kept[database, table]
        rows, renamed = (0, {}) if left is None else (left[0].rows, left[1])
        if rows < before.rows:
            losses.append(Loss(database, table, "", before.rows - rows))
        if left is None:
            continue
        for column, values in before.values.items():
            if column not in renamed:
                gone = values
            elif rows >= before.rows:
                gone = values - left[0].values[renamed[column]]
            else:  # the rows' loss is said already
                gone = 0
            if gone > 0:
                losses.append(Loss(database, table, column, gone))
    return tuple(losses)
