"""A downgrade that would lose rows or values is refused, with what it would lose."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import pytest
from psycopg2.errors import LockNotAvailable

from conftest import Project
from sqlpair.databases.data_loss import CountedTable
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql import data_loss as postgresql
from sqlpair.databases.postgresql.data_loss import PostgreSQLInspector
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite import data_loss as sqlite
from sqlpair.errors import ConnectError, DataLossError, LockError, SqlpairError
from sqlpair.plan.dry_run import dry_run
from sqlpair.runner import revision_modules
from sqlpair.runner.steps import Step

NOTHING = "SELECT 1;\n"
BOTH = ("postgres", "sqlite")


def run(project: Project, database: str, sql: str) -> list[tuple[object, ...]]:
    return project.lite(sql) if database == "sqlite" else project.pg(sql)


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def with_rows(project: Project, database: str, down: str) -> None:
    """One table with three rows, two of them with a note; ``down`` undoes 002."""
    project.add(
        database,
        "001_base",
        "CREATE TABLE item (id integer PRIMARY KEY, note text);\n"
        "CREATE TABLE part (id integer PRIMARY KEY, item integer"
        " REFERENCES item (id) ON DELETE CASCADE);\n"
        "CREATE TABLE other (id integer PRIMARY KEY);\n",
    )
    project.add(database, "002_next", NOTHING, down)
    project.upgrade()
    run(project, database, "INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, NULL)")
    run(project, database, "INSERT INTO part VALUES (10, 1), (11, 1), (12, 2)")
    run(project, database, "INSERT INTO other VALUES (1)")


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("DROP TABLE part;", ["3 rows of part"]),
        ("DROP TABLE part; DROP TABLE item;", ["3 rows of item", "3 rows of part"]),
        ("ALTER TABLE item DROP COLUMN note;", ["2 values of item.note"]),
        ("DELETE FROM item WHERE id = 3;", ["1 row of item"]),
        ("UPDATE item SET note = NULL WHERE id = 1;", ["1 value of item.note"]),
        (
            "CREATE TABLE n (id integer PRIMARY KEY, note text);\n"
            "INSERT INTO n SELECT id, note FROM item WHERE id < 3;\n"
            "ALTER TABLE other RENAME TO gone_other;\n"
            "DROP TABLE part;\nDROP TABLE item;\nALTER TABLE n RENAME TO item;",
            ["1 row of item", "3 rows of part"],
        ),
        (
            "ALTER TABLE item DROP COLUMN note;\n"
            "ALTER TABLE item ADD COLUMN memo text DEFAULT 'x';",
            ["2 values of item.note"],
        ),
        (
            "ALTER TABLE item RENAME COLUMN note TO remark;\n"
            "ALTER TABLE item DROP COLUMN remark;\n"
            "ALTER TABLE item ADD COLUMN note text DEFAULT 'x';",
            ["2 values of item.note"],
        ),
    ],
)
def test_downgrade_that_loses_data_is_refused_with_the_counts(
    project: Project, database: str, down: str, expected: list[str]
) -> None:
    with_rows(project, database, down + "\n")

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    prefix = "" if database == "sqlite" else "public."
    said = sorted(line.replace(prefix, "") for line in failure.value.evidence)
    assert said == [f"{database}: {line}" for line in expected]
    assert "--allow-data-loss" in failure.value.remedy
    assert project.applied(database) == ["001_base", "002_next"]
    assert project.tables(database) == {"item", "part", "other"}
    assert run(project, database, "SELECT count(note) FROM item") == [(2,)]


@pytest.mark.parametrize(
    "down",
    [
        "SELECT 1;",
        "ALTER TABLE item RENAME TO thing;",
        "ALTER TABLE item RENAME COLUMN note TO remark;",
        "ALTER TABLE item ADD COLUMN more text;",
        "CREATE TABLE empty (id integer); DROP TABLE empty;",
        "INSERT INTO other VALUES (2);",
        "UPDATE item SET note = 'c' WHERE id = 3;",
        "CREATE TABLE n (id integer PRIMARY KEY);\n"
        "INSERT INTO n SELECT id FROM other;\n"
        "DROP TABLE other; ALTER TABLE n RENAME TO other;",
    ],
)
def test_downgrade_that_loses_nothing_goes_through(
    project: Project, database: str, down: str
) -> None:
    with_rows(project, database, down + "\n")

    project.downgrade("-1")

    assert project.applied(database) == ["001_base"]


def test_downgrade_that_empties_no_table_with_rows_runs_once(
    project: Project, database: str
) -> None:
    project.add(database, "001_empty", "CREATE TABLE e (id int);", "DROP TABLE e;")
    project.upgrade()

    project.downgrade("-1")

    assert project.tables(database) == set()


@pytest.mark.parametrize("made", ["fts5 (body)", "fts4 (body)", "rtree (id, a, b)"])
def test_a_virtual_table_without_rows_can_be_dropped(
    project: Project, made: str
) -> None:
    with_rows(project, "sqlite", "DROP TABLE made;\n")
    project.lite(f"CREATE VIRTUAL TABLE made USING {made}")

    project.downgrade("-1")

    assert project.tables("sqlite") == {"item", "part", "other"}


@pytest.mark.parametrize(
    ("made", "row", "expected"),
    [
        ("fts5 (body)", "'a'", ["made_content"]),
        ("fts4 (body)", "'a'", ["made_content"]),
        # Nobody else has these texts.
        ("fts5 (body, content='')", "'a'", ["made_docsize"]),
        ('fts5 (body, content = "")', "'a'", ["made_docsize"]),
        ("rtree (id, a, b)", "1, 2, 3", ["made_rowid"]),
    ],
)
def test_a_virtual_table_with_rows_is_counted(
    project: Project, made: str, row: str, expected: list[str]
) -> None:
    with_rows(project, "sqlite", "DROP TABLE made;\n")
    project.lite(f"CREATE VIRTUAL TABLE made USING {made}")
    project.lite(f"INSERT INTO made VALUES ({row})")

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    assert failure.value.evidence == tuple(f"sqlite: 1 row of {t}" for t in expected)


@pytest.mark.parametrize(
    "made",
    [
        "fts5 (note, content='item', content_rowid='id')",
        "fts5 (note, content=item, content_rowid=id)",
        'fts4 (content="item", note)',
    ],
)
def test_an_index_of_texts_that_another_table_has_can_be_dropped(
    project: Project, made: str
) -> None:
    with_rows(project, "sqlite", "DROP TABLE made;\n")
    project.lite(f"CREATE VIRTUAL TABLE made USING {made}")
    project.lite("INSERT INTO made (made) VALUES ('rebuild')")

    project.downgrade("-1")

    assert project.tables("sqlite") == {"item", "part", "other"}


def test_a_table_whose_place_an_older_one_takes_is_lost(
    project: Project, database: str
) -> None:
    with_rows(
        project, database, "DROP TABLE part;\nALTER TABLE part_old RENAME TO part;\n"
    )
    run(project, database, "CREATE TABLE part_old AS SELECT * FROM part")

    with pytest.raises(DataLossError, match="3 rows"):
        project.downgrade("-1")

    assert run(project, database, "SELECT count(*) FROM part") == [(3,)]


def test_tables_are_followed_through_the_renames_of_others(
    project: Project, database: str
) -> None:
    with_rows(
        project,
        database,
        "ALTER TABLE part RENAME TO [a part];\n"
        "/* it */ alter table main.none RENAME TO 'no one'; -- is empty\n"
        'DROP TABLE "no one";\nALTER TABLE "a part" RENAME TO x;\n'
        if database == "sqlite"
        else "ALTER TABLE part RENAME TO p; ALTER TABLE none RENAME TO n;\n"
        "DROP TABLE n; ALTER TABLE p RENAME TO x;\n",
    )
    run(project, database, "CREATE TABLE none (id integer)")

    project.downgrade("-1")

    assert run(project, database, "SELECT count(*) FROM x") == [(3,)]


def test_columns_are_followed_where_others_are_dropped(
    project: Project, database: str
) -> None:
    down = (
        "ALTER TABLE item RENAME COLUMN note TO remark;\n"
        "ALTER TABLE item RENAME TO thing;\nALTER TABLE thing DROP COLUMN more;\n"
        "ALTER TABLE thing RENAME remark TO said;\n"
    )
    with_rows(project, database, down)
    run(project, database, "ALTER TABLE item ADD COLUMN more text")

    project.downgrade("-1")

    assert run(project, database, "SELECT count(said) FROM thing") == [(2,)]


def test_alembic_downgrade_loses_data_only_when_told_so(
    project: Project, database: str
) -> None:
    with_rows(project, database, "DROP TABLE part;\n")

    refused = project.alembic("downgrade", "-1", expect=1)
    project.alembic("-x", "allow-data-loss=true", "downgrade", "-1")

    assert "the downgrade would lose data: 3 rows" in refused.stderr
    assert project.tables(database) == {"item", "other"}


def test_refusal_on_one_database_leaves_the_other_as_it_was(project: Project) -> None:
    project.add("postgres", "001_p", "CREATE TABLE p (id int);", "DROP TABLE p;")
    project.add("sqlite", "002_s", "CREATE TABLE s (id int);", "DROP TABLE s;")
    project.upgrade()
    project.lite("INSERT INTO s VALUES (1)")

    with pytest.raises(DataLossError):
        project.downgrade("base")

    assert project.tables("postgres") == {"p"}
    assert project.tables("sqlite") == {"s"}


def test_no_transaction_rollback_is_refused_before_anything_runs(
    project: Project, database: str
) -> None:
    project.add(
        database,
        "001_t",
        "CREATE TABLE t (id int);",
        "-- no-transaction\nDROP TABLE t;\n",
    )
    project.upgrade()

    with pytest.raises(DataLossError, match="cannot be known beforehand"):
        project.downgrade("-1")

    assert project.tables(database) == {"t"}


def test_a_refusal_says_what_was_undone_before_it(
    project: Project, database: str
) -> None:
    project.add(database, "001_t", "CREATE TABLE t (id int);", "DROP TABLE t;")
    alone = "-- no-transaction\nDROP INDEX i;\n"
    project.add(database, "002_i", "CREATE INDEX i ON t (id);", alone)
    project.upgrade()
    run(project, database, "INSERT INTO t VALUES (1)")

    with pytest.raises(DataLossError) as refused:
        project.downgrade("base")

    assert f"committed before it: {database} 002_i" in str(refused.value)
    assert "Nothing was changed" not in str(refused.value)
    assert "To allow data loss: sqlpair rollback" in str(refused.value)
    assert project.applied(database) == ["001_t"]


OUTSIDE = {
    "an index": (True, {"postgres": "DROP INDEX CONCURRENTLY i;", "sqlite": "VACUUM;"}),
    "another": (
        True,
        {
            "postgres": "DROP INDEX CONCURRENTLY IF EXISTS i;\n"
            "CREATE UNIQUE INDEX CONCURRENTLY j ON t (id);\nANALYZE t;\n",
            "sqlite": "DROP INDEX i;\nREINDEX;\nVACUUM;\n",
        },
    ),
    "nothing": (True, {"postgres": "-- it stays", "sqlite": "SELECT 1;"}),
    "an index, and rows": (
        False,
        {
            "postgres": "DROP INDEX CONCURRENTLY i;\nDELETE FROM t;\n",
            "sqlite": "DROP INDEX i;\nDELETE FROM t;\n",
        },
    ),
    "a function": (
        False,
        {"postgres": "SELECT now();", "sqlite": "SELECT writefile('f', '');"},
    ),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_no_transaction_rollback_that_surely_keeps_rows_is_not_refused(
    project: Project, database: str, case: str
) -> None:
    allowed, down = OUTSIDE[case]
    project.add(
        database,
        "001_t",
        "CREATE TABLE t (id int);\nCREATE INDEX i ON t (id);\n",
        f"-- no-transaction\n{down[database]}\n",
    )
    project.upgrade()
    run(project, database, "INSERT INTO t VALUES (1)")

    if allowed:
        project.downgrade("-1")
    else:
        with pytest.raises(DataLossError, match="cannot be known beforehand"):
            project.downgrade("-1")

    assert project.tables(database) == {"t"}


def test_a_module_beside_a_no_transaction_rollback_may_lose_anything(
    project: Project,
) -> None:
    up = "CREATE TABLE t (id int);\nCREATE INDEX i ON t (id);\n"
    project.add("sqlite", "001_t", up, "-- no-transaction\nDROP INDEX i;\n")
    module = project.root / "alembic" / "versions" / "sqlite" / "001_t.py"
    module.write_text(
        f"from alembic import op\n{module.read_text()}\nown = downgrade\n\n\n"
        "def downgrade():\n    own()\n    op.execute('DROP TABLE t')\n"
    )
    project.upgrade()

    with pytest.raises(DataLossError, match="cannot be known beforehand"):
        project.downgrade("-1")


def test_replace_that_deletes_a_row_is_noticed(project: Project) -> None:
    project.add(
        "sqlite",
        "001_u",
        "CREATE TABLE u (id integer PRIMARY KEY, code text UNIQUE);\n",
        "INSERT OR REPLACE INTO u VALUES (3, 'a'), (3, 'b');\n",
    )
    project.upgrade()
    project.lite("INSERT INTO u VALUES (1, 'a'), (2, 'b')")

    with pytest.raises(DataLossError, match="2 rows"):
        project.downgrade("-1")


@pytest.mark.parametrize("columns", ["", "always int GENERATED ALWAYS AS (1) STORED"])
def test_rows_without_a_value_of_their_own_are_counted_on_postgresql(
    project: Project, columns: str
) -> None:
    with_rows(project, "postgres", "DELETE FROM bare;\n")
    project.pg(f"CREATE TABLE bare ({columns})")
    project.pg("INSERT INTO bare DEFAULT VALUES")

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    assert failure.value.evidence == ("postgres: 1 row of public.bare",)


def test_rows_that_sqlite_cannot_compare_are_told_and_kept(project: Project) -> None:
    with_rows(project, "sqlite", "UPDATE wide SET c1 = 1;\n")
    # More columns than SQLite compares in one expression.
    columns = ", ".join(f"c{number}" for number in range(1, 1100))
    project.lite(f"CREATE TABLE wide (c0 INTEGER PRIMARY KEY, {columns})")
    project.lite("INSERT INTO wide (c1) VALUES (2)")

    with pytest.raises(SqlpairError, match="sqlite: SQLite failed"):
        project.downgrade("-1")

    assert project.lite("SELECT c1 FROM wide") == [(2,)]


def test_truncate_is_noticed_on_postgresql(project: Project) -> None:
    with_rows(project, "postgres", "TRUNCATE item, part;\n")

    with pytest.raises(DataLossError, match="6 rows"):
        project.downgrade("-1")


def test_cascaded_deletes_are_counted_on_postgresql(project: Project) -> None:
    with_rows(project, "postgres", "DELETE FROM item WHERE id = 1;\n")

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    assert failure.value.evidence == (
        "postgres: 1 row of public.item",
        "postgres: 2 rows of public.part",
    )


# -- tables that a rollback reaches without naming them ------------------------------

UNNAMED = {
    "dynamic DROP": (
        "",
        "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'pa' || 'rt'; END $$;",
        ["3 rows of public.part"],
    ),
    "dynamic TRUNCATE": (
        "",
        "DO $$ BEGIN EXECUTE 'TRUNCATE it' || 'em CASCADE'; END $$;",
        ["3 rows of public.item", "3 rows of public.part"],
    ),
    "dynamic DROP COLUMN": (
        "",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE it' || 'em DROP note'; END $$;",
        ["2 values of public.item.note"],
    ),
    "dynamic rewrite": (
        "",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE it' || 'em ALTER note TYPE integer"
        " USING length(nullif(note, $q$a$q$))'; END $$;",
        ["2 values of public.item.note"],
    ),
    "dynamic rebuild": (
        "",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE n AS SELECT id, note FROM item LIMIT 2';\n"
        "EXECUTE 'DROP TABLE it' || 'em CASCADE';\n"
        "EXECUTE 'ALTER TABLE n RENAME TO it' || 'em'; END $$;",
        ["1 row of public.item"],
    ),
    "function": (
        "CREATE FUNCTION wipe() RETURNS void LANGUAGE sql AS 'DELETE FROM part';",
        "SELECT wipe();",
        ["3 rows of public.part"],
    ),
    "trigger": (
        "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM part WHERE item = 1; RETURN NULL; END';"
        "CREATE TRIGGER t AFTER INSERT ON other EXECUTE FUNCTION wipe();",
        "INSERT INTO other VALUES (2);",
        ["2 rows of public.part"],
    ),
    "deferred trigger": (
        "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM part WHERE item = 1; RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON other DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wipe();",
        "INSERT INTO other VALUES (2);",
        ["2 rows of public.part"],
    ),
    "ON DELETE SET NULL": (
        "CREATE TABLE leaf (item integer REFERENCES item ON DELETE SET NULL);"
        "INSERT INTO leaf VALUES (3)",
        "DELETE FROM item WHERE id = 3;",
        ["1 row of public.item", "1 value of public.leaf.item"],
    ),
    "rule": (
        "CREATE RULE r AS ON INSERT TO other DO ALSO DELETE FROM part;",
        "INSERT INTO other VALUES (2);",
        ["3 rows of public.part"],
    ),
    "view": (
        "CREATE VIEW parts AS SELECT * FROM part;",
        "DELETE FROM parts; DROP VIEW parts;",
        ["3 rows of public.part"],
    ),
    "INSTEAD OF trigger": (
        "CREATE VIEW parts AS SELECT id FROM part;"
        "CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE part SET item = NULL; RETURN NULL; END';"
        "CREATE TRIGGER t INSTEAD OF INSERT ON parts FOR EACH ROW"
        " EXECUTE FUNCTION wipe();",
        "INSERT INTO parts VALUES (1);",
        ["3 values of public.part.item"],
    ),
    "DROP SCHEMA": (
        'CREATE SCHEMA s; CREATE TABLE s."It\'s \\ here" (id int);'
        'INSERT INTO s."It\'s \\ here" VALUES (1)',
        "DROP SCHEMA s CASCADE;",
        ['1 row of s."It\'s \\ here"'],
    ),
    "a name to be quoted": (
        'CREATE TABLE "It\'s \\ here" (id int);INSERT INTO "It\'s \\ here" VALUES (1)',
        'DROP TABLE "It\'s \\ here";',
        ['1 row of public."It\'s \\ here"'],
    ),
    "DROP TYPE": (
        "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE day (id int, its mood);"
        "INSERT INTO day VALUES (1, 'good')",
        "DROP TYPE mood CASCADE;",
        ["1 value of public.day.its"],
    ),
    "what an empty table refers to": (
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1);"
        "CREATE TABLE none (id int REFERENCES kept)",
        "DO $$ BEGIN EXECUTE 'DELETE FROM ke' || 'pt'; END $$; DROP TABLE none;",
        ["1 row of public.kept"],
    ),
    "another in its place": (
        "",
        "DO $$ BEGIN EXECUTE 'DROP TABLE pa' || 'rt';\n"
        "CREATE TABLE fresh AS SELECT generate_series(1, 9) AS id; END $$;",
        ["3 rows of public.part"],
    ),
    "partition": (
        "CREATE TABLE log (at int) PARTITION BY RANGE (at);"
        "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (9);"
        "INSERT INTO log VALUES (1), (2)",
        "DELETE FROM log WHERE at = 1;",
        ["1 row of public.log_1"],
    ),
    "partitions of a dropped table": (
        "CREATE TABLE log (at int) PARTITION BY RANGE (at);"
        "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (9);"
        "INSERT INTO log VALUES (1), (2)",
        "DROP TABLE log;",
        ["2 rows of public.log_1"],
    ),
    "inheritance": (
        "CREATE TABLE special () INHERITS (other); INSERT INTO special VALUES (1), (2)",
        "DELETE FROM other WHERE id = 2;",
        ["1 row of public.special"],
    ),
    "inherited column": (
        "ALTER TABLE other ADD more text; CREATE TABLE special () INHERITS (other);"
        "INSERT INTO special VALUES (1, 'a'), (2, 'b')",
        "ALTER TABLE other DROP more;",
        ["2 values of public.special.more"],
    ),
    "another name by then": (
        "",
        "ALTER TABLE part RENAME TO p; ALTER TABLE p RENAME TO q; DROP TABLE q;",
        ["3 rows of public.part"],
    ),
    "another schema's in its place": (
        "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT * FROM part;"
        "CREATE SCHEMA old; CREATE TABLE old.t AS SELECT * FROM part",
        "DROP SCHEMA s CASCADE; ALTER SCHEMA old RENAME TO s;",
        ["3 rows of s.t"],
    ),
    "names swapped": (
        "CREATE TABLE none (id integer)",
        "ALTER TABLE part RENAME TO p; ALTER TABLE none RENAME TO part;"
        "ALTER TABLE p RENAME TO none; DROP TABLE none;",
        ["3 rows of public.part"],
    ),
}


@pytest.mark.parametrize("case", UNNAMED)
def test_a_table_that_postgresql_reaches_by_another_way_is_counted(
    project: Project, case: str
) -> None:
    setup, down, expected = UNNAMED[case]
    with_rows(project, "postgres", down + "\n")
    if setup:
        project.pg(setup)

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    assert list(failure.value.evidence) == [f"postgres: {line}" for line in expected]
    assert project.pg("SELECT count(note) FROM item") == [(2,)]


SQLITE_UNNAMED = {
    "trigger": (
        "CREATE TRIGGER t AFTER INSERT ON other BEGIN DELETE FROM part; END;",
        "INSERT INTO other VALUES (2);",
        ["3 rows of part"],
    ),
    "triggers of triggers": (
        "CREATE TRIGGER t AFTER INSERT ON other BEGIN DELETE FROM part; END;"
        "CREATE TRIGGER u AFTER DELETE ON part BEGIN"
        " UPDATE item SET note = NULL; END;",
        "INSERT INTO other VALUES (2);",
        ["2 values of item.note", "3 rows of part"],
    ),
    "INSTEAD OF trigger": (
        "CREATE VIEW parts AS SELECT id FROM part;"
        "CREATE TRIGGER t INSTEAD OF INSERT ON parts BEGIN"
        " UPDATE part SET item = NULL; END;",
        "INSERT INTO parts VALUES (1);",
        ["3 values of part.item"],
    ),
    "brackets": (
        'CREATE TABLE "My Own" (id int, "a b" int); INSERT INTO "My Own" VALUES (1, 2)',
        "ALTER TABLE [my own] DROP [a b];",
        ["1 value of My Own.a b"],
    ),
    "doubled quotes": (
        'CREATE TABLE "a""b\'c" (id int); INSERT INTO "a""b\'c" VALUES (1)',
        'DROP TABLE "A""B\'C";',
        ["1 row of a\"b'c"],
    ),
    "another case": (
        "CREATE TABLE Mixed (id int); INSERT INTO Mixed VALUES (1)",
        "DROP TABLE MIXED;",
        ["1 row of Mixed"],
    ),
    "letters that only others fold": (
        "CREATE TABLE ä (id int); INSERT INTO ä VALUES (1);"
        "CREATE TRIGGER t AFTER INSERT ON other BEGIN DELETE FROM ä; END;",
        'INSERT INTO other VALUES (2); -- "Ä"',
        ["1 row of ä"],
    ),
    "another in its place": (
        "",
        "DROP TABLE part; CREATE TABLE fresh (a int, b int);"
        "INSERT INTO fresh VALUES (1, 1), (2, 2), (3, 3), (4, 4);",
        ["3 rows of part"],
    ),
    "another in its place, and it had another name by then": (
        "",
        "ALTER TABLE part RENAME TO p; DROP TABLE p;"
        "CREATE TABLE fresh (a int, b int);"
        "INSERT INTO fresh VALUES (1, 1), (2, 2), (3, 3), (4, 4);",
        ["3 rows of part"],
    ),
    "its full text": (
        "CREATE VIRTUAL TABLE found USING fts5 (body);"
        "INSERT INTO found VALUES ('a'), ('b')",
        "DELETE FROM found WHERE body = 'a';",
        ["1 row of found_content"],
    ),
    "another name by then": (
        "",
        "ALTER TABLE part RENAME TO p; ALTER TABLE p RENAME TO q; DROP TABLE q;",
        ["3 rows of part"],
    ),
    "another in its place, where pages are moved": (
        "CREATE TABLE none (id int); CREATE TABLE full (id int);"
        "INSERT INTO full VALUES (1); PRAGMA auto_vacuum = FULL; VACUUM",
        "ALTER TABLE full RENAME TO f; DROP TABLE none;"
        "CREATE TABLE fresh (id int); INSERT INTO fresh VALUES (1); DELETE FROM f;",
        ["1 row of full"],
    ),
    "the schema itself": (
        "",
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'part';",
        ["3 rows of part"],
    ),
}


@pytest.mark.parametrize("case", SQLITE_UNNAMED)
def test_a_table_that_sqlite_reaches_by_another_way_is_counted(
    project: Project, case: str
) -> None:
    setup, down, expected = SQLITE_UNNAMED[case]
    with_rows(project, "sqlite", down + "\n")
    with closing(sqlite3.connect(project.file)) as connection:
        connection.executescript(setup)

    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")

    assert list(failure.value.evidence) == [f"sqlite: {line}" for line in expected]
    assert project.lite("SELECT count(note) FROM item") == [(2,)]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that ran, once for each time."""
    ran = []
    once = revision_modules.run

    def run(step: Step, *rest: Any) -> None:
        ran.append(step.migration.stem)
        once(step, *rest)

    monkeypatch.setattr(revision_modules, "run", run)
    return ran


@pytest.mark.parametrize(
    "down",
    [
        "DROP TABLE child;",
        "DROP TABLE IF EXISTS Child;",
        "ALTER TABLE child DROP COLUMN more;",
        "CREATE TABLE fresh (id integer); INSERT INTO fresh VALUES (1);"
        "UPDATE fresh SET id = 2; ALTER TABLE fresh RENAME TO again;",
        "CREATE TABLE fresh (id integer); DROP TABLE fresh;",
        "CREATE TABLE n AS SELECT id FROM child; DROP TABLE child;"
        "ALTER TABLE n RENAME TO child;",
        "CREATE INDEX i ON child (more); DROP INDEX i;",
    ],
)
def test_downgrade_that_touches_no_rows_runs_once(
    project: Project, database: str, down: str, runs: list[str]
) -> None:
    with_rows(project, database, down + "\n")
    run(
        project,
        database,
        "CREATE TABLE child (id integer PRIMARY KEY,"
        " item integer REFERENCES item (id), more text)",
    )
    runs.clear()

    project.downgrade("-1")

    assert runs == ["002_next"]


@pytest.mark.parametrize(
    ("setup", "down"),
    [
        (
            "",
            "DELETE FROM part; INSERT INTO part VALUES (10, 1), (12, 2), (11, 1);",
        ),
        (
            "",
            "DO $$ BEGIN BEGIN DELETE FROM part; TRUNCATE part; DROP TABLE part;"
            " RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$;",
        ),
        ("", "ALTER TABLE item ALTER id TYPE bigint;"),
        ("CREATE VIEW parts AS SELECT * FROM part", "DROP VIEW parts;"),
        (
            "CREATE TABLE late (id int REFERENCES other DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO late VALUES (9); INSERT INTO other VALUES (9);"
            "UPDATE item SET id = id;",
        ),
        (
            "CREATE SCHEMA s; CREATE TABLE s.item (id int);"
            "INSERT INTO s.item VALUES (1)",
            "ALTER SCHEMA s RENAME TO t;",
        ),
        ("ALTER TABLE item ADD x int; ALTER TABLE item DROP x", "DROP TABLE part;"),
        ("", "SELECT '\"a\\\"', '{\"';"),
    ],
)
def test_downgrade_that_loses_nothing_on_postgresql_goes_through(
    project: Project, setup: str, down: str
) -> None:
    with_rows(project, "postgres", down + "\n")
    project.pg(setup or NOTHING)
    if down == "DROP TABLE part;":
        project.pg("DELETE FROM part")

    project.downgrade("-1")

    assert project.applied("postgres") == ["001_base"]
    assert project.pg("SELECT count(*) FROM item") == [(3,)]


def test_a_row_that_another_client_adds_meanwhile_is_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("postgres", "001_empty", "CREATE TABLE e (id int);", "DROP TABLE e;")
    project.upgrade()
    look = PostgreSQLInspector.look

    def and_then(inspector: PostgreSQLInspector, names: set[str]) -> None:
        look(inspector, names)
        if not project.pg("SELECT id FROM e"):
            project.pg("INSERT INTO e VALUES (1)")

    monkeypatch.setattr(PostgreSQLInspector, "look", and_then)

    with pytest.raises(DataLossError, match="1 row"):
        project.downgrade("-1")

    assert project.pg("SELECT id FROM e") == [(1,)]


def test_plan_counts_a_row_that_another_client_adds_to_a_table_it_has_locked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("postgres", "001_empty", "CREATE TABLE made (id int);")
    project.upgrade()
    lock = "LOCK TABLE made IN ROW EXCLUSIVE MODE;"
    unnamed = "DO $$ BEGIN EXECUTE 'DELETE FROM ma' || 'de'; END $$;"
    project.add("postgres", "002_lock", f"CREATE TABLE o (id int); {lock}")
    project.add("postgres", "003_next", NOTHING, unnamed)
    look = PostgreSQLInspector.look

    def and_then(inspector: PostgreSQLInspector, names: set[str]) -> None:
        look(inspector, names)
        if "EXECUTE" in names and not project.pg("SELECT id FROM made"):
            project.pg("INSERT INTO made VALUES (1)")

    monkeypatch.setattr(PostgreSQLInspector, "look", and_then)

    steps = dry_run(project.settings, lambda _line: None).steps

    assert [tuple(loss) for loss in steps[-1].undo.losses] == [("rows", "made", 1)]


def test_plan_takes_no_table_that_was_there_for_one_whose_place_it_took(
    project: Project,
) -> None:
    project.add(
        "postgres",
        "001_made",
        "CREATE TABLE made (id int); CREATE TABLE other (id int);",
    )
    project.add("postgres", "002_rows", "INSERT INTO made VALUES (1), (2);")
    unnamed = (
        "TRUNCATE othe' || 'r; INSERT INTO othe' || 'r SELECT * FROM ma' || 'de;"
        "DROP TABLE ma' || 'de; ALTER TABLE othe' || 'r RENAME TO ma' || 'de"
    )
    down = f"DO $$ BEGIN EXECUTE '{unnamed}'; END $$;"
    project.add("postgres", "003_next", NOTHING, down)

    steps = dry_run(project.settings, lambda _line: None).steps

    losses = [tuple(loss) for loss in steps[-1].undo.losses]
    assert losses == [("table", "other", 0), ("rows", "made", 2)]


def test_a_touched_table_stays_empty_until_the_second_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = "DROP TABLE e;\nINSERT INTO other VALUES (2);\nUPDATE item SET id = id;\n"
    with_rows(project, "postgres", down)
    project.pg("CREATE TABLE e (id int)")
    hold = PostgreSQLInspector.hold
    said = []

    def and_then(inspector: PostgreSQLInspector, tables: Iterable[str]) -> None:
        hold(inspector, tables)
        with pytest.raises(LockNotAvailable) as failure:
            project.pg("SET lock_timeout = 50; INSERT INTO e VALUES (1)")
        said.append(failure)

    monkeypatch.setattr(PostgreSQLInspector, "hold", and_then)

    project.downgrade("-1")

    assert len(said) == 1
    assert project.tables("postgres") == {"item", "part", "other"}


def test_what_the_second_run_takes_is_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rows(
        project, "postgres", "UPDATE item SET id = id; DELETE FROM other WHERE id > 5;"
    )
    hold = PostgreSQLInspector.hold

    def and_then(inspector: PostgreSQLInspector, tables: Iterable[str]) -> None:
        hold(inspector, tables)
        if project.pg("SELECT max(id) FROM other") == [(1,)]:
            project.pg("INSERT INTO other VALUES (6)")

    monkeypatch.setattr(PostgreSQLInspector, "hold", and_then)

    with pytest.raises(DataLossError, match=r"1 row of public\.other"):
        project.downgrade("-1")

    assert project.pg("SELECT id FROM other ORDER BY id") == [(1,), (6,)]


def test_a_sqlite_run_that_names_its_tables_by_chance_ends(project: Project) -> None:
    with_rows(project, "sqlite", NOTHING)
    module = project.settings.database("sqlite").versions / "002_next.py"
    module.write_text(
        module.read_text()
        + "\n\nimport uuid\n\nfrom alembic import op\n\nback = downgrade\n\n\n"
        + "def downgrade() -> None:\n"
        + "    name = f't{uuid.uuid4().hex}'\n"
        + "    op.execute(f'CREATE TABLE {name} (id integer)')\n"
        + "    op.execute(f'INSERT INTO {name} VALUES (1)')\n"
        + "    op.execute(f'DROP TABLE {name}')\n    back()\n"
    )
    project.sqlpair("repair", "--yes")

    project.downgrade("-1")

    assert project.applied("sqlite") == ["001_base"]


def test_plan_counts_in_a_table_that_is_not_committed_yet(
    project: Project, database: str
) -> None:
    unnamed = "DO $$ BEGIN EXECUTE 'TRUNCATE ma' || 'de'; END $$;"
    empty = unnamed if database == "postgres" else "INSERT INTO other VALUES (1);"
    project.add(
        database, "001_made", "CREATE TABLE made (id int); CREATE TABLE other (id int);"
    )
    project.add(database, "002_rows", "INSERT INTO made VALUES (1), (2);", empty)
    if database == "sqlite":
        project.add(
            database,
            "003_trigger",
            "CREATE TRIGGER t AFTER INSERT ON other BEGIN DELETE FROM made; END;",
            "INSERT INTO other VALUES (1);",
        )

    steps = dry_run(project.settings, lambda _line: None).steps

    assert [tuple(loss) for loss in steps[-1].undo.losses] == [("rows", "made", 2)]


def test_deleted_rows_are_counted_where_the_server_counts_none(
    project: Project,
) -> None:
    with_rows(project, "postgres", "DELETE FROM part;\n")
    project.pg(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_counts = off',"
        " current_database()); END $$"
    )

    with pytest.raises(DataLossError, match="3 rows"):
        project.downgrade("-1")


def test_rows_that_a_file_deletes_uncounted_are_counted(project: Project) -> None:
    with_rows(
        project,
        "postgres",
        "SET track_counts = off;\nDELETE FROM part;\nSET track_counts = on;\n",
    )

    with pytest.raises(DataLossError, match="3 rows"):
        project.downgrade("-1")


def test_dropping_a_table_asks_no_second_connection(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = "CREATE TABLE p (id integer PRIMARY KEY);\n"
    child = "CREATE TABLE t (id serial PRIMARY KEY, p integer REFERENCES p, n text);\n"
    project.add("postgres", "001_p", parent, "")
    project.add(
        "postgres", "002_t", child + "CREATE INDEX ON t (n);\n", "DROP TABLE t;\n"
    )
    project.upgrade()
    project.pg("INSERT INTO p VALUES (1)")
    asked: list[Sequence[int]] = []
    committed = PostgreSQLInspector._committed

    def ask(self: PostgreSQLInspector, oids: Sequence[int]) -> Any:
        asked.append(oids)
        return committed(self, oids)

    monkeypatch.setattr(PostgreSQLInspector, "_committed", ask)

    project.downgrade("-1")

    assert project.tables("postgres") == {"p"}
    assert asked
    assert not any(asked)


def test_how_much_is_looked_at_does_not_grow_with_the_database(
    project: Project, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rows(project, database, "DROP TABLE part;\nDELETE FROM item WHERE id = 1;\n")
    seen = []
    for driver in (postgresql, sqlite):
        monkeypatch.setattr(
            driver,
            "CountedTable",
            lambda *a, **k: seen.append(a) or CountedTable(*a, **k),
        )
    looked = []
    for number in range(2, 40):
        run(project, database, f"CREATE TABLE t{number} (id integer)")
        run(project, database, f"INSERT INTO t{number} VALUES (1)")
        if number in (2, 39):
            seen.clear()
            with pytest.raises(DataLossError):
                project.downgrade("-1")
            looked.append(sorted({name for name, *_ in seen}))

    prefix = "public." if database == "postgres" else ""
    assert looked == [[f"{prefix}item", f"{prefix}part"]] * 2


def test_what_the_commit_would_refuse_is_refused_in_its_words(project: Project) -> None:
    with_rows(project, "postgres", "INSERT INTO late VALUES (9);\n")
    project.pg(
        "CREATE TABLE late (item integer REFERENCES item DEFERRABLE INITIALLY DEFERRED)"
    )

    with pytest.raises(ConnectError, match="a constraint does not hold"):
        project.downgrade("-1")

    assert project.applied("postgres") == ["001_base", "002_next"]


def test_a_downgrade_that_locks_the_catalog_does_not_wait_for_itself(
    project: Project,
) -> None:
    down = "REINDEX TABLE pg_namespace; DO $$ BEGIN EXECUTE 'DELETE FROM part'; END $$;"
    with_rows(project, "postgres", down.replace("FROM part", "FROM pa' || 'rt"))
    project.configure("alembic", lock_timeout="0.1")

    with pytest.raises(LockError, match="asking what was touched"):
        project.downgrade("-1")

    assert project.pg("SELECT count(*) FROM part") == [(3,)]


def test_a_rollback_without_a_statement_says_what_it_leaves(
    project: Project, database: str
) -> None:
    project.add(database, "001_made", "CREATE TABLE made (id int);", "-- nothing\n")
    project.add(database, "002_none", "-- nothing\n", "-- nothing\n")
    project.add(database, "003_idle", "CREATE TABLE idle (id int);", "SELECT 1;\n")
    project.add(database, "004_both", "SELECT 'x';", "select 1")
    project.upgrade()

    told = project.sqlpair("rollback", "--to", "0").stderr

    assert f"{database} 001_made" in told
    assert "001_made_rollback.sql has no statement" in told
    assert "what the migration made or changed stays, recorded as not applied" in told
    assert "003_idle_rollback.sql has no statement that does anything" in told
    assert "002_none_rollback.sql has no statement" not in told
    assert "004_both_rollback.sql has no statement" not in told
    assert project.tables(database) == {"made", "idle"}
    schema = project.schema(database)
    project.sqlpair("force-version", "4", "--yes")
    project.sqlpair("rollback", "--to", "0")
    assert project.schema(database) == schema
    log = (project.root / "logs" / "migration.log").read_text()
    assert "001_made_rollback.sql has no statement" in log


def test_alembic_says_what_a_rollback_without_a_statement_leaves(
    project: Project, database: str
) -> None:
    project.add(database, "001_made", "CREATE TABLE made (id int);", "-- nothing\n")
    project.upgrade()

    told = project.alembic("downgrade", f"{database}@-1")

    assert "001_made_rollback.sql has no statement" in told.stderr


def test_a_rollback_that_changes_no_schema_says_what_it_leaves(
    project: Project, database: str
) -> None:
    project.add(
        database,
        "001_made",
        "CREATE TABLE made (id int);\nCREATE TABLE other (id int);",
        "DROP TABLE IF EXISTS mdae;\nDELETE FROM other;\n",
    )
    project.add(
        database,
        "002_half",
        "CREATE TABLE half (id int);\nCREATE TABLE kept (id int);",
        "DROP TABLE IF EXISTS half;\nDROP TABLE IF EXISTS kpet;\n",
    )
    project.add(
        database, "003_rows", "INSERT INTO other VALUES (1);", "DELETE FROM other;"
    )
    project.upgrade()

    told = project.sqlpair("rollback", "--to", "0", "--allow-data-loss").stderr

    said = "the schema is the same after 001_made_rollback.sql as before"
    assert said in told
    assert "002_half_rollback.sql as before" not in told
    assert "003_rows_rollback.sql as before" not in told
    assert project.tables(database) == {"made", "other", "kept"}
    assert said in (project.root / "logs" / "migration.log").read_text()


def test_a_rollback_is_not_said_to_leave_anything_where_the_server_counts_nothing(
    project: Project,
) -> None:
    project.add(
        "postgres",
        "001_made",
        "CREATE TABLE made (id int);",
        "DROP TABLE IF EXISTS made;\n",
    )
    project.upgrade()
    project.pg(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_counts = off',"
        " current_database()); END $$"
    )

    told = project.sqlpair("rollback", "--to", "0", "--allow-data-loss").stderr

    assert "the schema is the same" not in told
    assert project.tables("postgres") == set()


def test_a_rollback_outside_a_transaction_says_what_it_leaves(project: Project) -> None:
    concurrently = "-- no-transaction\nCREATE INDEX CONCURRENTLY {} ON made (id);\n"
    dropped = "-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS {};\n"
    project.add("postgres", "001_made", "CREATE TABLE made (id int);")
    project.add("postgres", "002_i", concurrently.format("i"), dropped.format("i"))
    project.add("postgres", "003_j", concurrently.format("j"), dropped.format("k"))
    project.upgrade()

    told = project.sqlpair("rollback", "--to", "1", "--allow-data-loss").stderr

    assert "the schema is the same after 003_j_rollback.sql as before" in told
    assert "002_i_rollback.sql as before" not in told


def test_a_block_that_undoes_nothing_says_what_it_leaves(project: Project) -> None:
    block = "DO $$ BEGIN IF {} THEN EXECUTE '{}'; END IF; END $$;"
    project.add(
        "postgres",
        "001_kind",
        block.format("true", "CREATE TYPE kind AS ENUM (''a'')"),
        block.format("false", "DROP TYPE kind"),
    )
    project.upgrade()

    told = project.alembic("downgrade", "postgres@-1").stderr

    assert "the schema is the same after 001_kind_rollback.sql as before" in told


def test_what_it_compares_with_is_not_left_behind(project: Project) -> None:
    down = "ALTER TABLE bare DROP a, ADD b integer; INSERT INTO bare VALUES (1);"
    project.add("postgres", "001_bare", "CREATE TABLE bare (a integer);")
    project.add("postgres", "002_next", NOTHING, down)
    project.upgrade()
    project.pg("INSERT INTO bare VALUES (NULL)")

    project.downgrade("-1")

    assert project.tables("postgres") == {"bare"}


def test_guard_looks_tables_up_by_the_index_however_many_there_are(
    project: Project,
) -> None:
    database = project.settings.database("postgres")
    session = driver_of(database).connect(database, read_only=True, report=str)
    assert isinstance(session, PostgreSQLSession)
    with closing(session):
        inspector = PostgreSQLInspector(session)

        query = inspector._query(postgresql._oids(range(1000)))
        plan = session.rows(f"EXPLAIN {query}")

    said = [row["QUERY PLAN"] for row in plan]
    assert any("Index Scan using pg_class_oid_index" in line for line in said)
    assert not any("Seq Scan" in line for line in said)


def test_table_that_takes_a_name_of_the_bookkeeping_is_counted(
    project: Project,
) -> None:
    name = project.settings.database("postgres").tables.repeatable
    with_rows(
        project, "postgres", f"DELETE FROM part; ALTER TABLE part RENAME TO {name};\n"
    )

    with pytest.raises(DataLossError, match="rows"):
        project.downgrade("-1")
