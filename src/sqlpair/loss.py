"""What a downgrade would take with it: rows and values, counted before it may.

The SQL is run, what it changed is compared, and where that touches a table with rows
the run is undone, the tables are held still and counted, and the downgrade is refused
with those counts unless data loss was allowed. So what is said is what would go.

A table that was renamed or rebuilt under its name is not lost; rows and non-null
values missing from it are. Values overwritten by other values are not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sqlpair.errors import DataLossError

if TYPE_CHECKING:
    from sqlpair.drivers import Session

SAVEPOINT = "sqlpair_before_downgrade"
REMEDY = (
    "Nothing was changed. To lose them: make rollback LOSS=1, or"
    " alembic -x allow-data-loss=true downgrade …"
)


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


class Inspector(Protocol):
    """What a driver knows of a database's rows, within the open transaction."""

    def tables(self) -> dict[str, Table]:
        """Return the tables that hold rows of their own, by name."""

    def watch(self) -> AbstractContextManager[Callable[[], set[str]]]:
        """Within the block, notice the tables whose rows may change or go.

        Yields a function that returns their names as they were before.
        """

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


def amount(count: int, thing: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def guard(sessions: Sequence[Session], run: Callable[[], None]) -> None:
    """Call ``run`` in the sessions' open transactions, unless it would lose data.

    ``run`` is called a second time where counting needs the state before it. Raises
    DataLossError; the caller rolls back.
    """
    losses = measure(sessions, run)
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
    sessions: Sequence[Session], run: Callable[[], None]
) -> tuple[Loss, ...] | None:
    """Call ``run`` in the sessions' open transactions; undo it and return what it lost.

    None where it touched no table with rows: then it is not undone.
    """
    inspectors = {session.database.name: session.inspector() for session in sessions}
    before = {name: inspector.tables() for name, inspector in inspectors.items()}
    for session in sessions:
        session.execute(f"SAVEPOINT {SAVEPOINT}")
    touched = _run_watched(inspectors, run)
    suspects = {
        name: [
            before[name][table]
            for table in sorted(touched[name])
            if table in before[name] and not before[name][table].empty
        ]
        for name in inspectors
    }
    if not any(suspects.values()):
        return None
    after = {
        name: [(old, *_survivor(inspector, old)) for old in suspects[name]]
        for name, inspector in inspectors.items()
    }
    for session in sessions:
        session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
    losses: list[Loss] = []
    for name, inspector in inspectors.items():
        inspector.hold(old.name for old in suspects[name])
        for old, kept, renamed in after[name]:
            losses += _losses(name, inspector, old, kept, renamed)
    return tuple(losses)


def _run_watched(
    inspectors: Mapping[str, Inspector], run: Callable[[], None]
) -> dict[str, set[str]]:
    with ExitStack() as watches:
        touched = {
            name: watches.enter_context(inspector.watch())
            for name, inspector in inspectors.items()
        }
        run()
        return {name: names() for name, names in touched.items()}


def _survivor(inspector: Inspector, old: Table) -> tuple[Count | None, dict[str, str]]:
    """Count what is left of ``old``; map its surviving columns to their names now."""
    now = inspector.tables()
    same = next((t for t in now.values() if t.identity == old.identity), None)
    new = same or now.get(old.name)
    if new is None:
        return None, {}
    if same and len(same.columns) == len(old.columns):
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
