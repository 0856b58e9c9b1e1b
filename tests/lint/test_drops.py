"""What a DROP takes along, and what a rebuild brings back in another form."""

from __future__ import annotations

import pytest

from sqlpair.lint import Finding

from .conftest import Linted

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, a text, b text);\n"


def of_rule(found: list[Finding], rule: str) -> list[str]:
    return [item.message for item in found if item.rule == rule]


def rolled_back(linted: Linted, up: str, down: str, before: str = TABLE) -> list[str]:
    files = {
        "postgres/001_t.sql": before,
        "postgres/002_u.sql": up,
        "postgres/002_u_rollback.sql": down,
    }
    return of_rule(linted(files), "rollback-incomplete")


PARTITIONS = (
    "CREATE TABLE p (id bigint PRIMARY KEY) PARTITION BY RANGE (id);\n"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9) PARTITION BY LIST (id);"
    "CREATE TABLE p11 PARTITION OF p1 DEFAULT;\n"
    "CREATE TABLE p2 (id bigint PRIMARY KEY);\n"
    "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);\n"
)
TRIGGER = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\n"
    "BEGIN RETURN NEW; END $$;\n"
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
)


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (PARTITIONS, "DROP TABLE p;"),
        (
            "CREATE SEQUENCE s; ALTER TABLE t ADD n bigint;"
            "ALTER SEQUENCE s OWNED BY t.n;",
            "ALTER TABLE t DROP n;",
        ),
        (
            "CREATE TABLE q (id bigint PRIMARY KEY);"
            "CREATE SEQUENCE s OWNED BY public.q.id;",
            "DROP TABLE q;",
        ),
        (
            "CREATE MATERIALIZED VIEW m AS SELECT * FROM t;"
            "CREATE UNIQUE INDEX mi ON m (id);",
            "DROP MATERIALIZED VIEW m;",
        ),
        ("CREATE DOMAIN d AS text;", "DROP TYPE d;"),
        (
            "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            "DROP ROUTINE f(int);",
        ),
        (
            "CREATE SCHEMA x; CREATE TABLE x.y (id bigint PRIMARY KEY);"
            "CREATE VIEW x.v AS SELECT 1; CREATE TYPE x.e AS ENUM ('a');"
            "CREATE INDEX yi ON x.y (id);",
            "DROP SCHEMA x CASCADE;",
        ),
        (
            "CREATE TYPE mood AS ENUM ('a'); ALTER TABLE t ADD m mood, ADD n mood[];"
            "CREATE INDEX mi ON t (m);",
            "DROP TYPE mood CASCADE;",
        ),
        (
            "CREATE TABLE q (id bigint PRIMARY KEY); CREATE VIEW v AS SELECT * FROM q;"
            "CREATE VIEW w AS SELECT * FROM v;",
            "DROP TABLE q CASCADE;",
        ),
        (TRIGGER, "DROP FUNCTION f() CASCADE;"),
        (
            "ALTER TABLE t ADD c text; CREATE INDEX e ON t (lower(c));"
            "CREATE INDEX w ON t (a) WHERE c IS NULL;"
            "CREATE INDEX n ON t (a) INCLUDE (c);",
            "ALTER TABLE t DROP COLUMN c;",
        ),
        (
            "CREATE INDEX ON t (lower(a)); CREATE INDEX ON t (a, b);"
            "CREATE INDEX ON t (a, b);",
            "DROP INDEX t_lower_idx, t_a_b_idx, t_a_b_idx1;",
        ),
        (
            "CREATE UNIQUE INDEX ui ON t (a);"
            "ALTER TABLE t ADD CONSTRAINT uc UNIQUE USING INDEX ui;",
            "ALTER TABLE t DROP CONSTRAINT uc;",
        ),
        ("CREATE VIEW v AS SELECT 1; ALTER VIEW v RENAME TO w;", "DROP VIEW w;"),
        (
            "CREATE OR REPLACE VIEW v AS SELECT 2;",
            "CREATE OR REPLACE VIEW v AS SELECT 1;",
        ),
    ],
)
def test_a_rollback_need_not_drop_what_goes_with_something_else(
    linted: Linted, up: str, down: str
) -> None:
    assert rolled_back(linted, up, down) == []


@pytest.mark.parametrize(
    ("up", "down", "left"),
    [
        (
            "CREATE MATERIALIZED VIEW m AS SELECT * FROM t;",
            "SELECT 1;",
            "materialized view m",
        ),
        ("CREATE SEQUENCE s;", "ALTER TABLE t DROP b; SELECT 1;", "sequence s"),
        (
            "CREATE SEQUENCE s OWNED BY t.a; ALTER SEQUENCE s OWNED BY NONE;",
            "ALTER TABLE t DROP COLUMN a;",
            "sequence s",
        ),
        (
            "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN d AS mood;",
            "DROP TYPE d;",
            "type mood",
        ),
        (
            PARTITIONS + "ALTER TABLE p DETACH PARTITION p2;",
            "DROP TABLE p;",
            "table p2",
        ),
        (TRIGGER, "DROP TRIGGER g ON t;", "function f"),
        ("CREATE VIEW v AS SELECT * FROM t;", "SELECT 1;", "view v"),
        (
            "CREATE VIEW v AS SELECT 1; ALTER VIEW v RENAME TO w;",
            "SELECT 1;",
            "view w",
        ),
        ("ALTER TABLE t ADD c text;", "ALTER TABLE t DROP a;", "column t.c"),
        ("CREATE INDEX ON t (a);", "DROP INDEX t_b_idx;", "index t_a_idx"),
    ],
)
def test_what_goes_with_nothing_is_left_behind(
    linted: Linted, up: str, down: str, left: str
) -> None:
    assert any(
        f"leaves {left} behind" in message for message in rolled_back(linted, up, down)
    )


def test_a_dropped_view_is_to_come_back(linted: Linted) -> None:
    before = f"{TABLE}CREATE VIEW v AS SELECT 1;\n"

    (message,) = rolled_back(linted, "DROP VIEW v;", "SELECT 1;", before)
    assert "does not create view v again" in message

    again = "CREATE VIEW v AS SELECT 1;"
    assert rolled_back(linted, "DROP VIEW v;", again, before) == []


def test_what_a_rollback_does_is_not_blamed_on_its_migration(linted: Linted) -> None:
    files = {
        "postgres/001_t.sql": TABLE,
        "postgres/002_u.sql": "ALTER TABLE t ADD c text;\n",
        "postgres/002_u_rollback.sql": "ALTER TABLE t ALTER c SET NOT NULL;\n"
        "ALTER TABLE t DROP c;\n",
    }

    assert linted(files) == []


REBUILT = (
    "CREATE TABLE new_t (id INT PRIMARY KEY, a TEXT, b TEXT);\n"
    "INSERT INTO new_t SELECT * FROM t;\nDROP TABLE t;\n"
    "ALTER TABLE new_t RENAME TO t;\n"
)


@pytest.mark.parametrize(
    ("old", "new", "forgotten"),
    [
        ("INDEX i ON t (a)", "INDEX i ON t (a, b)", False),
        ("INDEX i ON t (a)", "INDEX i ON t (b)", False),
        ("INDEX i ON t (a)", "INDEX other ON t (a, b)", False),
        ("INDEX i ON t (a)", "INDEX other ON t (a DESC)", False),
        ("INDEX i ON t (lower(a))", "INDEX i ON t (LOWER( a ))", False),
        ("INDEX i ON t (lower(a))", "INDEX j ON t (upper(a))", True),
        ("INDEX i ON t (a)", "INDEX other ON t (b, a)", True),
        ("INDEX i ON t (a) WHERE b = 1", "INDEX i ON t (a) WHERE (b=1)", False),
        ("INDEX i ON t (a) WHERE b = 1", "INDEX j ON t (a)", False),
        ("INDEX i ON t (a)", "INDEX j ON t (a) WHERE b = 1", True),
        ("UNIQUE INDEX i ON t (a) WHERE b = 1", "UNIQUE INDEX i ON t (a)", True),
        ("UNIQUE INDEX i ON t (a)", "INDEX i ON t (a)", True),
        ("UNIQUE INDEX i ON t (a)", "INDEX j ON t (a, b)", True),
        ("UNIQUE INDEX i ON t (a)", "UNIQUE INDEX i ON t (a, b)", False),
    ],
)
def test_an_index_that_comes_back_with_other_columns_is_not_forgotten(
    linted: Linted, old: str, new: str, forgotten: bool
) -> None:
    files = {
        "sqlite/001_t.sql": "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b TEXT);\n"
        f"CREATE {old};\n",
        "sqlite/002_u.sql": f"{REBUILT}CREATE {new};\n",
    }

    assert [f.rule for f in linted(files)] == ["rebuild-forgets"] * forgotten


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE kept;",
        "CREATE INDEX i ON kept (id); DROP TABLE kept;",
        "ALTER TABLE kept ADD x text; DROP TABLE IF EXISTS kept;",
    ],
)
def test_a_temporary_table_may_be_dropped_by_who_made_it(
    linted: Linted, database: str, sql: str
) -> None:
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY);\n"
    made = f"CREATE TEMP TABLE kept AS SELECT id FROM t;\n{sql}\n"
    found = linted(
        {
            f"{database}/001_t.sql": table,
            f"{database}/002_x.sql": made,
            f"{database}/002_x_rollback.sql": made,
        }
    )

    own = [item.rule for item in found if "002_x" in item.path]
    assert not {"drop", "rollback-incomplete", "unparsed"} & {*own}


def test_one_that_was_there_before_may_not(linted: Linted) -> None:
    files = {
        "postgres/001_t.sql": "CREATE TABLE t (id bigint PRIMARY KEY);\n",
        "postgres/002_x.sql": "CREATE TEMP TABLE t (id int);\nDROP TABLE t;\n"
        "DROP TABLE t;\n",
    }

    assert [item.line for item in linted(files) if item.rule == "drop"] == [3]


FOREIGN = (
    "CREATE EXTENSION postgres_fdw;\n"
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;\n"
    "CREATE FOREIGN TABLE f (id bigint) SERVER s OPTIONS (table_name 'f');\n"
    "CREATE VIEW v AS SELECT * FROM f;\n"
)


@pytest.mark.parametrize(
    "down",
    [
        "DROP SERVER s CASCADE; DROP EXTENSION postgres_fdw;",
        "DROP FOREIGN DATA WRAPPER IF EXISTS postgres_fdw CASCADE;",
        "DROP EXTENSION postgres_fdw CASCADE;",
        "DROP VIEW v; DROP FOREIGN TABLE f; DROP SERVER s;",
    ],
)
def test_what_is_on_a_server_goes_with_it(linted: Linted, down: str) -> None:
    assert rolled_back(linted, FOREIGN, down) == []


def test_an_option_of_a_server_is_no_name_of_a_table(linted: Linted) -> None:
    server = "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'a', dbname 'b');"
    before = (
        f"{TABLE}{server}\nCREATE TABLE host ();\nCREATE FOREIGN TABLE f () SERVER s;"
    )
    up, down = "DROP TABLE host CASCADE;", "CREATE TABLE host ();"

    assert rolled_back(linted, up, down, before) == []


def test_what_is_on_another_server_stays(linted: Linted) -> None:
    more = (
        "CREATE SERVER r FOREIGN DATA WRAPPER w;\nCREATE FOREIGN TABLE g () SERVER r;\n"
    )
    found = rolled_back(linted, FOREIGN + more, "DROP SERVER s CASCADE;")

    assert [message.partition(":")[0] for message in found] == [
        "the rollback leaves table g behind",
        "the rollback leaves server r behind",
    ]
