"""A change of the schema that a database refuses is told with what to do instead."""

from __future__ import annotations

import pytest

from conftest import Project
from sqlpair.errors import StatementError

TABLE = "CREATE TABLE t (a int PRIMARY KEY, b int, c int UNIQUE);\n"
ROW = "INSERT INTO t VALUES (1, 2, 3);\n"
VIEW = "CREATE VIEW v AS SELECT b FROM t;\n"
OLD = "CREATE VIEW v AS SELECT * FROM gone;\n"
TRIGGER = (
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET b = 1 WHERE b = 2; END;\n"
)


def refused(project: Project, database: str, before: str, statement: str) -> str:
    project.add(database, "001_before", TABLE + before)
    project.upgrade()
    project.add(database, "002_change", statement)
    with pytest.raises(StatementError) as caught:
        project.upgrade()
    return caught.value.remedy


@pytest.mark.parametrize(
    ("before", "statement", "remedy"),
    [
        (VIEW, "ALTER TABLE t DROP COLUMN b;", "Drop the view v above"),
        (
            "CREATE TABLE u (a);\nCREATE VIEW v AS SELECT * FROM w;\n"
            "CREATE VIEW w AS SELECT * FROM u;\n",
            "DROP TABLE u;\nALTER TABLE t RENAME TO u2;",
            "Drop the view",
        ),
        (TRIGGER, "ALTER TABLE t DROP COLUMN b;", "Drop the trigger g above"),
        (
            "CREATE INDEX i ON t (b);\n",
            "ALTER TABLE t DROP COLUMN b;",
            "Drop the index i above",
        ),
        ("", "ALTER TABLE t DROP COLUMN c;", "new --template rebuild sqlite NAME"),
        ("", "ALTER TABLE t DROP COLUMN a;", "new --template rebuild sqlite NAME"),
        ("", "ALTER TABLE t ALTER COLUMN b TYPE text;", "--template rebuild"),
        ("", "ALTER TABLE t ALTER b SET DEFAULT 1;", "--template rebuild"),
        ("", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (b);", "--template rebuild"),
        ("", "ALTER TABLE t ADD PRIMARY KEY (b);", "--template rebuild"),
        ("", "ALTER TABLE t ADD COLUMN d int UNIQUE;", "CREATE UNIQUE INDEX"),
        (ROW, "ALTER TABLE t ADD COLUMN d int NOT NULL;", "Give it a DEFAULT"),
        (
            ROW,
            "ALTER TABLE t ADD COLUMN d DEFAULT current_timestamp;",
            "UPDATE the rows that are there",
        ),
    ],
)
def test_what_sqlite_cannot_alter_is_told_with_what_to_do(
    project: Project, before: str, statement: str, remedy: str
) -> None:
    assert remedy in refused(project, "sqlite", before, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE t;",
        "ALTER TABLE t DROP COLUMN b;",
        "ALTER TABLE t ALTER COLUMN b TYPE text;",
    ],
)
def test_what_others_depend_on_in_postgresql_is_told_with_what_to_do(
    project: Project, statement: str
) -> None:
    told = refused(project, "postgres", VIEW, statement)
    assert told.startswith("Drop what depends on it above this statement")


def test_what_postgresql_does_not_support_is_no_dependency(project: Project) -> None:
    before = "CREATE TABLE p (a int, b int) PARTITION BY LIST (a);"
    assert refused(project, "postgres", before, "ALTER TABLE p ADD UNIQUE (b);") == ""


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_another_error_has_no_such_remedy(project: Project, database: str) -> None:
    assert refused(project, database, VIEW, "INSERT INTO t (nothing) VALUES (1);") == ""
