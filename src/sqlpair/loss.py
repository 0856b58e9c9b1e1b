"""What a downgrade would take with it: rows and values, counted before it may.

The SQL is run, what it changed is compared, and where that touches a table with rows
the run is undone, the tables are held still and counted, and the downgrade is refused
with those counts unless data loss was allowed. So what is said is what would go.

A table that was renamed or rebuilt under its name is not lost; rows and non-null
values missing from it are. Values overwritten by other values are not seen.

Whatever the run touches is noticed while it runs. Only which tables are empty has to be
asked before, and only of those whose names stand in what is run: a table that is
touched in another way counts as one with rows. So the work depends on what a downgrade
touches, not on how many tables there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from sqlpair.errors import DataLossError

if TYPE_CHECKING:
    from sqlpair.drivers import Session

SAVEPOINT = "sqlpair_before_downgrade"
REMEDY = (
    "Nothing was changed. To lose them: make rollback LOSS=1, or"
    " alembic -x allow-data-loss=true downgrade …"
)

# Bare, or in double quotes. A name that is written in another way, or that comes later
# in a long file, is missed: that costs a second run, no more.
_NAMES = re.compile(r'[^\W\d][\w$]*|"([^"]+)"')
_CHARACTERS = 2**16


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
        """Return what ``old`` is now: the same table, or else the one of its name."""

    def hold(self, tables: Iterable[str]) -> None:
        """Keep other clients from changing ``tables`` until the transaction ends."""

    def count(self, table: str, columns: Sequence[str]) -> Count:
        """Count a table's rows and the non-null values of ``columns``."""


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


# Of each database's files.
Texts: TypeAlias = Mapping[str, Iterable[str]]


def amount(count: int, thing: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def guard(sessions: Sequence[Session], texts: Texts, run: Callable[[], None]) -> None:
    """Call ``run`` in the sessions' open transactions, unless it would lose data.

    ``texts`` are of the files that ``run`` runs. It is called a second time where
    counting needs the state before it. Raises DataLossError; the caller rolls back.
    """
    losses = measure(sessions, texts, run)
    if losses is None:
        return
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
    run()


def measure(
    sessions: Sequence[Session], texts: Texts, run: Callable[[], None]
) -> tuple[Loss, ...] | None:
    """Call ``run`` in the sessions' open transactions; undo it and return what it lost.

    None where it touched no table with rows: then it is not undone.
    """
    inspectors = {session.database.name: session.inspector() for session in sessions}
    touched = _run_watched(sessions, inspectors, texts, run)
    if all(table.empty for tables in touched.values() for table in tables):
        return None
    after = {
        name: [(old, *_survivor(inspector, old)) for old in touched[name]]
        for name, inspector in inspectors.items()
    }
    _undo(sessions)
    losses: list[Loss] = []
    for name, inspector in inspectors.items():
        # The empty ones too: they are to be so still when it is run again.
        inspector.hold(old.name for old in touched[name])
        for old, kept, renamed in after[name]:
            losses += _losses(name, inspector, old, kept, renamed)
    return tuple(losses)


def _run_watched(
    sessions: Sequence[Session],
    inspectors: Mapping[str, Inspector],
    texts: Texts,
    run: Callable[[], None],
) -> dict[str, list[Table]]:
    """Call ``run``, and return the tables it touched, as they were before."""
    names = {name: _names(texts[name]) for name in inspectors}
    while True:
        for name, inspector in inspectors.items():
            inspector.look(names[name])
        with ExitStack() as watches:
            told = {
                name: watches.enter_context(inspector.watch())
                for name, inspector in inspectors.items()
            }
            run()
            touched = {name: tables() for name, tables in told.items()}
        names = {name: set(one.others) for name, one in touched.items()}
        if not any(names.values()):
            return {
                name: sorted(one.tables, key=lambda table: table.name)
                for name, one in touched.items()
            }
        _undo(sessions)


def _undo(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")


def _names(texts: Iterable[str]) -> set[str]:
    """Return what may be names in ``texts``; bare ones in lower case, too."""
    found: set[str] = set()
    for text in texts:
        for match in _NAMES.finditer(text[:_CHARACTERS]):
            found |= {match[1]} if match[1] else {match[0], match[0].lower()}
    return found


def _survivor(inspector: Inspector, old: Table) -> tuple[Count | None, dict[str, str]]:
    """Count what is left of ``old``; map its surviving columns to their names now."""
    new = inspector.find(old)
    if new is None:
        return None, {}
    if new.identity == old.identity and len(new.columns) == len(old.columns):
        renamed = {
            name: new.columns[key]
            for key, name in old.columns.items()
            if key in new.columns
        }
    else:
        kept = set(new.columns.values())
        renamed = {name: name for name in old.columns.values() if name in kept}
    return inspector.count(new.name, list(renamed.values())), renamed


def _losses(
    database: str,
    inspector: Inspector,
    old: Table,
    kept: Count | None,
    renamed: Mapping[str, str],
) -> list[Loss]:
    had = inspector.count(old.name, list(old.columns.values()))
    if kept is None:
        return [Loss(database, old.name, "", had.rows)] * bool(had.rows)
    losses = []
    if kept.rows < had.rows:
        losses.append(Loss(database, old.name, "", had.rows - kept.rows))
    for column, values in had.values.items():
        if column not in renamed:
            gone = values
        elif kept.rows >= had.rows:
            gone = values - kept.values[renamed[column]]
        else:  # the rows' loss is said already
            gone = 0
        if gone > 0:
            losses.append(Loss(database, old.name, column, gone))
    return losses
