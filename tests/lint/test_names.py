"""What is to be written instead runs: names have their quotes, case and schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from conftest import connected

from .conftest import Linted

POSTGRES = """\
CREATE SCHEMA acme;
CREATE TABLE acme."Order" (
    id bigint PRIMARY KEY, "user-id" bigint, "Total" bigint NOT NULL, plain int,
    "select" text
);
CREATE TABLE acme."order" (id bigint PRIMARY KEY);
"""
SQLITE = """\
CREATE TABLE "Order" (
    id INTEGER PRIMARY KEY, "user-id" INTEGER, "Total" TEXT, "group" TEXT
);
CREATE INDEX "Order-index" ON "Order" ("user-id");
"""


def instead(linted: Linted, database: str, before: str, sql: str) -> dict[str, str]:
    """Return what is to be written instead of what a second file does, by rule."""
    found = linted({f"{database}/001_order.sql": before, f"{database}/002_x.sql": sql})
    return {
        item.rule: item.instead.partition("  -- ")[0]
        for item in found
        if "002_x" in item.path
    }


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ('DROP TABLE acme."Order";', "drop"),
        ('ALTER TABLE acme."Order" DROP COLUMN "user-id";', "drop"),
        ('ALTER TABLE acme."Order" ALTER "Total" TYPE integer;', "narrowed-type"),
    ],
)
def test_what_to_write_instead_runs_on_postgresql(
    linted: Linted, postgres: str, sql: str, rule: str
) -> None:
    told = instead(linted, "postgres", POSTGRES, sql)[rule]

    assert 'acme."Order"' in told
    with connected(postgres) as execute:
        execute(POSTGRES)
        execute(told)


@pytest.mark.parametrize(
    ("sql", "rule", "expected"),
    [
        (
            'CREATE TABLE "Line" (id bigint PRIMARY KEY, "Order Id" bigint NOT NULL'
            ' REFERENCES acme."Order" ON DELETE CASCADE);',
            "foreign-key-without-index",
            'CREATE INDEX "idx_Line_Order Id" ON "Line" ("Order Id");',
        ),
        (
            'ALTER TABLE acme."Order" RENAME COLUMN "select" TO "Select";',
            "rename",
            'ALTER TABLE acme."Order" ADD COLUMN "Select" …;',
        ),
        (
            'ALTER TABLE acme."Order" ADD "at-Once" text;'
            'ALTER TABLE acme."Order" ALTER "at-Once" SET NOT NULL;',
            "set-not-null-at-once",
            'ALTER TABLE acme."Order" ALTER COLUMN "at-Once" SET NOT NULL;',
        ),
        (
            'ALTER TABLE acme."Order" ADD "New" text NOT NULL;',
            "not-null-without-default",
            'ALTER TABLE acme."Order" ADD COLUMN "New" text;',
        ),
        (
            'TRUNCATE acme."Order";',
            "delete",
            'CREATE TABLE "kept_Order" AS SELECT …;',
        ),
        (
            'CREATE TABLE "user" (at timestamptz);',
            "table-without-primary-key",
            'CREATE TABLE "user" (id … PRIMARY KEY, …);',
        ),
    ],
)
def test_names_have_their_quotes_where_they_need_them(
    linted: Linted, sql: str, rule: str, expected: str
) -> None:
    assert instead(linted, "postgres", POSTGRES, sql)[rule] == expected


def test_a_name_in_another_case_is_another_table_of_postgresql(linted: Linted) -> None:
    found = linted(
        {
            "postgres/001_order.sql": POSTGRES,
            "postgres/002_x.sql": "SELECT 1;",
            "postgres/002_x_rollback.sql": 'DROP TABLE acme."order";',
        }
    )

    assert [item.message for item in found if item.rule == "rollback-incomplete"] == [
        "the rollback does not create table order again: the release before needs it"
    ]


def test_a_name_in_another_case_is_the_same_table_of_sqlite(linted: Linted) -> None:
    told = instead(linted, "sqlite", SQLITE, 'DROP TABLE "ORDER";')

    assert told["drop"] == 'DROP TABLE "order";'


@pytest.mark.parametrize(
    "sql",
    [
        'ALTER TABLE "Order" DROP COLUMN "group";',
        'ALTER TABLE "Order" ADD COLUMN "odd-name" TEXT UNIQUE;',
    ],
)
def test_what_to_write_instead_runs_on_sqlite(linted: Linted, sql: str) -> None:
    for rule, told in instead(linted, "sqlite", SQLITE, sql).items():
        if rule not in ("drop", "sqlite-alter"):
            continue
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(SQLITE)
            connection.executescript(told.replace("…", ""))
