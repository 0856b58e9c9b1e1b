"""What a SQLite schema refers to is there, or the migration is rolled back."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.errors import SqlpairError

ALONE = "-- no-transaction\n"
TAGS = (
    "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT);\n"
    "CREATE TABLE doc_tag (tag INTEGER REFERENCES tag);\n"
)
RENAMED_FIRST = (
    "ALTER TABLE tag RENAME TO tag__old;\n"
    "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "INSERT INTO tag SELECT * FROM tag__old;\nDROP TABLE tag__old;\n"
)
RENAMED_LAST = (
    "CREATE TABLE tag__new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "INSERT INTO tag__new SELECT * FROM tag;\nDROP TABLE tag;\n"
    "ALTER TABLE tag__new RENAME TO tag;\n"
)
MISMATCH = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT);\n"
    "CREATE TABLE c (code TEXT REFERENCES p (code));\n"
)


def by_hand(project: Project, sql: str) -> None:
    with closing(sqlite3.connect(project.file)) as connection:
        connection.executescript(sql)


def refused(project: Project) -> SqlpairError:
    with pytest.raises(SqlpairError) as failure:
        project.upgrade()
    return failure.value


@pytest.mark.parametrize("rows", ["", "INSERT INTO tag VALUES (1, 'a');"])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_rebuild_that_renames_the_old_table_first_is_rolled_back_with_the_recipe(
    project: Project, rows: str, mode: str
) -> None:
    project.add("sqlite", "001_tags", TAGS)
    project.upgrade()
    by_hand(project, f"PRAGMA journal_mode = {mode}; {rows}")
    project.add("sqlite", "002_other", "CREATE TABLE other (x);\n")
    project.add("sqlite", "003_rebuild", RENAMED_FIRST)
    project.add("sqlite", "004_more", "CREATE TABLE more (x);\n")

    error = refused(project)

    assert error.what.startswith("sqlite 003_rebuild: ")
    assert error.evidence[0] == (
        "003_rebuild.sql: foreign key of doc_tag: no such table: tag__old"
    )
    assert "rename the new one last" in error.remedy
    assert project.applied("sqlite") == ["001_tags"]
    assert project.tables("sqlite") == {"tag", "doc_tag"}


def test_a_virtual_table_of_a_dump_is_there_for_its_triggers(
    project: Project, tmp_path: Path
) -> None:
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);"
            "CREATE VIRTUAL TABLE found USING fts5 (body);"
            "CREATE TRIGGER added AFTER INSERT ON note BEGIN"
            " INSERT INTO found (rowid, body) VALUES (new.id, new.body); END;"
            "INSERT INTO note (body) VALUES ('a word');"
        )
    dump = subprocess.run(
        ["sqlite3", source, ".dump"], capture_output=True, text=True, check=True
    )
    assert "writable_schema" in dump.stdout
    project.add("sqlite", "001_dump", dump.stdout)
    project.add("sqlite", "002_more", "INSERT INTO note (body) VALUES ('word two');\n")

    project.upgrade()

    assert project.lite("SELECT count(*) FROM found WHERE found MATCH 'word'") == [(2,)]
    assert project.lite("PRAGMA integrity_check") == [("ok",)]
    project.sqlpair("verify")


def test_a_rebuild_that_renames_the_new_table_last_goes_through(
    project: Project,
) -> None:
    project.add("sqlite", "001_tags", TAGS)
    project.add("sqlite", "002_rebuild", RENAMED_LAST)

    project.upgrade()

    assert project.applied("sqlite") == ["001_tags", "002_rebuild"]


@pytest.mark.parametrize(
    ("made", "breaking", "told"),
    [
        (
            "CREATE VIEW v AS SELECT name FROM tag",
            "DROP TABLE tag;",
            "view v: no such table: main.tag",
        ),
        (
            "CREATE TRIGGER r AFTER UPDATE OF name ON doc"
            " BEGIN INSERT INTO tag (name) VALUES (new.name); END",
            "DROP TABLE tag;",
            "trigger r: no such table: main.tag",
        ),
        (
            "CREATE TRIGGER r AFTER DELETE ON doc BEGIN DELETE FROM tag; END",
            "PRAGMA legacy_alter_table = ON; ALTER TABLE tag RENAME TO t;",
            "trigger r: no such table: main.tag",
        ),
        ("", "CREATE VIEW v AS SELECT nope FROM tag;", "view v: no such column: nope"),
        (
            "",
            "CREATE TRIGGER [update] INSERT ON doc BEGIN DELETE FROM nope; END;",
            "trigger update: no such table: main.nope",
        ),
        (
            "",
            "CREATE TABLE made (x References nope (id));",
            "foreign key of made: no such table: nope",
        ),
        (
            "",
            "ALTER TABLE doc ADD COLUMN x REFERENCES nope (id);",
            "foreign key of doc: no such table: nope",
        ),
        (
            "CREATE UNIQUE INDEX u ON tag (name);"
            "CREATE TABLE c (x REFERENCES tag (name))",
            "DROP INDEX u;",
            'foreign key of c: foreign key mismatch - "c" referencing "tag"',
        ),
        ("", MISMATCH, 'foreign key of c: foreign key mismatch - "c" referencing "p"'),
    ],
)
def test_what_does_not_resolve_after_a_migration_is_rolled_back(
    project: Project, made: str, breaking: str, told: str
) -> None:
    base = "CREATE TABLE doc (id INTEGER PRIMARY KEY, name TEXT);\n"
    base += "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT);\n"
    project.add("sqlite", "001_base", f"{base}{made};\n" if made else base)
    project.upgrade()
    project.add("sqlite", "002_break", f"{breaking}\n")

    error = refused(project)

    assert error.what.startswith("sqlite 002_break: ")
    assert error.evidence[0] == f"002_break.sql: {told}"
    assert project.applied("sqlite") == ["001_base"]


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("transaction", ["deployment", "migration"])
def test_what_did_not_resolve_before_the_deployment_blocks_nothing(
    project: Project, mode: str, transaction: str
) -> None:
    project.configure("alembic", transaction=transaction)
    project.add("sqlite", "001_tags", TAGS, "DROP TABLE doc_tag; DROP TABLE tag;\n")
    project.upgrade()
    by_hand(
        project,
        f"PRAGMA journal_mode = {mode}; {MISMATCH}"
        "CREATE VIEW v AS SELECT nope FROM tag; CREATE TABLE d (x REFERENCES gone);"
        "CREATE TRIGGER r AFTER DELETE ON p BEGIN DELETE FROM gone; END;",
    )
    project.add("sqlite", "002_a", "CREATE TABLE more (x);\n", "DROP TABLE more;\n")
    project.add("sqlite", "003_b", "PRAGMA legacy_alter_table=ON;\n" + RENAMED_LAST)
    project.add("sqlite", "004_c", f"{ALONE}CREATE TABLE alone (x);\n")

    project.upgrade()
    project.sqlpair("force-version", "--yes", "3")
    project.sqlpair("force-version", "--yes", "4")

    assert project.applied("sqlite") == ["001_tags", "002_a", "003_b", "004_c"]


def test_a_database_whose_foreign_key_never_fitted_can_be_adopted(
    project: Project,
) -> None:
    made = "CREATE TABLE q (x);\n"
    project.add("sqlite", "001_q", made)
    project.file.parent.mkdir(exist_ok=True)
    by_hand(project, made + MISMATCH)

    project.sqlpair("adopt", "--yes", "--at", "1", "sqlite")

    assert project.applied("sqlite") == ["001_q"]


def test_what_a_file_outside_transactions_breaks_is_said_and_recorded(
    project: Project,
) -> None:
    project.add("sqlite", "001_alone", ALONE + MISMATCH)
    project.add("sqlite", "002_after", "CREATE TABLE after (x);\n")

    error = refused(project)

    assert error.what.startswith("sqlite 001_alone: ")
    assert error.evidence[0] == (
        '001_alone.sql: foreign key of c: foreign key mismatch - "c" referencing "p"'
    )
    assert "committed and recorded: it is -- no-transaction" in error.evidence
    assert project.applied("sqlite") == ["001_alone"]
    project.upgrade()
    assert project.applied("sqlite") == ["001_alone", "002_after"]


def test_rows_that_a_file_outside_transactions_leaves_dangling_are_said_and_recorded(
    project: Project,
) -> None:
    made = "CREATE TABLE p (id INTEGER PRIMARY KEY);\n"
    made += "CREATE TABLE c (p REFERENCES p);\nINSERT INTO c VALUES (1);\n"
    project.add("sqlite", "001_alone", ALONE + made)
    project.add("sqlite", "002_after", "CREATE TABLE after (x);\n")

    error = refused(project)

    assert [*error.evidence] == [
        "c rowid 1 refers to p",
        "committed and recorded: it is -- no-transaction",
    ]
    assert project.applied("sqlite") == ["001_alone"]
    project.upgrade()
    assert project.applied("sqlite") == ["001_alone", "002_after"]


def test_tables_may_refer_to_each_other_before_they_are_made(project: Project) -> None:
    project.add("sqlite", "001_a", "CREATE TABLE a (b REFERENCES b);\n")
    project.add("sqlite", "002_b", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n")

    project.upgrade()

    assert project.tables("sqlite") == {"a", "b"}


AWAITED = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b (id));\n"
    "CREATE VIEW v AS SELECT id FROM b;\nINSERT INTO a VALUES (1, 7);\n"
)


@pytest.mark.parametrize("header", ["", ALONE])
@pytest.mark.parametrize("transaction", ["deployment", "migration"])
def test_what_a_later_migration_makes_may_be_named_before(
    project: Project, transaction: str, header: str
) -> None:
    project.configure("alembic", transaction=transaction)
    project.add("sqlite", "001_a", header + AWAITED, "DROP VIEW v;\nDROP TABLE a;\n")
    more, less = "INSERT INTO a VALUES (2, 8);\n", "DELETE FROM a WHERE id = 2;\n"
    project.add("sqlite", "002_more", more, less)
    made = "CREATE TABLE IF NOT EXISTS [B] (id INTEGER PRIMARY KEY);\n"
    made += "INSERT INTO b VALUES (7), (8);\n"
    project.add("sqlite", "003_b", made, "DROP TABLE b;\n")

    project.upgrade()

    assert project.applied("sqlite") == ["001_a", "002_more", "003_b"]
    assert "no problems found" in project.sqlpair("verify").stdout
    project.sqlpair("prove")
    project.sqlpair("rollback", "--to", "2", "--yes", "--allow-data-loss")
    assert project.applied("sqlite") == ["001_a", "002_more"]


def test_a_column_is_awaited_from_no_table_that_is_called_so(project: Project) -> None:
    project.configure("alembic", transaction="migration")
    made = "CREATE TABLE t (x);\nCREATE VIEW v AS SELECT later FROM t;\n"
    project.add("sqlite", "001_t", made)
    project.add("sqlite", "002_later", "CREATE TABLE later (x);\n")

    error = refused(project)

    assert error.evidence[0] == "001_t.sql: view v: no such column: later"


def test_what_a_later_migration_makes_is_not_awaited_where_a_rollback_leaves_it(
    project: Project,
) -> None:
    made = "CREATE TABLE b (id);\nCREATE VIEW v AS SELECT id FROM b;\n"
    project.add("sqlite", "001_a", "CREATE TABLE a (x);\n", "DROP TABLE a;\n")
    project.add("sqlite", "002_b", made, "DROP TABLE b;\n")
    project.upgrade()

    with pytest.raises(SqlpairError) as failure:
        project.downgrade("-1")

    assert failure.value.evidence[0] == (
        "002_b_rollback.sql: view v: no such table: main.b"
    )


def test_what_one_migration_leaves_dangling_and_the_next_fills_is_no_problem(
    project: Project,
) -> None:
    made = "CREATE TABLE p (id INTEGER PRIMARY KEY);\n"
    made += "CREATE TABLE c (p REFERENCES p (id));\nINSERT INTO c VALUES (1);\n"
    project.add("sqlite", "001_c", made, "DROP TABLE c;\nDROP TABLE p;\n")
    project.add("sqlite", "002_p", "INSERT INTO p VALUES (1);\n", "DELETE FROM p;\n")

    project.upgrade()

    assert "no problems found" in project.sqlpair("verify").stdout


def test_what_only_an_application_knows_is_no_failure(project: Project) -> None:
    project.add(
        "sqlite",
        "001_v",
        "CREATE TABLE t (x);\nCREATE VIEW v AS SELECT own_function(x) FROM t;\n"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT own_function(new.x); END;\n",
    )
    project.add("sqlite", "002_w", "DROP VIEW v;\n")

    project.upgrade()

    assert project.applied("sqlite") == ["001_v", "002_w"]


def test_a_rollback_that_leaves_a_view_behind_is_named(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (x);\n", "DROP TABLE t;\n")
    project.upgrade()
    by_hand(project, "CREATE VIEW mine AS SELECT x FROM t")

    with pytest.raises(SqlpairError) as failure:
        project.downgrade("base")

    assert failure.value.evidence[0] == (
        "001_t_rollback.sql: view mine: no such table: main.t"
    )
    assert project.tables("sqlite") == {"t"}


def test_a_foreign_key_names_its_table_in_the_case_that_sqlite_folds(
    project: Project,
) -> None:
    child = "CREATE TABLE {} (p INTEGER REFERENCES {} (id));\n"
    project.add("sqlite", "001_p", "CREATE TABLE Ä_Parent (id INTEGER PRIMARY KEY);\n")
    project.add("sqlite", "002_c", child.format("c", "Ä_PARENT"))
    project.upgrade()
    project.add("sqlite", "003_d", child.format("d", "ä_parent"))

    with pytest.raises(SqlpairError) as failure:
        project.upgrade()

    assert failure.value.evidence[0] == (
        "003_d.sql: foreign key of d: no such table: ä_parent"
    )
    assert project.tables("sqlite") == {"Ä_Parent", "c"}
