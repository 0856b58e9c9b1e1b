"""Statements that only change rows, cut many at a time, are those cut one by one."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import Project
from sqlpair import signals
from sqlpair.databases.driver import driver_of
from sqlpair.databases.pattern import TOGETHER
from sqlpair.databases.postgresql.split import split as split_postgresql
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.databases.sqlite.split import rows_apart
from sqlpair.databases.sqlite.split import split as split_sqlite
from sqlpair.errors import Interrupted, SqlFileError, StatementError
from sqlpair.project import sql_file
from sqlpair.project.statement import Split, Statement, apart
from sqlpair.runner import two_phase

ENGINES = pytest.mark.parametrize(
    "split",
    [
        pytest.param(split_postgresql, id="postgresql"),
        pytest.param(split_sqlite, id="sqlite"),
    ],
)
# What begins, ends and nests statements of either engine, most of it in ones that
# change rows.
SCRIPTS = st.lists(
    st.sampled_from(
        [
            *(
                "insert into t values (1);",
                "Update t set a = 'x;y';\n",
                " DELETE from t;",
            ),
            *(
                "REPLACE into t values (';');",
                "insert",
                "update ",
                "delete\n",
                "inserts;",
            ),
            *(
                ";",
                ";",
                ";;",
                "'",
                "''",
                '"',
                "`",
                "[",
                "]",
                "(",
                ")",
                "((",
                "))",
                "(;)",
            ),
            *(
                "--",
                "-- c;\n",
                "-- c;\r",
                "/*",
                "*/",
                "/* ; */",
                "/* /* ; */ ; */",
                "-",
                "/",
            ),
            *(
                "E'\\';'",
                "e'",
                "\\",
                "\\'",
                "$$",
                "$a$",
                "$1",
                "a$a",
                "é",
                "\ufeff",
                "\n",
            ),
            *("select 1;", "begin;", "commit;", "create trigger t begin ", "; end;"),
            *(
                "create rule r as on insert to t do (",
                "explain ",
                "with a as (b) ",
                "x",
            ),
        ]
    ),
    max_size=25,
).map("".join)


def read(split: Split, script: str, *, together: bool) -> tuple[list[Statement], str]:
    """Return the statements up to what is refused, one by one, and that."""
    found: list[Statement] = []
    try:
        for each in split(script, together=together):
            found += apart(each, split)
    except SqlFileError as error:
        return found, f"{error.line}: {error}"
    return found, ""


@ENGINES
@given(script=SCRIPTS)
@example("insert into t values (((1;)));insert into t values (2);")
@example("insert into t select E'\\'; delete from t;'; delete from t;")
@example("insert into t select $$;$$; delete from t;")
@example('update t set ";" = /* ; */ 1; delete from t;')
@example("insert into t values (1); /* ; */ -- ;\n update t set a = 1")
@example("insert \ufeffinto t values (1);")
def test_they_are_the_same_statements(split: Split, script: str) -> None:
    assert read(split, script, together=True) == read(split, script, together=False)


@given(SCRIPTS)
def test_those_of_sqlite_are_cut_apart_where_they_were_counted(script: str) -> None:
    try:
        runs = [each for each in split_sqlite(script, together=True) if each.number > 1]
    except SqlFileError:
        return
    for run in runs:
        texts = [each.text for each in split_sqlite(run.text)]
        assert rows_apart(run.text) == texts
        assert len(texts) == run.number


@ENGINES
def test_only_neighbours_are_together_and_not_without_end(split: Split) -> None:
    row = "INSERT INTO t VALUES (1, 'it''s'); -- x;\n\n"
    many = TOGETHER // len(row) + 1
    text = row * (2 * many) + "SELECT 1;\nUPDATE t SET a = (1);\n" + row

    found = [*split(text, together=True)]

    assert [each.number for each in found] == [many, many, 1, 2]
    assert [each.line for each in found] == [
        *(1, 2 * many + 1, 4 * many + 1, 4 * many + 2),
    ]
    assert found[-1].text.endswith("'it''s');")


@pytest.mark.parametrize("name", ["postgres", "sqlite"])
def test_failure_among_them_has_its_own_line_and_words(
    project: Project, name: str
) -> None:
    rows = [f"INSERT INTO t\n  VALUES ({n}); -- {n}\n\n" for n in range(900)]
    rows[700] = "INSERT INTO t\n  VALUES (699); -- again\n\n"
    table = "CREATE TABLE t (id integer PRIMARY KEY);\n"
    project.add(name, "001_t", table + "".join(rows))

    with pytest.raises(StatementError) as failure:
        project.upgrade()

    assert failure.value.line == 2 + 3 * 700
    assert f"{name} 001_t.sql:2102: " in str(failure.value)
    assert "2102 | INSERT INTO t" in "".join(failure.value.evidence)
    assert project.tables(name) == set()


@pytest.mark.parametrize("name", ["postgres", "sqlite"])
def test_variables_among_them_have_their_values(project: Project, name: str) -> None:
    project.environ["PLACE"] = "a'; -- b"
    row = "INSERT INTO t VALUES ({}, :'PLACE');\n"
    text = "-- variables: PLACE\nCREATE TABLE t (id integer, place text);\n"
    project.add(name, "001_t", text + "".join(map(row.format, range(50))))

    project.upgrade()

    query = "SELECT count(*), min(place), max(place) FROM t"
    ask = project.pg if name == "postgres" else project.lite
    assert ask(query) == [(50, "a'; -- b", "a'; -- b")]


def test_signal_stops_sqlite_between_two_of_them(project: Project) -> None:
    database = project.settings.database("sqlite")
    rows = "INSERT INTO t VALUES (1);" + "INSERT INTO t VALUES (hit());" * 3
    text = f"CREATE TABLE t (a);{rows}"
    with ExitStack() as resources:
        session = two_phase.lock([database], str, resources)["sqlite"]
        assert isinstance(session, SQLiteSession)
        hit = partial(signals._handler, signal.SIGINT, None)
        session.raw.create_function("hit", 0, hit)
        session.begin()

        with pytest.raises(Interrupted):
            session.run(split_sqlite(text, together=True), database.sql / "001_t.sql")

        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 2}]


def test_file_counts_each_of_them(project: Project) -> None:
    database = project.settings.database("sqlite")
    text = "CREATE TABLE t (a);" + "INSERT INTO t VALUES (1);" * 5
    path = database.sql / "001_t.sql"

    file = sql_file.parse(text.encode(), path, driver_of(database).split)

    assert file.total == 6
    assert len([*sql_file.together(file)]) == 2
    assert len([*sql_file.statements(file)]) == 6
