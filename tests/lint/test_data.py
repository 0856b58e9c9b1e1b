"""Rows that a migration deletes, and references that a rename takes along."""

from __future__ import annotations

import sqlite3

import pytest

from .conftest import Linted

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, a text);\n"


@pytest.mark.parametrize(
    ("sql", "line", "what"),
    [
        ("DELETE FROM t;", 1, "DELETE FROM t"),
        ("SELECT 1;\nDELETE FROM ONLY public.t WHERE a IS NULL;", 2, "DELETE FROM t"),
        ("TRUNCATE t;", 1, "TRUNCATE t"),
        ("TRUNCATE TABLE ONLY t RESTART IDENTITY CASCADE;", 1, "TRUNCATE t"),
        ("WITH d AS (\nDELETE FROM t RETURNING *) SELECT 1;", 2, "DELETE FROM t"),
        (
            "MERGE INTO t USING s ON true\nWHEN MATCHED THEN DELETE;",
            2,
            "MERGE … DELETE in t",
        ),
        ("DO $$\nBEGIN\n  DELETE FROM t;\nEND $$;", 3, "DELETE FROM t"),
        ("UPDATE t SET id = 1, a = NULL WHERE id = 1;", 1, "UPDATE to NULL of t.a"),
        ("DELETE FROM made_elsewhere;", 1, "DELETE FROM made_elsewhere"),
    ],
)
def test_deleted_data_is_found(linted: Linted, sql: str, line: int, what: str) -> None:
    found = linted({"postgres/001_t.sql": TABLE, "postgres/002_d.sql": f"{sql}\n"})

    assert [(f.rule, f.line) for f in found] == [("delete", line)]
    assert found[0].message.startswith(what)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE n (id bigint PRIMARY KEY); DELETE FROM n;",
        "CREATE TEMP TABLE z (i text); TRUNCATE z;",
        "UPDATE t SET a = coalesce(a, NULL);",
        "UPDATE t SET a = 'x' WHERE id = NULL;",
        "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a;",
        "GRANT DELETE, TRUNCATE ON t TO PUBLIC;",
        "SELECT 'DELETE FROM t';",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$;",
    ],
)
def test_what_deletes_nothing_that_existed_is_no_finding(
    linted: Linted, sql: str
) -> None:
    assert linted({"postgres/001_t.sql": TABLE, "postgres/002_d.sql": sql}) == []


TAGS = (
    "CREATE TABLE tag (id INTEGER PRIMARY KEY, n TEXT);\n"
    "CREATE TABLE doc (id INTEGER PRIMARY KEY, tag TEXT,\n"
    "  tag_id INT REFERENCES tag ON DELETE CASCADE);\n"
    "CREATE INDEX i ON doc (tag_id);\n"
)
COPIED = (
    "CREATE TABLE tag (id INTEGER PRIMARY KEY, n TEXT);\n"
    "INSERT INTO tag SELECT * FROM tag__old;\n"
)
AWAY = f"ALTER TABLE tag RENAME TO tag__old;\n{COPIED}"


@pytest.mark.parametrize(
    ("up", "what"),
    [
        (f"{AWAY}DROP TABLE tag__old;", "the foreign key of doc"),
        (AWAY, "the foreign key of doc"),
        ("DROP TABLE tag;", "the foreign key of doc"),
        (f"PRAGMA legacy_alter_table = OFF;\n{AWAY}", "the foreign key of doc"),
        (f"PRAGMA legacy_alter_table = ON;\n{AWAY}DROP TABLE tag__old;", ""),
        ("ALTER TABLE tag RENAME TO label;", ""),
        ("DROP TABLE doc; DROP TABLE tag;", ""),
    ],
)
def test_lint_and_sqlite_agree_on_which_reference_moves(
    linted: Linted, up: str, what: str
) -> None:
    found = linted({"sqlite/001_t.sql": TAGS, "sqlite/002_u.sql": up})

    moved = [f.message for f in found if f.rule == "reference-moved"]
    assert [message.startswith(what) for message in moved] == [True] * bool(what)
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(f"PRAGMA foreign_keys = OFF;\n{TAGS}{up}")
        refers = "SELECT \"table\" FROM pragma_foreign_key_list('doc')"
        targets = {row[0] for row in connection.execute(refers)}
        tables = {r[0] for r in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert bool(targets - (tables - {"tag__old"})) is bool(what)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("CREATE VIEW v AS SELECT n FROM doc d, tag;\n", ["view v"]),
        ("CREATE VIEW v AS SELECT tag FROM doc;\n", []),
        (
            "CREATE TRIGGER g AFTER DELETE ON doc BEGIN DELETE FROM tag; END;\n",
            ["trigger g"],
        ),
        ("CREATE TRIGGER g AFTER DELETE ON doc BEGIN SELECT OLD.tag; END;\n", []),
    ],
)
def test_views_and_triggers_move_along_too(
    linted: Linted, more: str, what: list[str]
) -> None:
    key = "tag_id INT REFERENCES tag ON DELETE CASCADE"
    before = TAGS.replace(key, "tag_id TEXT").replace("tag_id", "other")
    up = f"{AWAY}DROP TABLE tag__old;"

    found = linted({"sqlite/001_t.sql": before + more, "sqlite/002_u.sql": up})

    moved = [f.message for f in found if f.rule == "reference-moved"]
    assert [message.partition(" refers")[0] for message in moved] == what


def test_a_rollback_is_checked_for_moved_references_as_well(linted: Linted) -> None:
    files = {
        "sqlite/001_t.sql": TAGS,
        "sqlite/002_u.sql": "ALTER TABLE tag ADD COLUMN m TEXT;\n",
        "sqlite/002_u_rollback.sql": f"{AWAY}DROP TABLE tag__old;\n",
    }

    (found,) = linted(files)

    assert found.rule == "reference-moved"
    assert found.path.endswith("_rollback.sql")


@pytest.mark.parametrize(
    ("key", "column", "is_found"),
    [
        ("bigint", "external_id text", False),
        ("bigint", "trace_id varchar(64)", False),
        ("bigint", "owner_id bigint", True),
        ("text", "owner_id text", True),
        ("uuid", "owner_id uuid", True),
    ],
)
def test_a_text_is_no_reference_where_no_key_is_a_text(
    linted: Linted, key: str, column: str, is_found: bool
) -> None:
    sql = f"CREATE TABLE t (id {key} PRIMARY KEY, {column});\n"

    rules = {f.rule for f in linted({"postgres/001_t.sql": sql})}

    assert ("id-without-foreign-key" in rules) == is_found
