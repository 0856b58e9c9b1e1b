"""What a SQLite description tells: every change, and nothing else."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from sqlpair.databases.sqlite.catalog import catalog
from sqlpair.schema.model import Schema, describe, difference

EVERYTHING = (Path(__file__).parents[1] / "everything_sqlite.sql").read_text()


def schema_of(*scripts: str) -> Schema:
    """The schema that these scripts make, one after the other."""
    connection = sqlite3.connect(":memory:")
    try:
        for script in scripts:
            connection.executescript(script)
        return describe_all(connection)
    finally:
        connection.close()


def describe_all(connection: sqlite3.Connection, *own: str) -> Schema:
    return catalog(lambda sql: connection.execute(sql).fetchall(), own)


def sentences(expected: Schema, actual: Schema) -> list[str]:
    return [describe(change) for change in difference(expected, actual)]


T = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY, other TEXT UNIQUE);"

# What is there, what is there after a change by hand, and what is then told. Most
# changes to a table are written as another table, because SQLite alters so little.
CHANGES = {
    "table missing": (T, "DROP TABLE t", "table t is missing"),
    "table extra": (
        "",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE)",
        "table t is not in the migrations",
    ),
    "table with an odd name": (
        "",
        'CREATE TABLE "My T" (id)',
        'table "My T" is not in the migrations',
    ),
    "column extra": (
        "CREATE TABLE trades (id)",
        "ALTER TABLE trades ADD note TEXT",
        "column trades.note is not in the migrations",
    ),
    "column missing": (T, "ALTER TABLE t DROP b", "column t.b is missing"),
    "view missing": (
        T + "CREATE VIEW v AS SELECT a FROM t",
        "DROP VIEW v",
        "view v is missing",
    ),
    "view": (
        T + "CREATE VIEW v AS SELECT a FROM t WHERE id > 1",
        "DROP VIEW v; CREATE VIEW v AS SELECT a FROM t WHERE id > 2",
        "view v has another definition (- the migrations say):\n"
        "  - where id > 1\n"
        "  + where id > 2",
    ),
    "trigger": (
        T + "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE id=1; END",
        "DROP TRIGGER g; "
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE id=2; END",
        "trigger t.g has another definition (- the migrations say):\n"
        "  - where id = 1;\n"
        "  + where id = 2;",
    ),
    "trigger missing": (
        T + "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "DROP TRIGGER g",
        "trigger t.g is missing",
    ),
    "trigger on a view": (
        T + "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
        "trigger v.g is not in the migrations",
    ),
    "virtual table": (
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a, b)",
        "virtual table f has arguments (a, b), the migrations say (a)",
    ),
    "virtual table's module": (
        "CREATE VIRTUAL TABLE f USING fts4(a)",
        "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a)",
        "virtual table f has module fts5, the migrations say fts4",
    ),
    "virtual table extra": (
        "",
        "CREATE VIRTUAL TABLE f USING rtree(id, low, high)",
        "virtual table f is not in the migrations",
    ),
    "index missing": (
        T + "CREATE INDEX idx_x ON t (a)",
        "DROP INDEX idx_x",
        "index idx_x is missing",
    ),
    "index order": (
        T + "CREATE INDEX i ON t (a, b)",
        "DROP INDEX i; CREATE INDEX i ON t (a, b DESC)",
        "index i has columns a, b desc, the migrations say a, b",
    ),
    "index expression": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (lower(a), b)",
        "index i has columns lower(a), b, the migrations say a",
    ),
    "index predicate": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (a) WHERE b IS NOT NULL",
        "index i has predicate b is not null, the migrations say none",
    ),
    "index uniqueness": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE UNIQUE INDEX i ON t (a)",
        "index i is unique, the migrations say not unique",
    ),
    "index collation": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (a COLLATE NOCASE)",
        "index i has columns a collate nocase, the migrations say a",
    ),
    "index of an expression's collation": (
        T + "CREATE INDEX i ON t (a || b)",
        "DROP INDEX i; CREATE INDEX i ON t (a || b COLLATE NOCASE DESC)",
        "index i has columns a || b collate nocase desc, the migrations say a || b",
    ),
    "index of another table": (
        T + "CREATE TABLE u (a); CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON u (a)",
        "index i has table u, the migrations say t",
    ),
}

# Two ways to write table t: what the migrations make, and what is found.
TABLES = {
    "column type": (
        "(a INTEGER)",
        "(a TEXT)",
        "column t.a has type TEXT, the migrations say INTEGER",
    ),
    "column affinity": (
        "(a TEXT)",
        "(a UUID)",
        "column t.a has type UUID (NUMERIC affinity), the migrations say TEXT",
    ),
    "column without a type": (
        "(a TEXT)",
        "(a)",
        "column t.a has type none (BLOB affinity), the migrations say TEXT",
    ),
    "column nullability": (
        "(a TEXT)",
        "(a TEXT NOT NULL)",
        "column t.a is not nullable, the migrations say nullable",
    ),
    "column conflict action": (
        "(a TEXT NOT NULL)",
        "(a TEXT NOT NULL ON CONFLICT REPLACE DEFAULT '')",
        "column t.a has conflict action replace, the migrations say none",
        "column t.a has default '', the migrations say none",
    ),
    "column default": (
        "(a INTEGER DEFAULT 0)",
        "(a INTEGER DEFAULT -1)",
        "column t.a has default -1, the migrations say 0",
    ),
    "column default expression": (
        "(a INTEGER)",
        "(a INTEGER DEFAULT (strftime('%s', 'now')))",
        "column t.a has default strftime('%s', 'now'), the migrations say none",
    ),
    "column default's case": (
        "(a DEFAULT 'Stopped')",
        "(a DEFAULT 'stopped')",
        "column t.a has default 'stopped', the migrations say 'Stopped'",
    ),
    "column collation": (
        "(a TEXT)",
        "(a TEXT COLLATE NOCASE)",
        "column t.a has collation nocase, the migrations say none",
    ),
    "column generated": (
        "(a, g AS (a * 2))",
        "(a, g AS (a * 3) STORED)",
        "column t.g has generation as (a * 3) stored, "
        "the migrations say as (a * 2) virtual",
    ),
    "column no more generated": (
        "(a, g AS (a * 2))",
        "(a, g)",
        "column t.g has no generation, the migrations say as (a * 2) virtual",
    ),
    "column name's case": (
        "(strategyName TEXT)",
        "(strategyname TEXT)",
        "column t.strategyName is missing",
        "column t.strategyname is not in the migrations",
    ),
    "primary key missing": (
        "(a TEXT PRIMARY KEY)",
        "(a TEXT)",
        "primary key t is missing",
    ),
    "primary key of other columns": (
        "(a TEXT, b TEXT, PRIMARY KEY (a, b))",
        "(a TEXT, b TEXT, PRIMARY KEY (b, a))",
        "primary key t has columns b, a, the migrations say a, b",
    ),
    "primary key conflict action": (
        "(a TEXT PRIMARY KEY)",
        "(a TEXT PRIMARY KEY ON CONFLICT IGNORE)",
        "primary key t has conflict action ignore, the migrations say none",
    ),
    "primary key, no longer the rowid": (
        "(a INTEGER PRIMARY KEY)",
        "(a INTEGER PRIMARY KEY DESC)",
        "primary key t has columns a desc, the migrations say a",
        "primary key t is not rowid alias, the migrations say rowid alias",
    ),
    "autoincrement": (
        "(a INTEGER PRIMARY KEY)",
        "(a INTEGER PRIMARY KEY AUTOINCREMENT)",
        "primary key t is autoincrement, the migrations say not autoincrement",
    ),
    "unique constraint": (
        "(a, b)",
        "(a, b, CONSTRAINT one UNIQUE (a, b))",
        "unique constraint t(a, b) is not in the migrations",
    ),
    "unique constraint's collation": (
        "(a UNIQUE)",
        "(a, UNIQUE (a COLLATE NOCASE))",
        "unique constraint t(a collate nocase) is not in the migrations",
        "unique constraint t(a) is missing",
    ),
    "unique conflict action": (
        "(a UNIQUE)",
        "(a UNIQUE ON CONFLICT REPLACE)",
        "unique constraint t(a) has conflict action replace, the migrations say none",
    ),
    "foreign key": (
        "(a)",
        "(a REFERENCES p)",
        "foreign key t(a) to p(id) is not in the migrations",
    ),
    "foreign key to nowhere": (
        "(a)",
        "(a REFERENCES nowhere)",
        "foreign key t(a) to nowhere is not in the migrations",
    ),
    "foreign key to another column": (
        "(a REFERENCES p)",
        "(a REFERENCES p (other))",
        "foreign key t(a) to p(id) is missing",
        "foreign key t(a) to p(other) is not in the migrations",
    ),
    "foreign key actions": (
        "(a REFERENCES p ON DELETE CASCADE)",
        "(a REFERENCES p ON DELETE SET NULL ON UPDATE RESTRICT)",
        "foreign key t(a) to p(id) has delete action set null, "
        "the migrations say cascade",
        "foreign key t(a) to p(id) has update action restrict, "
        "the migrations say no action",
    ),
    "foreign key deferred": (
        "(a, b, FOREIGN KEY (a) REFERENCES p ON DELETE NO ACTION MATCH SIMPLE)",
        "(a, b, FOREIGN KEY (a) REFERENCES p ON DELETE NO ACTION MATCH SIMPLE "
        "DEFERRABLE INITIALLY DEFERRED)",
        "foreign key t(a) to p(id) is deferred, the migrations say not deferred",
    ),
    "check": (
        "(a CHECK (a > 0))",
        "(a)",
        "check constraint t (a > 0) is missing",
    ),
    "check expression": (
        "(a CHECK (a IN ('x', 'y')))",
        "(a CHECK (a IN ('x', 'y', 'Z')))",
        "check constraint t (a in ('x', 'y')) is missing",
        "check constraint t (a in ('x', 'y', 'Z')) is not in the migrations",
    ),
    "check with a name": (
        "(a, CONSTRAINT positive CHECK (a > 0))",
        "(a, CONSTRAINT positive CHECK (a > 1))",
        "check constraint t.positive has expression a > 1, the migrations say a > 0",
    ),
    "strict": (
        "(a TEXT)",
        "(a TEXT) STRICT",
        "table t is strict, the migrations say not strict",
    ),
    "without rowid": (
        "(a TEXT NOT NULL PRIMARY KEY)",
        "(a TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID",
        "table t is without rowid, the migrations say not without rowid",
    ),
}

# Two ways to write the same.
SAME = {
    "white space, comments and case": (
        "CREATE TABLE t (a INTEGER NOT NULL DEFAULT 0, CHECK (a > 0 AND a < 9))",
        "create table t(\n  a integer not null default(0), -- a note; with 'quotes'\n"
        "  /* more */ check(A>0 and\n a<9))",
    ),
    "quotes around names": (
        "CREATE TABLE t (a VARCHAR(10), b CHECK (b <> a));"
        "CREATE INDEX i ON t (a, b+1)",
        'CREATE TABLE "t" ([a] varchar ( 10 ), `b` CHECK ("b" <> [a]));'
        ' CREATE INDEX [i] ON "t" ("a", `b` + 1 ASC)',
    ),
    "strings in double quotes": (
        "CREATE TABLE t (a DEFAULT 'x' CHECK (a IN ('x', 'it''s')))",
        'CREATE TABLE t (a DEFAULT "x" CHECK (a IN ("x", "it\'s")))',
    ),
    "a column added later": (
        "CREATE TABLE t (a INTEGER PRIMARY KEY, "
        "b TEXT COLLATE NOCASE DEFAULT 'x' NOT NULL CHECK (length(b) < 9), "
        "c REFERENCES t ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, "
        "g AS (a + 1))",
        "CREATE TABLE t (a INTEGER PRIMARY KEY);"
        "ALTER TABLE t ADD b TEXT COLLATE NOCASE DEFAULT 'x' NOT NULL "
        "CHECK (length(b)<9);"
        "ALTER TABLE t ADD COLUMN c REFERENCES t ON DELETE CASCADE "
        "DEFERRABLE INITIALLY DEFERRED; ALTER TABLE t ADD g AS (a + 1)",
    ),
    "a column added before a table's constraints": (
        "CREATE TABLE t (a TEXT, b TEXT, UNIQUE (a), CHECK (a <> ''))",
        "CREATE TABLE t (a TEXT, UNIQUE (a), CHECK (a <> ''));"
        "ALTER TABLE t ADD b TEXT",
    ),
    "a column dropped": (
        "CREATE TABLE t (a TEXT, b TEXT)",
        "CREATE TABLE t (a TEXT, gone TEXT, b TEXT); ALTER TABLE t DROP COLUMN gone",
    ),
    "names changed": (
        "CREATE TABLE t (a TEXT CHECK (a <> ''), b); CREATE INDEX i ON t (lower(a));"
        "CREATE VIEW v AS SELECT a FROM t;"
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 1; END",
        "CREATE TABLE old (x TEXT CHECK (x <> ''), b);"
        "CREATE INDEX i ON old (lower(x));"
        "CREATE VIEW v AS SELECT x FROM old;"
        "CREATE TRIGGER g AFTER INSERT ON old BEGIN DELETE FROM old WHERE x = 1; END;"
        "ALTER TABLE old RENAME TO t; ALTER TABLE t RENAME COLUMN x TO a",
    ),
    "a table rebuilt": (
        "CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER NOT NULL DEFAULT 0);"
        "CREATE INDEX i ON t (b)",
        "CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT); CREATE INDEX i ON t (b);"
        "CREATE TABLE fresh (a TEXT PRIMARY KEY, b INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO fresh SELECT * FROM t; DROP TABLE t;"
        "ALTER TABLE fresh RENAME TO t; CREATE INDEX i ON t (b)",
    ),
    "constraints of columns or of the table": (
        "CREATE TABLE p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE t (a TEXT PRIMARY KEY, b UNIQUE, c REFERENCES P,"
        " d CHECK (d > 0))",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE t (a TEXT, b, c, d, PRIMARY KEY (a), CONSTRAINT u UNIQUE (b)"
        " CHECK (d > 0), FOREIGN KEY (c) REFERENCES p (id))",
    ),
    "deferred later": (
        "CREATE TABLE t (a NOT NULL REFERENCES p MATCH FULL ON DELETE SET DEFAULT"
        " DEFERRABLE INITIALLY DEFERRED, b REFERENCES p)",
        "CREATE TABLE t (a REFERENCES p ON DELETE SET DEFAULT MATCH FULL"
        " NOT NULL DEFERRABLE INITIALLY DEFERRED,"
        " b REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED)",
    ),
    "columns in another order": (
        "CREATE TABLE t (a TEXT, b TEXT)",
        "CREATE TABLE t (b TEXT, a TEXT)",
    ),
    "no default and NULL": ("CREATE TABLE t (a)", "CREATE TABLE t (a DEFAULT NULL)"),
    "IF NOT EXISTS and a schema": (
        "CREATE TABLE t (a); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT 1 AS One;"
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE IF NOT EXISTS main.t (a);"
        "CREATE INDEX IF NOT EXISTS main.i ON t (a);"
        "CREATE VIEW IF NOT EXISTS main.v as select 1 as One;"
        "CREATE TRIGGER IF NOT EXISTS main.g AFTER INSERT ON t BEGIN SELECT 1; END",
    ),
    "carriage returns": (
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN\nSELECT 1; -- one\nEND",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN\r\nSELECT 1; -- one\r\nEND",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_by_hand_is_told(case: str) -> None:
    setup, change, *expected = CHANGES[case]

    assert sentences(schema_of(setup), schema_of(setup, change)) == expected


@pytest.mark.parametrize("case", TABLES)
def test_a_table_of_other_making_is_told(case: str) -> None:
    expected, found, *told = TABLES[case]
    made = schema_of(PARENT, f"CREATE TABLE t {expected}")

    assert sentences(made, schema_of(PARENT, f"CREATE TABLE t {found}")) == told


@pytest.mark.parametrize("case", SAME)
def test_the_same_in_other_writing_is_no_difference(case: str) -> None:
    setup = "CREATE TABLE t (a);" if case == "carriage returns" else ""
    one, other = (schema_of(setup + script) for script in SAME[case])

    assert sentences(one, other) == []
    assert one != {}


def test_the_position_of_a_column_is_known() -> None:
    schema = schema_of("CREATE TABLE t (a, b)")

    assert {
        str(key): found.position for key, found in schema.items() if found.position
    } == {"column t.a": 1, "column t.b": 2}


def test_what_sqlite_keeps_for_itself_is_left_out() -> None:
    plain = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE);"

    used = schema_of(plain, "INSERT INTO t (a) VALUES (1); ANALYZE")

    assert used == schema_of(plain)


def test_a_virtual_tables_own_tables_are_left_out() -> None:
    schema = schema_of(
        "CREATE TABLE docs (a); CREATE VIRTUAL TABLE f3 USING fts3(a);"
        "CREATE VIRTUAL TABLE f4 USING FTS4(a);"
        'CREATE VIRTUAL TABLE "F 5" using fts5(a);'
        "CREATE VIRTUAL TABLE r USING rtree(id, low, high);"
        "CREATE TABLE f4_notes (a)"
    )

    assert {str(key) for key in schema if key.kind != "column"} == {
        "table docs",
        "table f4_notes",
        "virtual table f3",
        "virtual table f4",
        'virtual table "F 5"',
        "virtual table r",
    }


def test_temporary_and_attached_objects_are_left_out() -> None:
    schema = schema_of(
        "CREATE TABLE t (a); ATTACH ':memory:' AS other; CREATE TABLE other.t (b);"
        "CREATE TEMP TABLE t (c UNIQUE); CREATE TEMP TABLE x (a);"
        "CREATE TEMP TRIGGER g AFTER INSERT ON main.t BEGIN SELECT 1; END"
    )

    assert schema == schema_of("CREATE TABLE t (a)")


def test_own_tables_are_left_out_with_their_parts() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE);"
        "CREATE INDEX i ON ledger (v);"
        "CREATE TRIGGER g AFTER INSERT ON ledger BEGIN SELECT 1; END"
    )

    assert describe_all(connection, "ledger") == {}
    assert describe_all(connection) != {}
    connection.close()


def test_a_view_that_lost_its_table_is_described_all_the_same() -> None:
    schema = schema_of(
        "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t;"
        "PRAGMA legacy_alter_table = on; DROP TABLE t"
    )

    assert [str(key) for key in schema] == ["view v"]


def shell(file: Path, script: str) -> str:
    """Run a script by SQLite's own shell."""
    done = subprocess.run(
        ["sqlite3", "-bail", file], input=script, text=True, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def schema_of_file(file: Path) -> Schema:
    connection = sqlite3.connect(file)
    try:
        return describe_all(connection)
    finally:
        connection.close()


def test_a_file_run_by_hand_gives_the_same_description(tmp_path: Path) -> None:
    shell(tmp_path / "by_hand.db", EVERYTHING)

    assert (
        sentences(schema_of(EVERYTHING), schema_of_file(tmp_path / "by_hand.db")) == []
    )


def test_a_dump_restored_gives_the_same_description(tmp_path: Path) -> None:
    shell(tmp_path / "first.db", EVERYTHING)
    shell(tmp_path / "restored.db", shell(tmp_path / "first.db", ".dump"))

    restored = schema_of_file(tmp_path / "restored.db")

    assert sentences(schema_of(EVERYTHING), restored) == []


def test_a_copy_gives_the_same_description(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shell(tmp_path / "first.db", f"{EVERYTHING}; VACUUM INTO '{copy}'")

    assert sentences(schema_of(EVERYTHING), schema_of_file(copy)) == []
