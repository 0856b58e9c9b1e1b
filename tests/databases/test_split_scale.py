"""Splitting costs what the text is long, and keeps nothing of it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

import pytest

from sqlpair.databases.postgresql.split import split as split_postgresql
from sqlpair.databases.sqlite.split import split as split_sqlite
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import Split

Value = TypeVar("Value")
ENGINES = pytest.mark.parametrize(
    "split",
    [
        pytest.param(split_postgresql, id="postgresql"),
        pytest.param(split_sqlite, id="sqlite"),
    ],
)
INSERT = "INSERT INTO t (id, j) VALUES (42, 'it''s; {\"a\": [1, 2]}'); -- ok;\n"
# What is repeated between a head and a tail: one literal, one comment, one
# statement, or thousands, and what looks like the begin of something else.
SHAPES = {
    "statements": ("", INSERT, ""),
    "one literal": ("SELECT '", ';""$$--/*(;', "';"),
    "one comment": ("/*", "* ' ; -- /", "*/"),
    "quotes": ("SELECT '", "''", "';"),
    "identifier": ('SELECT "', ";''", '";'),
    "line comments": ("", "--;'\n", "SELECT 1"),
    "short comments": ("SELECT 1", "/**/", ";"),
    "nested comments": ("", "/*/**/*/", ""),
    "empty statements": ("", ";", ""),
    "parentheses": ("SELECT ", "((1))", ";"),
    "deep parentheses": ("SELECT (1", "+(;1)", ");"),
    "operators": ("SELECT 1", "- /", "2;"),
    "dollars": ("SELECT ", "$1,$a ", "2;"),
    "dollar quotes": ("SELECT ", "$a$;$b$a$a$ ", ";"),
    "words": ("EXPLAIN ", "x begin ", ";"),
    "escapes": ("SELECT E'", "\\';''", "';"),
    "continued": ("SELECT E'a'", "\n --;\n", "'b\\';';"),
    "not continued": ("SELECT E'a'", "\n --;\n", "';"),
    "never ends": ("SELECT '", "a;\n", ""),
    "tags that never end": ("SELECT ", "$a;$b;$é ", ""),
    "routine": (
        "CREATE FUNCTION f() BEGIN ATOMIC ",
        "SELECT CASE WHEN a THEN b END; ",
        "END;",
    ),
    "trigger": ("CREATE TRIGGER t BEGIN ", "SELECT 1;; END x; ", "END;"),
    "trigger of nothing": ("CREATE TRIGGER t BEGIN ", "; ", "END;"),
    "explain": ("", "EXPLAIN 'a' b /* c */;", ""),
    "copies": ("", "COPY t FROM '/x' -- FROM ( (\n;", ""),
    "pragmas": ("", "PRAGMA a /* = */.b -- =\n;", ""),
    "indexes": ("", "CREATE INDEX i ON t (a) /* $a$ ' */;", ""),
    "alters": ("ALTER TABLE t ", "DETACH PARTITION p, ", ";"),
}


def cost(split: Split, text: str) -> float:
    """Seconds of this process' own time, the lesser of two runs."""
    costs = []
    for _ in range(2):
        begin = time.process_time()
        try:
            for _ in split(text):
                pass
        except SqlFileError:
            pass
        costs.append(time.process_time() - begin)
    return min(costs)


@ENGINES
@pytest.mark.parametrize("shape", SHAPES)
def test_eight_times_the_text_costs_some_eight_times_as_much(
    split: Split, shape: str
) -> None:
    head, piece, tail = SHAPES[shape]
    times = 15_000 // len(piece)

    once = cost(split, head + piece * times + tail)
    eight = cost(split, head + piece * times * 8 + tail)

    # Squared growth would cost 64 times as much. What is over in a millisecond
    # is too short to compare.
    assert eight < max(once, 0.001) * 28


@ENGINES
def test_ten_thousand_statements_are_not_held_in_memory(split: Split) -> None:
    text = INSERT * 10_000

    held, peak = traced(lambda: list(split(text)))
    one_by_one, peak_of_one = traced(lambda: sum(1 for _ in split(text)))

    assert one_by_one == len(held) == 10_000
    assert peak_of_one < peak / 10


def traced(action: Callable[[], Value]) -> tuple[Value, int]:
    """Return what it returns, and the most memory that it had meanwhile, in bytes."""
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@ENGINES
def test_a_megabyte_in_one_literal_is_one_statement(split: Split) -> None:
    literal = "';--/*$$\"" * 120_000
    text = "SELECT '" + literal.replace("'", "''") + "'"
    (statement,) = split(text + ";\n")
    assert statement.text == text + ";"
