"""``-- no-transaction`` files: they run as by hand, and say what they left."""

from __future__ import annotations

import pytest

from conftest import Project, connected
from fault_injection import add, deploy
from sqlpair.errors import SqlpairError

ALONE = "-- no-transaction\n"


@pytest.fixture
def pair(project: Project) -> Project:
    """One migration applied in each database."""
    add(project, 1, 2)
    project.upgrade()
    return project


def refused(project: Project) -> str:
    with pytest.raises(SqlpairError) as failure:
        deploy(project)
    return str(failure.value)


def invalid(project: Project) -> list[str]:
    rows = project.pg(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    )
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("postgres", "CREATE INDEX CONCURRENTLY i ON t1 (id);"),
        ("postgres", "VACUUM t1;"),
        ("sqlite", "VACUUM;"),
    ],
)
def test_concurrently_or_vacuum_in_an_ordinary_file_names_no_transaction(
    pair: Project, database: str, statement: str
) -> None:
    pair.add(database, "003_outside", f"CREATE TABLE half (id int);\n{statement}\n")

    words = refused(pair)

    assert "003_outside.sql:2" in words
    assert "-- no-transaction" in words
    assert "half" not in pair.tables(database)


def test_server_that_refuses_a_statement_in_a_transaction_names_no_transaction(
    pair: Project,
) -> None:
    pair.add("postgres", "003_do", "CALL outside();\n")
    pair.pg("CREATE PROCEDURE outside() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'")

    words = refused(pair)

    assert "003_do.sql:1: invalid transaction termination" in words
    assert "-- no-transaction" in words


def test_failed_concurrently_leaves_an_invalid_index_that_no_rerun_passes_over(
    pair: Project,
) -> None:
    pair.pg("ALTER TABLE t1 ADD COLUMN v int")
    pair.pg("INSERT INTO t1 VALUES (1, 7), (2, 7)")
    create = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS One_v ON t1 (v);\n"
    pair.add("postgres", "003_index", ALONE + create)

    words = refused(pair)

    assert "003_index.sql:2: could not create unique index" in words
    assert "left behind, invalid: index one_v on t1" in words
    assert "DROP INDEX CONCURRENTLY one_v" in words
    pair.pg("DELETE FROM t1 WHERE id = 2")
    words = refused(pair)
    assert "postgres 003_index.sql: an index it names is invalid" in words
    assert "DROP INDEX CONCURRENTLY one_v" in words
    assert pair.applied("postgres") == ["001_t1"]
    assert invalid(pair) == ["one_v"]
    pair.pg("DROP INDEX one_v")
    deploy(pair)
    assert pair.applied("postgres") == ["001_t1", "003_index"]
    assert invalid(pair) == []


def test_rerun_that_drops_the_invalid_index_itself_goes_through(pair: Project) -> None:
    pair.pg("INSERT INTO t1 VALUES (1), (2)")
    pair.add(
        "postgres",
        "003_index",
        f"{ALONE}DROP INDEX CONCURRENTLY IF EXISTS one;\n"
        "CREATE UNIQUE INDEX CONCURRENTLY one ON t1 ((id > 0));\n",
    )
    assert "left behind, invalid: index one on t1" in refused(pair)
    pair.pg("DELETE FROM t1 WHERE id = 2")

    deploy(pair)

    assert invalid(pair) == []


def test_anothers_invalid_index_is_none_of_this_files_business(pair: Project) -> None:
    pair.pg("INSERT INTO t1 VALUES (1), (2)")
    with connected(pair.dsn) as execute, pytest.raises(Exception, match="unique"):
        execute("CREATE UNIQUE INDEX CONCURRENTLY old ON t1 ((id > 0))")
    pair.add(
        "postgres", "003_index", f"{ALONE}CREATE INDEX CONCURRENTLY older ON t1 (id);\n"
    )

    deploy(pair)

    assert pair.applied("postgres") == ["001_t1", "003_index"]


def test_index_of_a_partitioned_table_may_wait_for_its_parts(pair: Project) -> None:
    pair.add(
        "postgres",
        "003_parts",
        f"{ALONE}CREATE TABLE parts (id int) PARTITION BY RANGE (id);\n"
        "CREATE TABLE part PARTITION OF parts DEFAULT;\n"
        "CREATE INDEX parts_id ON ONLY parts (id);\n",
    )

    deploy(pair)

    assert invalid(pair) == ["parts_id"]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_failure_says_which_statements_were_done(pair: Project, database: str) -> None:
    pair.add(
        database,
        "003_several",
        f"{ALONE}CREATE TABLE a (id int);\n\nCREATE TABLE b (id int);\nBEGIN;\n"
        "CREATE TABLE c (id int);\nSELECT nope;\nCOMMIT;\n",
    )

    words = refused(pair)

    assert "003_several.sql:7" in words
    assert "done before it, and kept: 2 statements (line 2, 4)" in words
    assert "nothing was changed" not in words
    assert {"a", "b"} < pair.tables(database)
    assert "c" not in pair.tables(database)
    assert len(pair.applied(database)) == 1


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_first_statements_failure_says_that_nothing_was_done(
    pair: Project, database: str
) -> None:
    pair.add(database, "003_first", f"{ALONE}SELECT nope;\nCREATE TABLE a (id int);\n")

    assert "nothing of the file was done before it" in refused(pair)


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_blocks_and_a_commit_that_nothing_began_run_as_by_hand(
    pair: Project, database: str
) -> None:
    pair.add(
        database,
        "003_blocks",
        f"{ALONE}CREATE TABLE a (id int);\nBEGIN;\nCREATE TABLE b (id int);\nCOMMIT;\n"
        "BEGIN;\nCREATE TABLE c (id int);\nROLLBACK;\nCOMMIT;\nROLLBACK;\n"
        "BEGIN;\nINSERT INTO a VALUES (1);\nSAVEPOINT s;\nDELETE FROM a;\n"
        "ROLLBACK TO s;\nEND;\n",
    )

    deploy(pair)

    assert pair.applied(database)[-1] == "003_blocks"
    assert {"a", "b"} < pair.tables(database)
    assert "c" not in pair.tables(database)
    query = pair.pg if database == "postgres" else pair.lite
    assert query("SELECT * FROM a") == [(1,)]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_file_that_leaves_its_transaction_open_is_rolled_back_and_refused(
    pair: Project, database: str
) -> None:
    pair.add(
        database,
        "003_open",
        f"{ALONE}CREATE TABLE a (id int);\nBEGIN;\nCREATE TABLE b (id int);\n",
    )

    words = refused(pair)

    assert "the file ends with its transaction open; that was rolled back" in words
    assert "done before it, and kept: 1 statement (line 2)" in words
    assert "a" in pair.tables(database)
    assert "b" not in pair.tables(database)
    assert len(pair.applied(database)) == 1


def test_vacuum_works_on_sqlite_outside_transactions(pair: Project) -> None:
    pair.lite(
        "INSERT INTO t2 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
        " FROM n WHERE i < 20000) SELECT i FROM n"
    )
    pair.lite("DELETE FROM t2")
    before = pair.file.stat().st_size
    pair.add("sqlite", "004_vacuum", f"{ALONE}VACUUM;\n")

    deploy(pair)

    assert pair.file.stat().st_size < before


def test_vacuum_works_on_postgresql_outside_transactions(pair: Project) -> None:
    pair.add("postgres", "003_vacuum", f"{ALONE}VACUUM (ANALYZE) t1;\n")

    deploy(pair)

    assert pair.applied("postgres") == ["001_t1", "003_vacuum"]


@pytest.mark.parametrize("mark", ["journal_mode = DELETE", "locking_mode = EXCLUSIVE"])
def test_a_file_has_a_database_in_wal_mode_for_itself(pair: Project, mark: str) -> None:
    pair.lite("PRAGMA journal_mode = WAL")
    sql = f"{ALONE}PRAGMA {mark};\nCREATE TABLE t4 (id integer);\n"
    pair.add("sqlite", "004_t4", sql)

    deploy(pair)

    assert pair.applied("sqlite") == ["002_t2", "004_t4"]
    kept = "delete" if "DELETE" in mark else "wal"
    assert pair.lite("PRAGMA journal_mode") == [(kept,)]


def test_what_earlier_stages_committed_is_said(pair: Project) -> None:
    add(pair, 3, 4)
    pair.add("postgres", "005_alone", f"{ALONE}CREATE TABLE a ();\nSELECT nope;\n")

    words = refused(pair)

    assert "committed before it: postgres 003_t3, sqlite 004_t4" in words
    assert "done before it, and kept: 1 statement (line 2)" in words
    assert pair.applied("sqlite") == ["002_t2", "004_t4"]


def test_row_left_dangling_by_such_a_file_is_told_and_the_file_recorded(
    pair: Project,
) -> None:
    pair.add(
        "sqlite",
        "004_parent",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\n"
        "CREATE TABLE c (p int REFERENCES p);\nINSERT INTO p VALUES (1);\n"
        "INSERT INTO c VALUES (1);\n",
    )
    deploy(pair)
    pair.add("sqlite", "006_orphan", f"{ALONE}DELETE FROM p;\n")

    words = refused(pair)

    assert "1 foreign key is left dangling" in words
    assert "c rowid 1 refers to p" in words
    assert "committed and recorded: it is -- no-transaction" in words
    assert pair.applied("sqlite") == ["002_t2", "004_parent", "006_orphan"]


SETTINGS = {
    "postgres": "SET search_path = elsewhere;\nCREATE TEMP TABLE schema_version ();\n"
    "SET ROLE pg_monitor;\n",
    "sqlite": "CREATE TEMP TABLE schema_version (x);\nPRAGMA query_only = ON;\n",
}


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_settings_of_such_a_file_end_with_it(pair: Project, database: str) -> None:
    pair.add(database, "003_settings", f"{ALONE}{SETTINGS[database]}")
    pair.add(database, "005_after", "CREATE TABLE after (id int);\n")

    deploy(pair)

    assert pair.applied(database)[-2:] == ["003_settings", "005_after"]
    assert "after" in pair.tables(database)


def test_lock_that_was_not_had_is_tried_again_statement_by_statement(
    pair: Project,
) -> None:
    pair.configure("postgres", lock_timeout="0.2")
    pair.add(
        "postgres",
        "003_alter",
        f"{ALONE}CREATE TABLE a ();\nALTER TABLE t1 ADD COLUMN v int;\n",
    )
    with connected(pair.dsn) as execute:
        execute("BEGIN; SELECT * FROM t1")

        words = refused(pair)

    assert "003_alter.sql:3: canceling statement due to lock timeout" in words
    assert "tried 5 times" in words
    assert "blocked by pid" in words
    assert "done before it, and kept: 1 statement (line 2)" in words
