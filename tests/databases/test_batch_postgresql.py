"""Rows that many INSERTs bring go together, and a failure is still its statement's."""

from __future__ import annotations

import pytest

from conftest import Project
from sqlpair.databases.driver import driver_of
from sqlpair.databases.pattern import TOGETHER
from sqlpair.databases.postgresql.batch import (
    DEFINITIONS,
    ROWS,
    batches,
)
from sqlpair.errors import StatementError
from sqlpair.project.branches import branches
from sqlpair.runner import scratch

TABLE = "CREATE TABLE t (id integer PRIMARY KEY, note text);\n"


def insert(number: int, note: str = "''") -> str:
    return f"INSERT INTO t VALUES ({number}, {note});\n"


def test_only_neighbours_that_change_rows_share_a_batch(project: Project) -> None:
    split = driver_of(project.settings.database("postgres")).split
    long = insert(9, f"'{'x' * TOGETHER}'")
    text = TABLE + insert(1) + "UPDATE t SET id = 2;\n/* - */ DELETE FROM t;\n"
    text += "SET x.y = 1;\n" + insert(3) + "SELECT 1;\n" + long + insert(4)

    sizes = [len(batch) for batch in batches(split(text))]

    assert sizes == [1, 3, 1, 1, 1, 1, 1]


def test_batched_rows_are_all_there_in_their_order(project: Project) -> None:
    rows = "".join(insert(n, f"'{'x' * 40}%s \\ {n}'") for n in range(3000))
    project.add(
        "postgres", "001_t", TABLE + rows + "UPDATE t SET note = '' WHERE id = 7"
    )

    project.upgrade()

    query = "SELECT count(*), min(note), max(note) FROM t WHERE id <> 7"
    ((found, *_),) = project.pg(query)
    assert found == 2999
    assert project.pg("SELECT note FROM t WHERE id = 7") == [("",)]
    assert project.pg("SELECT note FROM t WHERE id = 8") == [
        (f"{'x' * 40}%s \\ 8",),
    ]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (insert(99, "(1/(3-3))::text"), "division by zero"),
        (insert(3), 'duplicate key value violates unique constraint "t_pkey"'),
        (insert(99, "nope"), 'column "nope" does not exist'),
        ("INSERT INTO t VALUE (3);\n", "syntax error"),
    ],
)
def test_failure_within_a_batch_is_told_with_its_line(
    project: Project, bad: str, said: str
) -> None:
    text = TABLE + "".join(map(insert, range(20))) + bad + insert(50)
    project.add("postgres", "001_t", text)

    with pytest.raises(StatementError, match=said) as failure:
        project.upgrade()

    assert failure.value.line == 22
    assert "postgres 001_t.sql:22: " in str(failure.value)
    assert project.tables("postgres") == set()


def test_failure_that_does_not_come_again_is_none(project: Project) -> None:
    project.pg("CREATE SEQUENCE calls")
    moody = "(SELECT 1 / (nextval('calls') - 2))::text"  # fails when first repeated
    rows = [insert(n) for n in range(5)] + [insert(8, f"{moody} || {moody}")]
    project.add("postgres", "001_t", TABLE + "".join(rows) + insert(9) + "SELECT 1;")

    project.upgrade()

    assert project.pg("SELECT count(*) FROM t") == [(7,)]


def test_row_that_changes_how_the_next_one_is_read_goes_alone(
    project: Project, server_version: int
) -> None:
    name = "'standard_conforming_strings'"
    change = f"INSERT INTO t SELECT 1, Set_Config({name}, 'off', true);\n"
    project.add(
        "postgres",
        "001_t",
        TABLE + insert(0) + change + insert(2, r"'a\\b'") + insert(3),
    )

    if server_version >= 19_00_00:
        with pytest.raises(StatementError, match="non-standard string literals"):
            project.upgrade()
        return
    project.upgrade()

    assert project.pg("SELECT note FROM t WHERE id = 2") == [("a\\b",)]


def test_lost_connection_is_told_with_the_lines_it_may_be(project: Project) -> None:
    end = "INSERT INTO t SELECT 7 WHERE pg_terminate_backend(pg_backend_pid());\n"
    project.add("postgres", "001_t", TABLE + insert(1) + end + insert(2))

    with pytest.raises(StatementError) as failure:
        project.upgrade()

    assert "it, or a statement after it up to line 4" in str(failure.value)
    assert project.tables("postgres") == set()


def test_definitions_share_a_batch_where_nobody_else_is(project: Project) -> None:
    split = driver_of(project.settings.database("postgres")).split
    text = TABLE + insert(1) + "COMMENT ON TABLE t IS 'x';\nSET x.y = 1;\n"
    text += "ALTER TABLE t ADD a text;\nDO '';\nDROP TABLE t;\n"
    text += "CREATE FUNCTION f() RETURNS text RETURN set_config('x.y', '', false);\n"

    alone = [len(batch) for batch in batches(split(text), ROWS | DEFINITIONS)]
    beside_others = [len(batch) for batch in batches(split(text))]

    assert alone == [3, 1, 1, 1, 1, 1]
    assert beside_others == [1] * 8


def test_label_of_an_enum_is_used_in_a_scratch_database_as_in_a_deployment(
    project: Project, server_version: int
) -> None:
    project.add(
        "postgres",
        "001_mood",
        "CREATE TYPE mood AS ENUM ('a');\nALTER TYPE mood ADD VALUE 'b';\n"
        "CREATE TABLE t (m mood DEFAULT 'b');\nINSERT INTO t DEFAULT VALUES;\n",
        "DROP TABLE t;\nDROP TYPE mood;\n",
    )
    if server_version < 170000:
        assert "unsafe use of new value" in project.sqlpair("migrate", expect=1).stderr
        assert "unsafe use of new value" in project.sqlpair("prove", expect=1).stdout
        return
    project.upgrade()

    project.sqlpair("verify")
    project.sqlpair("prove")


@pytest.mark.parametrize("bad", ["CREATE TABLE t ();\n", "CREATE TABLE );\n"])
def test_failure_in_a_scratch_database_is_told_with_its_line(
    project: Project, bad: str
) -> None:
    more = "CREATE TABLE u ();\nCREATE TABLE v ();\n"
    project.add("postgres", "001_t", TABLE + more + bad + "CREATE TABLE w ();\n")
    branch = next(b for b in branches(project.settings) if b.name == "postgres")

    with (
        scratch.opened(branch, lambda _line: None) as opened,
        pytest.raises(StatementError) as failure,
    ):
        opened.build(1)

    assert failure.value.line == 4
