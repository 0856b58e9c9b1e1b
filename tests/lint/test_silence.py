"""A finding is silenced where it is, with a reason, or not at all."""

from __future__ import annotations

import pytest

from .conftest import Linted

RULE = "enumeration-without-check"


def rules(linted: Linted, sql: str) -> list[tuple[str, int]]:
    return [(f.rule, f.line) for f in linted({"sqlite/001_orders.sql": sql})]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE o (id INT PRIMARY KEY,\n  side TEXT -- lint: allow {}: so\n);",
        "CREATE TABLE o (id INT PRIMARY KEY,\n  -- lint: allow {}: so\n  side TEXT);",
        "-- lint: allow {}: so\nCREATE TABLE o (id INT PRIMARY KEY,\n  side TEXT);",
        "-- lint: allow {}: so\n-- More words.\nCREATE TABLE o (\n"
        "  id INT PRIMARY KEY,\n  side TEXT);",
        "CREATE TABLE o (id INT PRIMARY KEY,\n  -- lint:allow {}:so\n  side TEXT);",
    ],
    ids=["end of line", "line above", "statement", "comment between", "no spaces"],
)
def test_a_silence_with_a_reason_holds(linted: Linted, sql: str) -> None:
    assert rules(linted, sql.format(RULE)) == []


@pytest.mark.parametrize("silence", [f"allow {RULE}", f"allow {RULE}:  "])
def test_without_a_reason_both_are_findings(linted: Linted, silence: str) -> None:
    sql = f"CREATE TABLE o (id INT PRIMARY KEY,\n  side TEXT -- lint: {silence}\n);"

    assert rules(linted, sql) == [(RULE, 2), ("silence-without-reason", 2)]


def test_a_silence_of_another_rule_silences_nothing(linted: Linted) -> None:
    sql = "CREATE TABLE o (id INT PRIMARY KEY,\n  side TEXT -- lint: allow drop: so\n);"

    assert rules(linted, sql) == [(RULE, 2), ("silence-unused", 2)]


def test_a_silence_of_another_line_silences_nothing(linted: Linted) -> None:
    sql = (
        "CREATE TABLE o (\n"
        f"  id INT PRIMARY KEY, -- lint: allow {RULE}: so\n  side TEXT);"
    )

    assert rules(linted, sql) == [("silence-unused", 2), (RULE, 3)]


def test_a_silence_of_one_statement_does_not_reach_the_next(linted: Linted) -> None:
    table = "CREATE TABLE {} (id INT PRIMARY KEY, side TEXT);\n"
    sql = f"-- lint: allow {RULE}: so\n{table.format('o')}{table.format('p')}"

    assert rules(linted, sql) == [(RULE, 3)]


def test_a_rule_that_is_none_is_named(linted: Linted) -> None:
    found = linted({"sqlite/001_a.sql": "-- lint: allow nonsense: so\nSELECT 1;"})

    assert [f.message for f in found] == ["there is no rule 'nonsense'"]


def test_a_finding_about_the_file_is_silenced_in_its_header(linted: Linted) -> None:
    sql = "-- lint: allow number-out-of-sequence: 002 was withdrawn\nSELECT 1;"

    assert linted({"sqlite/001_a.sql": "SELECT 1;", "sqlite/003_b.sql": sql}) == []


def test_squawks_own_silence_has_no_effect(linted: Linted) -> None:
    table = "CREATE TABLE t (id varchar(9) PRIMARY KEY);"
    sql = "-- squawk-ignore prefer-text-field\n{}" + table

    found = linted({"postgres/001_t.sql": sql.format("")})
    assert [f.rule for f in found] == ["prefer-text-field"]

    allow = "-- lint: allow prefer-text-field: so it is documented\n"
    assert linted({"postgres/001_t.sql": sql.format(allow)}) == []
