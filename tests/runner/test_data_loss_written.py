"""A rollback on PostgreSQL is compared by the rows that it writes, and misses none.

Each case tries to lose rows where the guard does not look: the second run writes other
rows than the first, rows change their places, or a value changes and no row is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest

from conftest import Project
from sqlpair.databases.postgresql import written_rows
from sqlpair.databases.postgresql.data_loss import PostgreSQLInspector
from sqlpair.databases.postgresql.partitions import Family
from sqlpair.errors import DataLossError

FILL = (
    "CREATE TABLE t (id integer PRIMARY KEY, name text, other text);"
    "INSERT INTO t SELECT n, 'name ' || n, 'o' FROM generate_series(1, 9) AS n;"
)
# What a sequence returns is not undone: each run gets another number.
DRAWN = "CREATE SEQUENCE draw;" + FILL
NOTE = (
    "CREATE TYPE note AS (a integer, b integer);" + FILL + "ALTER TABLE t ADD n note;"
)


def prepare(project: Project, setup: str, down: str) -> None:
    project.add("postgres", "001_base", "SELECT 1;\n")
    project.add("postgres", "002_next", "SELECT 1;\n", f"{down}\n")
    project.upgrade()
    project.pg(setup)


def refused(project: Project) -> list[str]:
    before = project.pg("SELECT * FROM t ORDER BY 1")
    with pytest.raises(DataLossError) as failure:
        project.downgrade("-1")
    assert project.pg("SELECT * FROM t ORDER BY 1") == before
    return [line.partition("public.")[2] for line in failure.value.evidence]


LOST = {
    "a value of an enum has another name": (
        "CREATE TYPE e AS ENUM ('a', 'b');" + FILL + "ALTER TABLE t ADD n e, ADD m e[];"
        "UPDATE t SET n = 'a', m = ARRAY['a']::e[] WHERE id > 1;",
        "UPDATE t SET other = other WHERE id = 1;"
        " ALTER TYPE e RENAME VALUE 'a' TO 'c';",
        ["t.n", "t.m"],
    ),
    "another row is deleted than before": (
        DRAWN,
        "DELETE FROM t WHERE id = (SELECT nextval('draw'));",
        ["t"],
    ),
    "another row is overwritten than before": (
        DRAWN,
        "UPDATE t SET name = 'x' FROM nextval('draw') AS n WHERE id = n;",
        ["t.name"],
    ),
    "the row that was overwritten with itself, and then another with its values": (
        "CREATE SEQUENCE draw; CREATE TABLE t (id integer, name text);"
        "INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, 9) AS n;",
        "UPDATE t SET id = 1, name = 'name 1' FROM nextval('draw') AS n WHERE id = n;",
        ["t.id", "t.name"],
    ),
    "none at first": (
        DRAWN,
        "UPDATE t SET other = 'o' WHERE id = 1;\n"
        "DO $$ BEGIN IF nextval('draw') > 1 THEN DELETE FROM t WHERE id = 7;"
        " END IF; END $$;",
        ["t"],
    ),
    "as many rows are inserted as are deleted": (
        FILL,
        "DELETE FROM t WHERE id < 3; INSERT INTO t VALUES (21, 'name 1', 'o'),"
        " (22, 'name 2', 'o');",
        ["t"],
    ),
    "deleted, and inserted with another value": (
        FILL,
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'name 2', 'o');",
        ["t.name"],
    ),
    "in blocks that have savepoints of their own": (
        FILL,
        "DO $$ BEGIN FOR i IN 1..3 LOOP BEGIN UPDATE t SET name = 'x' WHERE id = i;"
        " IF i = 2 THEN RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL;"
        " END; END LOOP; END $$;",
        ["t.name"],
    ),
    "in a block within a block": (
        FILL,
        "DO $$ BEGIN BEGIN BEGIN DELETE FROM t WHERE id = 9; EXCEPTION WHEN OTHERS THEN"
        " NULL; END; EXCEPTION WHEN OTHERS THEN NULL; END; END $$;",
        ["t"],
    ),
    "rows that are only locked, and one that is not": (
        FILL,
        "DO $$ BEGIN PERFORM 1 FROM t FOR UPDATE; DELETE FROM t WHERE id = 3; END $$;",
        ["t"],
    ),
    "the places of rows are dealt out again": (
        FILL,
        "DELETE FROM t WHERE id = 1; CLUSTER t USING t_pkey;",
        ["t"],
    ),
    "the table is emptied and filled": (
        FILL,
        "CREATE TEMP TABLE k AS SELECT * FROM t WHERE id > 1; TRUNCATE t;"
        "INSERT INTO t SELECT * FROM k; DROP TABLE k;",
        ["t"],
    ),
    "a column is dropped, and another named so": (
        FILL,
        "ALTER TABLE t DROP name, ADD name text DEFAULT 'name 1';"
        "UPDATE t SET other = other WHERE id = 1;",
        ["t.name"],
    ),
    "columns swap their names": (
        FILL,
        "UPDATE t SET other = other WHERE id = 1; ALTER TABLE t DROP name;"
        "ALTER TABLE t RENAME other TO name;",
        ["t.name"],
    ),
    "a column gets another type": (
        FILL,
        "UPDATE t SET other = other WHERE id = 1;"
        "ALTER TABLE t ALTER name TYPE varchar(4) USING left(name, 4);",
        ["t.name"],
    ),
    "a type loses an attribute": (
        NOTE + "UPDATE t SET n = ROW(1, 2) WHERE id > 1;",
        "UPDATE t SET other = other WHERE id = 1; ALTER TYPE note DROP ATTRIBUTE b;",
        ["t.n"],
    ),
    "what a list of a type has loses an attribute": (
        NOTE.replace("ADD n note", "ADD n note[]")
        + "UPDATE t SET n = ARRAY[ROW(1, 2)]::note[] WHERE id > 1;",
        "UPDATE t SET other = other WHERE id = 1; ALTER TYPE note DROP ATTRIBUTE b;",
        ["t.n"],
    ),
    "a row is moved to another table": (
        FILL + "CREATE TABLE o (LIKE t);",
        "WITH d AS (DELETE FROM t WHERE id = 1 RETURNING *) INSERT INTO o TABLE d;",
        ["t"],
    ),
    "another table takes its place": (
        FILL + "CREATE TABLE o (LIKE t INCLUDING ALL); INSERT INTO o TABLE t;",
        "DELETE FROM t WHERE id = 1; ALTER TABLE t RENAME TO p;"
        "ALTER TABLE o RENAME TO t;",
        ["t"],
    ),
    "a key that is dropped, and the row with it": (
        FILL,
        "ALTER TABLE t DROP CONSTRAINT t_pkey; DELETE FROM t WHERE id = 1;"
        "INSERT INTO t VALUES (2, 'name 2', 'o');",
        ["t"],
    ),
    "by a trigger, when all is done": (
        FILL + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM t WHERE id = 5; RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER d AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION f();",
        "UPDATE t SET other = other WHERE id = 1;",
        ["t"],
    ),
    "from one partition to none": (
        "CREATE TABLE t (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (5);"
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (5) TO (50);"
        "INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, 9) AS n;",
        "UPDATE t SET id = id + 10 WHERE id = 2; DELETE FROM t WHERE id = 12;",
        ["t_1"],
    ),
}


@pytest.fixture(params=["those that are written", "all"])
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compare those rows, as of a small table and of a large one."""
    if request.param == "all":
        monkeypatch.setattr(written_rows, "MOST", -1)
    return str(request.param)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("case", LOST)
def test_whatever_a_rollback_writes_is_compared(project: Project, case: str) -> None:
    setup, down, expected = LOST[case]
    prepare(project, setup, down)

    said = refused(project)

    assert [line.rpartition(" of ")[2] or line for line in said] == expected


KEPT = {
    "a row is written as it is": (FILL, "UPDATE t SET name = name WHERE id = 1;"),
    "another each time": (
        DRAWN,
        "UPDATE t SET name = name WHERE id = (SELECT nextval('draw'));",
    ),
    "deleted, and inserted as it was": (
        FILL,
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'name 1', 'o');",
    ),
    "rows are only locked": (
        FILL,
        "DO $$ BEGIN PERFORM 1 FROM t FOR UPDATE; UPDATE t SET id = id WHERE id = 3;"
        " END $$;",
    ),
    "its places are dealt out again": (
        FILL,
        "UPDATE t SET id = id WHERE id = 3; CLUSTER t USING t_pkey;",
    ),
    "all is undone by a block": (
        FILL,
        "DO $$ BEGIN DELETE FROM t; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL;"
        " END $$; UPDATE t SET id = id WHERE id = 1;",
    ),
    "an empty column is dropped": (
        FILL + "ALTER TABLE t ADD n int;",
        "ALTER TABLE t DROP n;",
    ),
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("case", KEPT)
def test_a_rollback_that_writes_rows_as_they_were_goes_through(
    project: Project, case: str
) -> None:
    prepare(project, *KEPT[case])

    project.downgrade("-1")

    assert project.applied("postgres") == ["001_base"]
    assert project.pg("SELECT count(*) FROM t WHERE name = 'name ' || id") == [(9,)]


def test_of_a_table_only_the_rows_that_are_written_are_compared(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, FILL, "UPDATE t SET id = id WHERE id = 4;")
    find = written_rows.find
    found = []

    def spy(family: Family, since: int, scan: written_rows.Scan) -> None:
        find(family, since, scan)
        found.append(family.places)

    monkeypatch.setattr(written_rows, "find", spy)

    project.downgrade("-1")

    assert [list(places.values()) for places in found if places] == [[["(0,4)"]]]


@contextmanager
def other(project: Project, sql: str) -> Iterator[None]:
    """Run it in a transaction of another client, that stays open meanwhile."""
    with closing(psycopg2.connect(project.dsn)) as connection:
        connection.cursor().execute(sql)
        yield


def test_a_row_that_another_client_has_locked_is_compared(project: Project) -> None:
    prepare(project, FILL, "UPDATE t SET name = 'x' WHERE id = 1;")

    # Then the row names a group of transactions, not the one that wrote it.
    with other(project, "SELECT FROM t WHERE id < 3 FOR KEY SHARE"):
        assert refused(project) == ["t.name"]


def test_rows_that_other_clients_write_before_the_lock_are_neither_lost_nor_missed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, FILL, "UPDATE t SET id = id WHERE id = 1;")
    hold = PostgreSQLInspector.hold
    wrote = []
    held = []

    def and_before(inspector: PostgreSQLInspector, tables: Iterable[str]) -> None:
        if not wrote:
            project.pg("INSERT INTO t VALUES (10, 'name 10', 'o')")
            wrote.extend(project.pg("DELETE FROM t WHERE id = 9 RETURNING id"))
        hold(inspector, tables)
        held.append(tables)

    monkeypatch.setattr(PostgreSQLInspector, "hold", and_before)

    project.downgrade("-1")

    assert wrote == [(9,)]
    assert len(held) == 1  # once more would be to compare all rows
    assert project.pg("SELECT count(*) FROM t WHERE name = 'name ' || id") == [(9,)]


@pytest.mark.parametrize("since", [3, 2**32 + 3, 2**32 - 5, 2**32, 2**32 + 2])
@pytest.mark.parametrize("name", ["name", "'x'"])
def test_rows_that_look_later_than_they_are_change_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, since: int, name: str
) -> None:
    """As the numbers of transactions go round, those of old rows look later."""
    prepare(project, FILL, f"UPDATE t SET name = {name} WHERE id = 1;")
    find = written_rows.find

    def later(family: Family, _since: int, scan: written_rows.Scan) -> None:
        find(family, since, scan)

    monkeypatch.setattr(written_rows, "find", later)

    if name == "name":
        project.downgrade("-1")
    else:
        assert refused(project) == ["t.name"]
