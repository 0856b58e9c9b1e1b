"""Values are data: a downgrade that overwrites or narrows them is refused, counted."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from conftest import Project
from sqlpair.databases.postgresql import kept_rows
from sqlpair.errors import DataLossError, StatementError
from sqlpair.plan.dry_run import dry_run
from sqlpair.runner import data_loss

NOTHING = "SELECT 1;\n"
BOTH = pytest.mark.parametrize("database", ["postgres", "sqlite"])


def prepare(project: Project, database: str, setup: str, down: str) -> None:
    project.add(database, "001_base", NOTHING)
    project.add(database, "002_next", NOTHING, down + "\n")
    project.upgrade()
    if database == "sqlite":
        with closing(sqlite3.connect(project.file)) as connection:
            connection.executescript(setup)
    else:
        project.pg(setup)


def refused(project: Project) -> list[str]:
    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")
    return [
        line.partition(": ")[2].replace("public.", "")
        for line in failure.value.evidence
    ]


FILL = (
    "CREATE TABLE t (id integer PRIMARY KEY, name text, other text);"
    "INSERT INTO t VALUES (1, 'one', NULL), (2, 'two', 'b'), (3, NULL, 'c'),"
    " (4, 'f', NULL);"
)
KEYLESS = (
    "CREATE TABLE t (name text, other text); INSERT INTO t VALUES"
    " ('one', NULL), ('two', 'b'), ('two', 'c'), ('two', 'c'), ('f', NULL);"
)
LOST = {
    "overwritten": (
        FILL,
        "UPDATE t SET name = substr(name, 1, 1);",
        ["2 values of t.name"],
    ),
    "exchanged": (
        FILL,
        "UPDATE t SET name = CASE id WHEN 1 THEN 'two' WHEN 2 THEN 'one' END"
        " WHERE id < 3;",
        ["2 values of t.name"],
    ),
    "of several columns": (
        FILL,
        "UPDATE t SET name = 'x', other = 'b';",
        ["3 values of t.name", "1 value of t.other"],
    ),
    "of rows that stay, beside rows that go": (
        FILL,
        "DELETE FROM t WHERE id = 2; UPDATE t SET name = 'x' WHERE id = 1;",
        ["1 row of t", "1 value of t.name"],
    ),
    "of a column beside one that is dropped": (
        FILL,
        "UPDATE t SET name = 'x' WHERE id = 1; ALTER TABLE t DROP COLUMN other;",
        ["1 value of t.name", "2 values of t.other"],
    ),
    "in another row of the same key": (
        FILL,
        "UPDATE t SET id = id + 10 WHERE id = 4;",
        ["1 row of t"],
    ),
    "of a renamed column of a renamed table": (
        FILL,
        "ALTER TABLE t RENAME COLUMN name TO called; ALTER TABLE t RENAME TO u;"
        "UPDATE u SET called = upper(called);",
        ["3 values of t.name"],
    ),
    "of a rebuilt table": (
        FILL,
        "CREATE TABLE n (id integer PRIMARY KEY, name text, other text);"
        "INSERT INTO n SELECT id, substr(name, 1, 2), other FROM t;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ["2 values of t.name"],
    ),
    "of a rebuilt column": (
        FILL,
        "ALTER TABLE t ADD COLUMN n text; UPDATE t SET n = substr(name, 1, 2);"
        "ALTER TABLE t DROP COLUMN name; ALTER TABLE t RENAME COLUMN n TO name;",
        ["2 values of t.name"],
    ),
    "without a key": (
        KEYLESS,
        "UPDATE t SET name = 'x' WHERE name = 'one';",
        ["1 value of t.name"],
    ),
    "without a key, of a column with NULLs": (
        KEYLESS,
        "UPDATE t SET other = 'd' WHERE other = 'c';",
        ["2 values of t.other"],
    ),
    "without a key, of rows that are alike": (
        "CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1), (1), (2);",
        "DELETE FROM t; INSERT INTO t VALUES (1), (1), (2);",
        ["1 row of t"],
    ),
    "without a key, exchanged": (
        "CREATE TABLE t (a integer, b integer);"
        "INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);",
        "UPDATE t SET b = CASE a WHEN 1 THEN 20 WHEN 2 THEN 10 ELSE b END;",
        ["2 rows of t"],
    ),
    "without a key, exchanged among NULLs": (
        "CREATE TABLE t (a integer, b integer);"
        "INSERT INTO t VALUES (1, 10), (2, 20), (NULL, 30), (4, NULL);",
        "UPDATE t SET b = CASE a WHEN 1 THEN 20 WHEN 2 THEN 10 ELSE b END;",
        ["2 rows of t"],
    ),
    "by a trigger": (
        FILL + "CREATE TABLE log (id integer);",
        "INSERT INTO log VALUES (1);",
        ["3 values of t.name"],
    ),
    "of a key of two columns": (
        "CREATE TABLE t (a integer, b text, c text, PRIMARY KEY (a, b));"
        "INSERT INTO t VALUES (1, 'x', 'p'), (1, 'y', 'q'), (2, 'x', 'r');",
        "UPDATE t SET c = 'z' WHERE a = 1;",
        ["2 values of t.c"],
    ),
}
TRIGGERS = {
    "postgres": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN UPDATE t SET name = ''x''; RETURN NULL; END';"
    "CREATE TRIGGER w AFTER INSERT ON log EXECUTE FUNCTION f();",
    "sqlite": "CREATE TRIGGER w AFTER INSERT ON log BEGIN"
    " UPDATE t SET name = 'x'; END;",
}


@BOTH
@pytest.mark.parametrize("case", LOST)
def test_values_that_a_downgrade_overwrites_are_refused_and_counted(
    project: Project, database: str, case: str
) -> None:
    setup, down, expected = LOST[case]
    setup += TRIGGERS[database] if case == "by a trigger" else ""
    prepare(project, database, setup, down)

    assert refused(project) == expected
    assert project.applied(database) == ["001_base", "002_next"]


KEPT = {
    "the same values": (FILL, "UPDATE t SET name = name, id = id;"),
    "a value for a NULL": (
        FILL,
        "UPDATE t SET name = 'x' WHERE name IS NULL;"
        "UPDATE t SET other = '' WHERE other IS NULL;",
    ),
    "a value for a NULL, without a key": (
        KEYLESS,
        "UPDATE t SET other = 'c' WHERE other IS NULL;",
    ),
    "a value for a NULL among rows that are alike": (
        "CREATE TABLE t (a integer, b integer);"
        "INSERT INTO t VALUES (1, NULL), (1, 2), (1, 5), (1, NULL);",
        "UPDATE t SET b = 3 WHERE b IS NULL;",
    ),
    "more rows": (FILL, "UPDATE t SET id = id; INSERT INTO t VALUES (9, 'x', 'y');"),
    "there and back": (
        FILL,
        "UPDATE t SET name = name || 'x'; DELETE FROM t WHERE id = 2;"
        "UPDATE t SET name = substr(name, 1, length(name) - 1);"
        "INSERT INTO t VALUES (2, 'two', 'b');",
    ),
    "a rebuilt table": (
        FILL,
        "CREATE TABLE n (other text, id integer PRIMARY KEY, more text, name text);"
        "INSERT INTO n (id, other, name) SELECT id, other, name FROM t;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
    "a rebuilt table without a key": (
        KEYLESS,
        "DELETE FROM t WHERE name = 'none';"
        "CREATE TABLE n (name text NOT NULL, other text);"
        "INSERT INTO n SELECT name, other FROM t ORDER BY other;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
    "a key given to a table without one": (
        KEYLESS,
        "CREATE TABLE n (id integer PRIMARY KEY, name text, other text);"
        "INSERT INTO n SELECT row_number() OVER (), name, other FROM t;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
    "a rebuilt column": (
        FILL,
        "ALTER TABLE t ADD COLUMN n text; UPDATE t SET n = name;"
        "ALTER TABLE t DROP COLUMN name; ALTER TABLE t RENAME COLUMN n TO name;",
    ),
    "a column dropped that holds nothing": (
        FILL + "ALTER TABLE t ADD COLUMN n text;",
        "UPDATE t SET id = id; ALTER TABLE t DROP COLUMN n;",
    ),
    "a generated column": (
        "CREATE TABLE t (id integer PRIMARY KEY, a integer,"
        " b integer GENERATED ALWAYS AS (a + 1) STORED);"
        "INSERT INTO t (id, a) VALUES (1, 2), (2, 3);",
        "CREATE TABLE n (id integer PRIMARY KEY, a integer);"
        "INSERT INTO n SELECT id, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
    "a column that is generated now": (
        "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer);"
        "INSERT INTO t VALUES (1, 2, 3), (2, 3, 4);",
        "CREATE TABLE n (id integer PRIMARY KEY, a integer,"
        " b integer GENERATED ALWAYS AS (a + 1) STORED);"
        "INSERT INTO n (id, a) SELECT id, a FROM t;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
    "types that hold the same values": (
        "CREATE TABLE t (id integer PRIMARY KEY, a integer, b text, c numeric, d text);"
        "INSERT INTO t VALUES (1, 2, '3', 1.50, '0.5'), (2, 3, '-4', 7, NULL);",
        "CREATE TABLE n (id bigint PRIMARY KEY, a numeric, b text, c real, d text);"
        "INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
}


@BOTH
@pytest.mark.parametrize("case", KEPT)
def test_a_downgrade_that_keeps_the_values_goes_through(
    project: Project, database: str, case: str
) -> None:
    prepare(project, database, *KEPT[case])

    project.downgrade("-1")

    assert project.applied(database) == ["001_base"]
    assert "sqlpair_before_0" not in project.tables(database)


COLUMN = "CREATE TABLE t (id int PRIMARY KEY, v {}); INSERT INTO t SELECT n, {} v FROM"
COLUMN += " generate_series(1, 5) AS n;"
NARROWED = {
    "numeric to fewer digits": ("numeric(20,8)", "64123.12345678", "numeric(10,2)"),
    "numeric to int": ("numeric", "n + 0.4", "int"),
    "timestamptz to date": ("timestamptz", "now()", "date"),
    "float8 to real": ("float8", "0.1", "real"),
    "text to varchar": ("text", "'long'", "varchar(1) USING left(v, 1)"),
    "text to bytea": ("text", "'a'", "bytea USING decode('00', 'hex')"),
    "text to int": ("text", "'007'", "int USING v::int"),
    "int to words": ("int", "n", "text USING 'number ' || v"),
    "char to shorter": ("text", "'a '", "char(1)"),
    "jsonb to a part": ("jsonb", "'{\"a\": 1, \"b\": 2}'", "int USING (v->'a')::int"),
    "timestamptz to another zone": (
        "timestamptz", "now()", "timestamp USING v AT TIME ZONE 'Asia/Tokyo'"
    ),
    "case under a collation that ignores it": ("text", "'Ab'", "text USING lower(v)"),
}  # fmt: skip


@pytest.mark.parametrize("case", NARROWED)
def test_values_that_another_type_cannot_hold_are_refused_and_counted(
    project: Project, case: str
) -> None:
    old, value, new = NARROWED[case]
    prepare(
        project,
        "postgres",
        COLUMN.format(old, value),
        f"ALTER TABLE t ALTER COLUMN v TYPE {new};",
    )

    assert refused(project) == ["5 values of t.v"]


WIDENED = {
    "numeric whose digits are none": ("numeric(20,8)", "n + 0.5", "numeric(10,2)"),
    "int to bigint": ("int", "n", "bigint"),
    "bigint to int": ("bigint", "n", "int"),
    "int to text": ("int", "n", "text"),
    "text to int": ("text", "n::text", "int USING v::int"),
    "date": ("timestamptz", "timestamptz '2026-01-01Z' + n * interval '24h'", "date"),
    "varchar": ("varchar(9)", "'long'", "text"),
    "shorter varchar": ("varchar(9)", "'long'", "varchar(4)"),
    "float4": ("float8", "n / 2.0", "real"),
    "json": ("jsonb", "'{\"a\": 1}'", "json"),
    "array": ("int[]", "ARRAY[n, NULL]", "bigint[]"),
    "enum": ("mood", "'good'", "text USING v::text; DROP TYPE mood"),
    "enum exchanged": (
        "mood", "'good'",
        "text; DROP TYPE mood; CREATE TYPE mood AS ENUM ('good');"
        "ALTER TABLE t ALTER v TYPE mood USING v::mood",
    ),
    "domain": ("positive", "n", "int; DROP DOMAIN positive"),
    "bool": ("bool", "n > 2", "int USING v::int"),
    "UTC": ("timestamptz", "now()", "timestamp USING v AT TIME ZONE 'UTC'"),
    "from UTC": ("timestamp", "now()", "timestamptz USING v AT TIME ZONE 'UTC'"),
    "no type with a hash": ("point", "point(n, 1)", "point"),
    "composite": ("pair", "ROW(n, NULL)::pair", "text"),
}  # fmt: skip


@pytest.mark.parametrize("case", WIDENED)
def test_values_that_cast_back_to_the_same_are_kept(
    project: Project, case: str
) -> None:
    old, value, new = WIDENED[case]
    types = (
        "CREATE TYPE mood AS ENUM ('good', 'bad');"
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE TYPE pair AS (a int, b int);"
    )
    prepare(
        project,
        "postgres",
        types + COLUMN.format(old, f"({value})::{old}"),
        f"SET timezone = 'Asia/Tokyo'; UPDATE t SET id = id;"
        f"ALTER TABLE t ALTER COLUMN v TYPE {new};",
    )
    project.pg(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone ="
        " ''America/New_York''', current_database()); END $$"
    )

    project.downgrade("-1")

    assert project.applied("postgres") == ["001_base"]


LOG = (
    "CREATE TABLE log (at int, what text) PARTITION BY RANGE (at);"
    "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (20);"
    "INSERT INTO log SELECT n, 'line ' || n FROM generate_series(1, 15) AS n;"
)


@pytest.mark.parametrize(
    "down",
    [
        "UPDATE log SET at = at; ALTER TABLE log RENAME what TO text;",
        "ALTER TABLE log DETACH PARTITION log_1; DROP TABLE log_2;"
        "CREATE TABLE log_3 PARTITION OF log FOR VALUES FROM (10) TO (30);"
        "INSERT INTO log SELECT n, 'line ' || n FROM generate_series(10, 15) AS n;",
        "CREATE TABLE n AS SELECT * FROM log; DROP TABLE log;"
        "ALTER TABLE n RENAME TO log;",
        "CREATE TABLE log_all PARTITION OF log DEFAULT;"
        "ALTER TABLE log DETACH PARTITION log_1;"
        "INSERT INTO log SELECT * FROM log_1; DROP TABLE log_1;",
    ],
)
def test_rows_that_move_to_another_partition_are_not_lost(
    project: Project, down: str
) -> None:
    prepare(project, "postgres", LOG, down)

    project.downgrade("-1")

    assert project.applied("postgres") == ["001_base"]


def test_a_key_that_moves_a_row_to_another_partition_is_the_only_loss(
    project: Project,
) -> None:
    setup = LOG.replace("at int", "id int, at int").replace("SELECT n", "SELECT n, n")
    prepare(project, "postgres", setup, "UPDATE log SET at = at + 10 WHERE at < 10;")

    assert refused(project) == ["9 values of log_1.at"]


def test_plan_finds_rows_in_a_partition_that_was_made_empty_and_is_not_named(
    project: Project,
) -> None:
    made = LOG.replace("at int", "id int, at int").replace("SELECT n", "SELECT n, n")
    move = "TRUNCATE lo' || 'g_2; UPDATE lo' || 'g SET at = at + 10"
    move = f"DO $$ BEGIN EXECUTE '{move}'; END $$;"
    project.add("postgres", "001_made", made.replace("(1, 15)", "(1, 9)"))
    project.add("postgres", "002_moved", "SELECT 1;", move)

    steps = dry_run(project.settings, lambda _line: None).steps

    losses = steps[-1].undo.losses
    assert [loss.described() for loss in losses] == ["9 values of log_1.at"]


def test_a_table_that_becomes_partitioned_keeps_its_rows(project: Project) -> None:
    prepare(
        project,
        "postgres",
        FILL,
        "ALTER TABLE t RENAME TO old; CREATE TABLE t (LIKE old) PARTITION BY LIST (id);"
        "CREATE TABLE t_all PARTITION OF t DEFAULT;"
        "INSERT INTO t SELECT * FROM old; DROP TABLE old;",
    )

    project.downgrade("-1")

    assert project.pg("SELECT count(*) FROM t_all") == [(4,)]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("SELECT lo_unlink(4711);", ["1 row of pg_catalog.pg_largeobject"]),
        (
            "SELECT lo_put(4712, 0, 'x');",
            ["1 value of pg_catalog.pg_largeobject.data"],
        ),
        ("SELECT lo_put(4712, 0, 'other'); SELECT lo_from_bytea(0, 'new');", []),
        ("SELECT lo_get(4711);", []),
    ],
)
def test_large_objects_are_compared(
    project: Project, down: str, expected: list[str]
) -> None:
    setup = "SELECT lo_from_bytea(4711, 'some'), lo_from_bytea(4712, 'other')"
    prepare(project, "postgres", setup, down)

    if expected:
        assert refused(project) == expected
    else:
        project.downgrade("-1")
    assert project.pg("SELECT convert_from(lo_get(4712), 'UTF8')") == [("other",)]


SQLITE_LOST = {
    "text to integer": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
        "INSERT INTO t VALUES (1, '007'), (2, '8'), (3, 'x');",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER);"
        "INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ["1 value of t.v"],
    ),
    "text of a column without a type": (
        "CREATE TABLE t (id PRIMARY KEY, v);"
        "INSERT INTO t VALUES ('01', '007'), (2, 8), (3, 'x'), (4, 1.0), ('5', NULL);",
        "CREATE TABLE n (id NUMERIC PRIMARY KEY, v INTEGER);"
        "INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ["2 values of t.id", "1 value of t.v"],
    ),
    "rounded": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL);"
        "INSERT INTO t VALUES (1, 1.25), (2, 2);",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER);"
        "INSERT INTO n SELECT id, CAST(v AS INTEGER) FROM t;"
        "DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ["1 value of t.v"],
    ),
    "an integer that a float cannot hold": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);"
        "INSERT INTO t VALUES (1, 9007199254740993), (2, 5);",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v REAL);"
        "INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
        ["1 value of t.v"],
    ),
    "case under a collation that ignores it": (
        "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY, v TEXT COLLATE NOCASE);"
        "INSERT INTO t VALUES ('a', 'Ab'), ('b', 'b');",
        "UPDATE t SET v = lower(v);",
        ["1 value of t.v"],
    ),
    "a key that is NULL": (
        "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT);"
        "INSERT INTO t VALUES (NULL, 'a'), (NULL, 'b'), ('c', 'c');",
        "DELETE FROM t WHERE v = 'a';",
        ["1 row of t"],
    ),
    "not text at all": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
        "INSERT INTO t VALUES (1, CAST(x'ff00' AS TEXT)), (2, x'ff01');",
        "UPDATE t SET v = CAST(x'fe' AS TEXT);",
        ["2 values of t.v"],
    ),
    "without a rowid": (
        "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;"
        "INSERT INTO t VALUES ('a', 'a'), ('b', 'b');",
        "UPDATE t SET v = 'x' WHERE id = 'a';",
        ["1 value of t.v"],
    ),
    "beside the coordinates of an R*Tree": (
        "CREATE VIRTUAL TABLE t USING rtree (id, low, high, +v);"
        "INSERT INTO t VALUES (1, 0, 1, 'a'), (2, 0, 1, 'b');",
        "UPDATE t SET v = 'x' WHERE id = 1;",
        ["1 value of t_rowid.a0"],
    ),
}


@pytest.mark.parametrize("case", SQLITE_LOST)
def test_values_that_sqlite_does_not_hold_any_more_are_counted(
    project: Project, case: str
) -> None:
    setup, down, expected = SQLITE_LOST[case]
    prepare(project, "sqlite", setup, down)

    assert refused(project) == expected


def test_what_is_kept_to_compare_outlasts_each_of_several_steps(
    project: Project,
) -> None:
    project.add("sqlite", "001_base", FILL)
    project.add("sqlite", "002_a", NOTHING, "UPDATE t SET name = 'x' WHERE id = 1;")
    project.add("sqlite", "003_b", NOTHING, "UPDATE t SET other = 'x' WHERE id = 2;")
    project.upgrade()

    with pytest.raises(DataLossError) as failure:
        project.downgrade("sqlite@-2")

    assert failure.value.evidence == (
        "sqlite: 1 value of t.name",
        "sqlite: 1 value of t.other",
    )


def test_a_table_that_is_not_touched_is_not_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = FILL + "CREATE TABLE u (id int); INSERT INTO u VALUES (1);"
    prepare(
        project, "postgres", setup, "ALTER TABLE u RENAME TO v; UPDATE t SET id=id;"
    )
    read = []
    measure = kept_rows.KeptRows._measure

    def and_note(self: object, family: object, table: data_loss.Table) -> None:
        read.append(table.name)
        measure(self, family, table)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_rows.KeptRows, "_measure", and_note)

    project.downgrade("-1")

    assert read == ["public.t"]


@pytest.mark.parametrize(
    "down",
    [
        "ALTER TABLE t ALTER COLUMN other SET NOT NULL;",
        "ALTER TABLE main.t ALTER other DROP NOT NULL;",
        "ALTER TABLE t ALTER other SET NOT NULL; ALTER TABLE t RENAME other TO more;",
        "ALTER TABLE t ADD CHECK (id > 0);",
        "ALTER TABLE t DROP CONSTRAINT k;",
    ],
)
def test_a_constraint_of_sqlite_takes_no_values(project: Project, down: str) -> None:
    setup = (
        "CREATE TABLE t (id integer PRIMARY KEY, other text, CONSTRAINT k CHECK (id));"
        "INSERT INTO t VALUES (1, 'a'), (2, 'b');"
    )
    prepare(project, "sqlite", setup, down)
    if sqlite3.sqlite_version_info < (3, 53):
        with pytest.raises(StatementError, match="syntax error"):
            project.downgrade("-1")
        return

    project.downgrade("-1")

    with closing(sqlite3.connect(project.file)) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == [(1, "a"), (2, "b")]
