"""Rows for the tables of a scratch database, generated from its live catalog.

Parents come before children. Of a table's first three rows the first gives every
column a value, the second only the required ones, so that defaults and NULLs occur too,
the third every column again, with other values. A row that a CHECK, a unique key or a
trigger refuses is tried again with other values, the same ones in every run. A table
that accepts no row is named, with the database's reason.

Keys are high numbers: migrations insert rows of their own, and number them from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from sqlpair import signals
from sqlpair.databases.driver import driver_of
from sqlpair.databases.row_values import (
    ForeignKeyShape,
    TableShape,
)
from sqlpair.errors import SqlpairError
from sqlpair.prove.values import value_of
from sqlpair.runner.two_phase import rolled_back

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

ROWS = 3
STRIDE = ROWS + 1
ATTEMPTS = 400
FEW_ATTEMPTS = 20  # for one more row in a table that has its own
AT_ONCE = 100  # tables to a query
SAVEPOINT = "sqlpair_row"


# The rows that each foreign key can refer to.
Parents = Mapping[ForeignKeyShape, Sequence[tuple[str, ...]]]


class Unfillable(NamedTuple):
    """A table that accepted no row, and why not."""

    table: str
    reason: str

    def __str__(self) -> str:
        return f"{self.table} accepts no generated row: {self.reason}"


class _NoValueError(Exception):
    """No row can be made, whatever is tried."""


class Filler:
    """Generates rows, and knows which tables have theirs already."""

    def __init__(self) -> None:
        self._filled: dict[str, object] = {}  # each table's shape when it was filled
        self._refused: dict[str, object] = {}

    def copy(self) -> Filler:
        """One that knows the same, for a copy of the database."""
        other = Filler()
        other._filled, other._refused = dict(self._filled), dict(self._refused)
        return other

    def fill(
        self, session: Session, number: int, *, only_empty: bool = False
    ) -> tuple[Unfillable, ...]:
        """Add rows to every table that is new, has changed or is empty, and commit.

        ``number`` sets the values apart from those of another call. ``only_empty``
        leaves out every table that has rows.
        """
        tables = _tables(session)
        vacant = _empty(session, tables)
        wanted = {}
        for name, table in tables.items():
            shape = _shape(table)
            if self._refused.get(name) == shape:
                continue
            if name in vacant or (not only_empty and self._filled.get(name) != shape):
                wanted[name] = range(ROWS)
            self._filled[name] = shape
        unfillable = _fill(session, tables, wanted, number)
        for item in unfillable:
            self._refused[item.table] = _shape(tables[item.table])
        # One that has rows already is only full.
        vacant = _empty(session, [item.table for item in unfillable])
        return tuple(item for item in unfillable if item.table in vacant)

    def add(self, session: Session, number: int, *, only_empty: bool = False) -> None:
        """Add one row to every table, more to those that ``fill`` has yet to fill.

        Nothing of it is remembered, so the database may be one that goes.
        """
        tables = _tables(session)
        vacant = _empty(session, tables) if only_empty else tables
        wanted = {}
        for name, table in tables.items():
            shape = _shape(table)
            known = self._filled.get(name) == shape
            if self._refused.get(name) != shape and name in vacant:
                wanted[name] = range(ROWS, ROWS + 1) if known else range(ROWS)
        _fill(session, tables, wanted, number)


def _tables(session: Session) -> dict[str, TableShape]:
    found = driver_of(session.database).tables(session)
    return {table.name: table for table in _parents_first({t.name: t for t in found})}


def _shape(table: TableShape) -> object:
    """What makes a difference for the rows of a table."""
    columns = tuple(
        (c.name, c.kind, c.required, c.automatic, c.choices) for c in table.columns
    )
    return (columns, table.checks, table.unique, table.foreign_keys)


def _empty(session: Session, tables: Iterable[str]) -> set[str]:
    """Return which of the tables have no row."""
    names, found = list(tables), set()
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        asked = " UNION ALL ".join(
            f"SELECT {place} AS place WHERE NOT EXISTS (SELECT 1 FROM {name})"
            for place, name in enumerate(some)
        )
        found |= {some[row["place"]] for row in session.rows(asked)}
    return found


def _fill(
    session: Session,
    tables: Mapping[str, TableShape],
    wanted: Mapping[str, range],
    number: int,
) -> tuple[Unfillable, ...]:
    """Add the ``wanted`` rows in one transaction; where it fails, table by table."""
    every = [table for name, table in tables.items() if name in wanted]
    try:
        return _committed(session, every, wanted, number)
    except SqlpairError:
        unfillable: list[Unfillable] = []
        for table in every:
            try:
                unfillable += _committed(session, [table], wanted, number)
            except SqlpairError as error:
                unfillable.append(Unfillable(table.name, _reason(error)))
        return tuple(unfillable)


def _committed(
    session: Session,
    tables: Sequence[TableShape],
    wanted: Mapping[str, range],
    number: int,
) -> tuple[Unfillable, ...]:
    unfillable = []
    with rolled_back([session]):
        session.begin()
        for table in tables:
            rows = wanted[table.name]
            attempts = FEW_ATTEMPTS if len(rows) < ROWS else ATTEMPTS
            reasons = [
                _add(session, table, number * STRIDE + row, attempts) for row in rows
            ]
            if all(reasons):
                unfillable.append(Unfillable(table.name, str(reasons[0])))
        session.check()
        session.commit()
    return tuple(unfillable)


def empty(session: Session, kept: Collection[str]) -> list[str]:
    """Delete every row of the tables not in ``kept``; return those that had some."""
    with rolled_back([session]):
        session.begin()
        names = [name for name in reversed(_tables(session)) if name not in kept]
        emptied = set(names) - _empty(session, names)
        for name in names:
            session.execute(f"DELETE FROM {name}")
        session.commit()
    return sorted(emptied)


def _parents_first(tables: Mapping[str, TableShape]) -> list[TableShape]:
    ordered: dict[str, TableShape] = {}
    entered: set[str] = set()

    def visit(table: TableShape) -> None:
        if table.name in entered:
            return
        entered.add(table.name)
        for key in table.foreign_keys:
            if key.parent in tables:
                visit(tables[key.parent])
        ordered[table.name] = table

    for name in sorted(tables):
        visit(tables[name])
    return list(ordered.values())


def _add(session: Session, table: TableShape, number: int, attempts: int) -> str | None:
    """Insert one row; return why that cannot be, None when it was done."""
    parents = {key: _parent_rows(session, key) for key in table.foreign_keys}
    reason = None
    for attempt in range(attempts):
        signals.raise_unwanted()
        try:
            row = _row(table, parents, number, attempt)
        except _NoValueError as error:
            return str(error)
        failure = _insert(session, table, row)
        if failure is None:
            return None
        reason = reason or failure
    return reason


def _insert(session: Session, table: TableShape, row: Mapping[str, str]) -> str | None:
    values = f"({', '.join(row)}) {table.overriding} VALUES ({', '.join(row.values())})"
    insert = f"INSERT INTO {table.name} {values if row else 'DEFAULT VALUES'}"
    end = f"RELEASE SAVEPOINT {SAVEPOINT}"
    try:
        session.execute(f"SAVEPOINT {SAVEPOINT}; {insert}; {end}")
    except SqlpairError as error:
        try:
            session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; {end}")
        except SqlpairError:  # a trigger has rolled back the whole transaction
            raise error from error.__cause__
        return _reason(error)
    return None


def _reason(error: SqlpairError) -> str:
    return str(error.__cause__ or error).partition("\n")[0]


def _parent_rows(session: Session, key: ForeignKeyShape) -> list[tuple[str, ...]]:
    if not key.parent:
        return []
    literal = driver_of(session.database).literal
    wanted = ", ".join(
        f"{literal(name)} AS c{index}" for index, name in enumerate(key.parents)
    )
    known = " AND ".join(f"{name} IS NOT NULL" for name in key.parents)
    found = session.rows(
        f"SELECT DISTINCT {wanted} FROM {key.parent} WHERE {known} ORDER BY 1 LIMIT 100"
    )
    return [tuple(row.values()) for row in found]


def _row(
    table: TableShape, parents: Parents, number: int, attempt: int
) -> dict[str, str]:
    """Choose a row's values; the first attempt is the plain one."""
    random = Random(f"{table.name} {number} {attempt}") if attempt else None  # noqa: S311
    minimal = number % STRIDE == 1 and attempt < ATTEMPTS / 2
    wanted = {
        column.name: column
        for column in table.columns
        if not column.automatic and (column.required or not minimal)
    }
    row: dict[str, str] = {}
    for key in table.foreign_keys:
        if wanted.keys() & set(key.columns):
            row |= _reference(table, key, parents[key], number, random)
            for name in key.columns:
                wanted.pop(name, None)
    for column in wanted.values():
        value = value_of(table, column, number, random)
        if value is not None:
            row[column.name] = value
        elif column.required:
            raise _NoValueError(f"no value is known for {column.name}")
    for key in table.foreign_keys:
        if key.parent == table.name and not parents[key]:
            # The first row refers to itself.
            pairs = zip(key.columns, key.parents, strict=True)
            row |= {name: row[to] for name, to in pairs if to in row}
    return row


def _reference(
    table: TableShape,
    key: ForeignKeyShape,
    known: Sequence[tuple[str, ...]],
    number: int,
    random: Random | None,
) -> dict[str, str]:
    """Choose the row that a foreign key refers to; nothing where there is none."""
    if known:
        at = random.randrange(len(known)) if random else number % len(known)
        return dict(zip(key.columns, known[at], strict=True))
    required = {column.name for column in table.columns if column.required}
    if key.parent != table.name and required.intersection(key.columns):
        raise _NoValueError(f"{key.parent}, to which it refers, has no row")
    return {}
