"""Rows for the tables of a scratch database, made from its live catalog.

Parents come before children. Of each table's rows the first gives every column, the
second only what it must, so defaults and NULLs stand there too, the third gives every
column again, with other values. What a CHECK, a unique key or a trigger refuses is
tried again with other values, by the same dice each time. A table that takes no row
after all is told, with the database's reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.interface import driver_of, quote
from sqlpair.databases.row_shape import Column, ForeignKey, Kind, Table
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

ROWS = 3
ATTEMPTS = 400
SAVEPOINT = "sqlpair_row"
STRING = re.compile(r"'(?:[^']|'')*'")
NUMBER = re.compile(r"(?<![\w.'])-?\d+(?:\.\d+)?(?![\w.'])")
ONE_OF = re.compile(r"= ANY\b|\bIN\s*\(", re.IGNORECASE)


# The rows that each foreign key can refer to.
Parents = Mapping[ForeignKey, Sequence[tuple[str, ...]]]


class Unfillable(NamedTuple):
    """A table that took no row, and why not."""

    table: str
    reason: str

    def __str__(self) -> str:
        return f"{self.table} takes no generated row: {self.reason}"


class _NoValueError(Exception):
    """No row can be made, whatever is tried."""


def fill(
    session: Session, number: int, *, only_empty: bool = False
) -> tuple[Unfillable, ...]:
    """Add rows to every table, within the open transaction.

    ``number`` sets the values apart from those of another call.
    """
    driver = driver_of(session.database)
    tables = {table.name: table for table in driver.tables(session)}
    before = driver.contents(session) if only_empty else {}
    unfilled = []
    for table in _parents_first(tables):
        if only_empty and table.name in before and before[table.name].rows:
            continue
        reasons = [_add(session, table, number * ROWS + row) for row in range(ROWS)]
        if all(reasons):
            unfilled.append(Unfillable(table.name, str(reasons[0])))
    return tuple(unfilled)


def empty(session: Session, kept: Collection[str]) -> list[str]:
    """Delete every row of the tables not in ``kept``; return those that had some."""
    driver = driver_of(session.database)
    emptied = []
    session.begin()
    try:
        tables = {table.name: table for table in driver.tables(session)}
        for table in reversed(_parents_first(tables)):
            if table.name not in kept:
                if session.rows(f"SELECT 1 FROM {table.name} LIMIT 1"):
                    emptied.append(table.name)
                session.execute(f"DELETE FROM {table.name}")
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return sorted(emptied)


def _parents_first(tables: Mapping[str, Table]) -> list[Table]:
    ordered: dict[str, Table] = {}
    entered: set[str] = set()

    def visit(table: Table) -> None:
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


def _add(session: Session, table: Table, number: int) -> str | None:
    """Insert one row; return why that cannot be, None when it was done."""
    parents = {key: _parent_rows(session, key) for key in table.foreign_keys}
    reason = None
    for attempt in range(ATTEMPTS):
        try:
            row = _row(table, parents, number, attempt)
        except _NoValueError as error:
            return str(error)
        failure = _insert(session, table, row)
        if failure is None:
            return None
        reason = reason or failure
    return reason


def _insert(session: Session, table: Table, row: Mapping[str, str]) -> str | None:
    values = f"({', '.join(row)}) VALUES ({', '.join(row.values())})"
    session.execute(f"SAVEPOINT {SAVEPOINT}")
    try:
        session.execute(
            f"INSERT INTO {table.name} {values if row else 'DEFAULT VALUES'}"
        )
    except SqlpairError as error:
        session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        return str(error.__cause__ or error).partition("\n")[0]
    finally:
        session.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
    return None


def _parent_rows(session: Session, key: ForeignKey) -> list[tuple[str, ...]]:
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


def _row(table: Table, parents: Parents, number: int, attempt: int) -> dict[str, str]:
    """Choose a row's values; the first attempt is the plain one."""
    dice = Random(f"{table.name} {number} {attempt}") if attempt else None  # noqa: S311
    minimal = number % ROWS == 1 and attempt < ATTEMPTS / 2
    wanted = {
        column.name: column
        for column in table.columns
        if not column.automatic and (column.required or not minimal)
    }
    row: dict[str, str] = {}
    for key in table.foreign_keys:
        if wanted.keys() & set(key.columns):
            row |= _reference(table, key, parents[key], number, dice)
            for name in key.columns:
                wanted.pop(name, None)
    for column in wanted.values():
        value = _value(table, column, number, dice)
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
    table: Table,
    key: ForeignKey,
    known: Sequence[tuple[str, ...]],
    number: int,
    dice: Random | None,
) -> dict[str, str]:
    """Choose the row that a foreign key refers to; nothing where there is none."""
    if known:
        at = dice.randrange(len(known)) if dice else number % len(known)
        return dict(zip(key.columns, known[at], strict=True))
    required = {column.name for column in table.columns if column.required}
    if key.parent != table.name and required.intersection(key.columns):
        raise _NoValueError(f"{key.parent}, to which it refers, has no row")
    return {}


def _value(
    table: Table, column: Column, number: int, dice: Random | None
) -> str | None:
    checks = [check.text for check in table.checks if column.name in check.columns]
    choices = column.choices or _choices(table, column)
    if dice is None:
        return choices[number % len(choices)] if choices else column.value(number)
    if choices:
        return dice.choice(choices)
    if not checks and dice.random() < (0.7 if column.name in table.unique else 0.9):
        return column.value(number)
    return dice.choice(_pool(column, checks, number, dice))


def _choices(table: Table, column: Column) -> tuple[str, ...]:
    """The literals of a CHECK (column IN (...)) about this column alone."""
    for check in table.checks:
        if check.columns == {column.name} and ONE_OF.search(check.text):
            strings = STRING.findall(check.text)
            if found := strings or NUMBER.findall(check.text):
                return tuple(dict.fromkeys(found))
    return ()


def _pool(
    column: Column, checks: Sequence[str], number: int, dice: Random
) -> list[str | None]:
    text = " ".join(checks)
    pool = [column.value(number), column.value(dice.randrange(1000))]
    if column.kind is Kind.NUMBER:
        said = [float(found) for found in NUMBER.findall(text)]
        near = [value + step for value in said for step in (-1, 0, 1)]
        return [*pool, "0", "1", "-1", *(f"{value:g}" for value in near)]
    pool += STRING.findall(text)
    if column.kind is Kind.TEXT:
        shapes = ("a{}@example.org", "https://example.org/{}", "{}", "a{}", "A{}")
        pool += [quote(shape.format(number)) for shape in shapes]
        letters = "abcdefghijklmnopqrstuvwxyz"
        for length in {int(found) for found in re.findall(r"\b\d{1,2}\b", text)}:
            word = "".join(dice.choice(letters) for _ in range(length))
            pool += [quote(word), quote(word.upper()), quote(f"{number:0{length}}")]
        pool += ["'{}'", "''"]
    return pool
