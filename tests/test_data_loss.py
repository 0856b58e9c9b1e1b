"""A downgrade that would lose rows or values is refused, with what it would lose."""

from __future__ import annotations

import pytest

from conftest import Project
from sqlpair.errors import DataLossError

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
    assert "LOSS=1" in failure.value.remedy
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


def test_replace_that_deletes_a_row_is_noticed(project: Project) -> None:
    project.add(
        "sqlite",
        "001_u",
        "CREATE TABLE u (id integer PRIMARY KEY, code text UNIQUE);\n",
        "INSERT OR REPLACE INTO u VALUES (3, 'a'), (3, 'b');\n",
    )
    project.upgrade()
    project.lite("INSERT INTO u VALUES (1, 'a'), (2, 'b')")

    with pytest.raises(DataLossError, match="1 row"):
        project.downgrade("-1")


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
