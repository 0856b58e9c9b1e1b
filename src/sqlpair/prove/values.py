"""Values for the columns of generated rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from sqlpair.databases.quoting import quote
from sqlpair.databases.row_values import (
    ColumnShape,
    TableShape,
    ValueKind,
)

STRING = re.compile(r"'(?:[^']|'')*'")
NUMBER = re.compile(r"(?<![\w.'])-?\d+(?:\.\d+)?(?![\w.'])")
ONE_OF = re.compile(r"= ANY\b|\bIN\s*\(", re.IGNORECASE)
OWN_KEYS = 10_000  # keys up to here are left to the migrations


def value_of(
    table: TableShape, column: ColumnShape, number: int, random: Random | None
) -> str | None:
    """Return the literal for a column of row ``number``; None where it has none.

    With ``random``, another one each time.
    """
    checks = [check.text for check in table.checks if column.name in check.columns]
    choices = column.choices or _choices(table, column)
    is_key = column.kind is ValueKind.NUMBER and column.name in table.unique
    if not choices and not checks and is_key:
        other = random.randrange(20_000) if random else 0
        return column.value(OWN_KEYS + number + other)
    if random is None:
        return choices[number % len(choices)] if choices else column.value(number)
    if choices:
        return random.choice(choices)
    if not checks and random.random() < (0.7 if column.name in table.unique else 0.9):
        return column.value(number)
    return random.choice(_candidates(column, checks, number, random))


def _choices(table: TableShape, column: ColumnShape) -> tuple[str, ...]:
    """The literals of a CHECK (column IN (...)) about this column alone."""
    for check in table.checks:
        if check.columns == {column.name} and ONE_OF.search(check.text):
            strings = STRING.findall(check.text)
            if found := strings or NUMBER.findall(check.text):
                return tuple(dict.fromkeys(found))
    return ()


def _candidates(
    column: ColumnShape, checks: Sequence[str], number: int, random: Random
) -> list[str | None]:
    text = " ".join(checks)
    pool = [column.value(number), column.value(random.randrange(1000))]
    if column.kind is ValueKind.NUMBER:
        said = [float(found) for found in NUMBER.findall(text)]
        near = [value + step for value in said for step in (-1, 0, 1)]
        return [*pool, "0", "1", "-1", *(f"{value:g}" for value in near)]
    pool += STRING.findall(text)
    if column.kind is ValueKind.TEXT:
        shapes = ("a{}@example.org", "https://example.org/{}", "{}", "a{}", "A{}")
        pool += [quote(shape.format(number)) for shape in shapes]
        letters = "abcdefghijklmnopqrstuvwxyz"
        for length in {int(found) for found in re.findall(r"\b\d{1,2}\b", text)}:
            word = "".join(random.choice(letters) for _ in range(length))
            pool += [quote(word), quote(word.upper()), quote(f"{number:0{length}}")]
        pool += ["'{}'", "''"]
    return pool
