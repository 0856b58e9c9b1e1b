"""Valid statements are read, however they are written; invalid ones are findings."""

from __future__ import annotations

import pytest

from .conftest import Linted

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, a text, b text);\n"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD CHECK (id > 0) NOT VALID;",
        "ALTER TABLE t DROP a;",
        "ALTER TABLE t DROP IF EXISTS a RESTRICT, DROP COLUMN b CASCADE;",
        "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY (RESTART 5);",
        "CREATE TABLE u (id bigint GENERATED ALWAYS AS IDENTITY"
        " (SEQUENCE NAME s START 3) PRIMARY KEY);",
        "CREATE TABLE u (id bigint PRIMARY KEY, d tstzrange,"
        " EXCLUDE USING gist (d WITH &&) WHERE (id > 1) DEFERRABLE);",
        "ALTER TABLE t ADD EXCLUDE USING gist (id WITH =);",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (b);",
        "ALTER TABLE t ALTER COLUMN a SET STORAGE external, SET (fillfactor = 70);",
        "ALTER TABLE t ADD CONSTRAINT k NOT NULL a;",
        "ALTER TABLE t INHERIT u, NO FORCE ROW LEVEL SECURITY;",
        "ALTER TABLE t ALTER CONSTRAINT k NOT DEFERRABLE;",
        "CREATE INDEX ON t USING gin (a gin_trgm_ops) WITH (fastupdate = off);",
        "CREATE TABLE u (id bigint PRIMARY KEY, n bigint DEFAULT (1 << 3) - 1);",
        "CREATE TABLE u OF composite (id WITH OPTIONS PRIMARY KEY);",
        "CREATE FOREIGN TABLE u (id bigint OPTIONS (key 'true')) SERVER s;",
    ],
)
def test_valid_postgresql_is_read(linted: Linted, sql: str) -> None:
    found = linted({"postgres/001_t.sql": TABLE, "postgres/002_u.sql": sql})

    assert [f for f in found if f.rule == "unparsed"] == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD c BLOB DEFAULT (x'00');",
        "ALTER TABLE t DROP a;",
        "ALTER TABLE t RENAME a TO c;",
        "ALTER TABLE `t` ADD 'c' TEXT DEFAULT -1 NOT NULL;",
        "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, [g h] INT,"
        " e TEXT NOT NULL ON CONFLICT IGNORE DEFAULT 'a',"
        " UNIQUE (e) ON CONFLICT REPLACE) STRICT;",
        "CREATE VIRTUAL TABLE u USING fts5(a, content = 't');",
        "CREATE TABLE u (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;",
        "CREATE INDEX main.i ON t (a COLLATE NOCASE DESC, lower(b));",
    ],
)
def test_valid_sqlite_is_read(linted: Linted, sql: str) -> None:
    found = linted({"sqlite/001_t.sql": TABLE, "sqlite/002_u.sql": sql})

    assert [f for f in found if f.rule in ("unparsed", "sqlite-alter")] == []


@pytest.mark.parametrize(
    ("folder", "sql"),
    [
        ("postgres", "ALTER TABLE t FROBNICATE;"),
        ("postgres", "CREATE TABLE u (id bigint PRIMARY KEY"),
        ("postgres", "CREATE TABLE u (id bigint PRIMARY KEY) WITHOUT;"),
        ("sqlite", "CREATE TABLE u (id INT PRIMARY KEY) WITHOUT ROWI;"),
        ("sqlite", "ALTER TABLE t ADD c TEXT NOT NUL;"),
        ("sqlite", "UPDAT t SET a = 1;"),
        ("sqlite", "SELECT 1 FROM;"),
    ],
)
def test_an_invalid_statement_is_one_finding(
    linted: Linted, folder: str, sql: str
) -> None:
    found = linted({f"{folder}/001_t.sql": TABLE, f"{folder}/002_u.sql": sql})

    assert {f.rule for f in found} <= {"unparsed", "unusable-file"}
    assert found


def test_one_action_that_is_not_read_hides_no_other(linted: Linted) -> None:
    sql = "ALTER TABLE t DROP a,\n  DROP b;\n"

    found = linted({"postgres/001_t.sql": TABLE, "postgres/002_u.sql": sql})

    assert [(f.rule, f.line) for f in found] == [("drop", 1), ("drop", 2)]


def test_a_column_is_known_with_all_that_is_said_of_it(linted: Linted) -> None:
    sql = (
        "CREATE TABLE u (\n"
        "  id bigint PRIMARY KEY,\n"
        "  t_id bigint CONSTRAINT fk REFERENCES t (id) MATCH FULL"
        " ON UPDATE SET NULL ON DELETE SET NULL (t_id) NOT DEFERRABLE NOT NULL,\n"
        "  status character varying(20) COLLATE \"C\" DEFAULT 'x'::character varying"
        " NOT NULL CONSTRAINT c CHECK (status <> ''),\n"
        "  v double precision GENERATED ALWAYS AS (id * 2) STORED NOT NULL\n"
        ");\n"
        "CREATE INDEX ON u (t_id);\nCREATE INDEX ON u (status);\n"
    )
    squawk = 'squawk-exclude = ["prefer-text-field"]'

    assert linted({"postgres/001_t.sql": TABLE + sql}, squawk) == []
