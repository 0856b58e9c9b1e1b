"""sqlpair plan: what is pending runs for real, is told, and leaves no trace."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from conftest import Project
from dry_runs import nobody, prepared, reasons
from sqlpair.backup import backup
from sqlpair.databases.postgresql.observer import MODES
from sqlpair.errors import StatementError
from sqlpair.plan.checklist import checklist
from sqlpair.plan.dry_run import dry_run
from sqlpair.plan.limit import Limit
from sqlpair.plan.report import StepResult, Undo
from sqlpair.plan.run import DatabaseDryRun
from sqlpair.prove.proof import prove


@pytest.fixture
def applied(project: Project) -> Project:
    return prepared(project)


def one(project: Project, up: str, down: str = "", database: str = "postgres") -> Any:
    project.add(database, "003_new", up, down)
    (step,) = dry_run(project.settings, nobody).steps
    return step


# PostgreSQL's documented lock levels; "parent" is a second table.
LOCKS = {
    "SELECT * FROM t": {"t": "ACCESS SHARE"},
    "SELECT * FROM t FOR UPDATE": {"t": "ROW SHARE"},
    "INSERT INTO t (a) VALUES (1)": {"t": "ROW EXCLUSIVE"},
    "UPDATE t SET a = 2": {"t": "ROW EXCLUSIVE"},
    "CREATE INDEX t_a ON t (a)": {"t": "SHARE"},
    "ALTER TABLE t ADD COLUMN c integer": {"t": "ACCESS EXCLUSIVE"},
    "ALTER TABLE t ALTER b TYPE text": {"t": "ACCESS EXCLUSIVE"},
    "ALTER TABLE t VALIDATE CONSTRAINT small": {"t": "SHARE UPDATE EXCLUSIVE"},
    "ALTER TABLE t SET (fillfactor = 70)": {"t": "SHARE UPDATE EXCLUSIVE"},
    "CREATE STATISTICS s ON a, b FROM t": {"t": "SHARE UPDATE EXCLUSIVE"},
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()": {
        "t": "SHARE ROW EXCLUSIVE"
    },
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES parent NOT VALID": {
        "t": "SHARE ROW EXCLUSIVE",
        "parent": "SHARE ROW EXCLUSIVE",
    },
    "CREATE TABLE child (p integer REFERENCES parent)": {
        "parent": "SHARE ROW EXCLUSIVE"
    },
    "LOCK TABLE t IN EXCLUSIVE MODE": {"t": "EXCLUSIVE"},
    "TRUNCATE t": {"t": "ACCESS EXCLUSIVE"},
    "DROP TABLE t": {"t": "ACCESS EXCLUSIVE"},
    "CREATE VIEW v AS SELECT a FROM t": {"t": "ACCESS SHARE"},
    "COMMENT ON TABLE t IS 'x'": {"t": "SHARE UPDATE EXCLUSIVE"},
}


def server_says(project: Project, statement: str) -> dict[str, str]:
    """What another connection reads of the locks that ``statement`` holds."""
    with closing(psycopg2.connect(project.dsn)) as raw, raw.cursor() as cursor:
        cursor.execute(statement)
        modes = project.pg(
            "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c"
            " ON c.oid = l.relation WHERE l.locktype = 'relation' AND c.relkind = 'r'"
            f" AND l.pid = {raw.info.backend_pid}"
            " AND c.relnamespace = 'public'::regnamespace"
        )
        raw.rollback()
    strongest: dict[str, str] = {}
    rank = list(MODES)
    for table, mode in sorted(modes, key=lambda row: rank.index(row[1])):
        strongest[table] = MODES[mode][0]
    return strongest


def test_the_locks_told_are_the_ones_that_postgresql_lists(applied: Project) -> None:
    told, listed = {}, {}
    for statement in LOCKS:
        listed[statement] = server_says(applied, statement)
        step = one(applied, f"{statement};\n")
        (observed,) = step.statements
        told[statement] = {lock.table: lock.mode for lock in observed.locks}
        for path in (applied.root / "sql" / "postgres").glob("003_*"):
            path.unlink()
        (applied.root / "alembic/versions/postgres/003_new.py").unlink()

    assert listed == LOCKS
    assert told == LOCKS


def test_a_lock_says_whom_it_blocks_and_counts_from_its_statement_on(
    applied: Project,
) -> None:
    step = one(
        applied,
        "CREATE INDEX t_a ON t (a);\nALTER TABLE t ADD COLUMN c int;\nSELECT 1;\n",
    )

    blocked = [[(k.mode, k.blocks) for k in s.locks] for s in step.statements]
    assert blocked == [
        [("SHARE", "writes")],
        [("ACCESS EXCLUSIVE", "reads and writes")],
        [],
    ]


def test_locks_on_what_the_migration_made_block_nobody_and_are_not_told(
    applied: Project,
) -> None:
    step = one(applied, "CREATE TABLE u (a int);\nCREATE INDEX u_a ON u (a);\n")

    assert [observed.locks for observed in step.statements] == [(), ()]


def test_rows_rewrites_and_changes_are_told(applied: Project) -> None:
    step = one(
        applied,
        "UPDATE t SET b = 'y' WHERE a <= 20;\n"
        "ALTER TABLE t ALTER a TYPE bigint;\n"
        "ALTER TABLE t ADD COLUMN c int DEFAULT 1;\n",
        "ALTER TABLE t DROP c, ALTER a TYPE integer;\n",
    )

    assert [observed.rows for observed in step.statements] == [20, None, None]
    assert [observed.rewritten for observed in step.statements] == [(), ("t",), ()]
    assert {(c.name, c.attribute) for c in step.changes} == {
        ("t.a", "type"),
        ("t.c", None),
    }
    assert [(loss.name, loss.amount) for loss in step.undo.losses] == [("t.c", 50)]
    assert step.undo.left == ()


def test_a_table_is_rewritten_once_it_is_there(applied: Project) -> None:
    step = one(
        applied,
        "CREATE TABLE n (a int);\nALTER TABLE n ALTER a TYPE bigint;\nSELECT 1;\n",
        "DROP TABLE n;\n",
    )

    assert [observed.rewritten for observed in step.statements] == [(), ("n",), ()]


def test_the_rows_of_a_statement_are_its_own_and_not_its_triggers(
    project: Project,
) -> None:
    step = one(
        project,
        "CREATE TABLE a (x);\nCREATE TABLE b (x);\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN"
        " INSERT INTO b VALUES (1), (2), (3); END;\n"
        "INSERT INTO a VALUES (1), (2);\n"
        "WITH c AS (SELECT * FROM b) SELECT * FROM c;\n"
        "DELETE FROM b;\n",
        "DROP TABLE a; DROP TABLE b;",
        "sqlite",
    )

    assert [said.rows for said in step.statements] == [None, None, None, 2, 0, 6]


@pytest.mark.parametrize(
    ("up", "down", "told"),
    [
        ("CREATE TABLE u (id int);", "SELECT nope;", "nope"),
        (
            "ALTER TABLE t ALTER b TYPE text; UPDATE t SET b = repeat('z', 10);",
            "ALTER TABLE t ALTER b TYPE varchar(9);",
            "value too long",
        ),
    ],
)
def test_a_rollback_that_would_fail_is_told(
    applied: Project, up: str, down: str, told: str
) -> None:
    step = one(applied, up, down)

    assert step.reason == ""
    assert told in step.undo.refused


@pytest.mark.parametrize(
    ("down", "lost"),
    [
        ("DELETE FROM t WHERE id <= 20;", [("rows", "t", 20)]),
        ("UPDATE t SET b = NULL WHERE id <= 9;", [("values", "t.b", 9)]),
        ("TRUNCATE t;", [("rows", "t", 50)]),
        ("UPDATE t SET b = 'y' WHERE id <= 9;", [("values", "t.b", 9)]),
        ("UPDATE t SET b = b WHERE id <= 9;", []),
    ],
)
def test_rows_and_values_that_a_rollback_takes_from_what_stays_are_told(
    applied: Project, down: str, lost: list[tuple[str, str, int]]
) -> None:
    step = one(applied, "SELECT 1;\n", down)

    assert [tuple(loss) for loss in step.undo.losses] == lost
    assert applied.pg("SELECT count(*), count(b) FROM t") == [(50, 50)]


def test_rows_that_a_rollback_takes_from_sqlite_are_told(applied: Project) -> None:
    step = one(applied, "SELECT 1;\n", "DELETE FROM s WHERE id = 1;", "sqlite")

    assert [tuple(loss) for loss in step.undo.losses] == [("rows", "s", 1)]


@pytest.mark.parametrize(
    ("database", "up", "lost"),
    [
        ("postgres", "DELETE FROM t WHERE id <= 20;", [("rows", "t", 20)]),
        ("postgres", "TRUNCATE t;", [("rows", "t", 50)]),
        (
            "postgres",
            "WITH gone AS (DELETE FROM t WHERE id <= 3 RETURNING id)"
            " SELECT count(*) FROM gone;",
            [("rows", "t", 3)],
        ),
        ("postgres", "UPDATE t SET b = NULL WHERE id <= 9;", [("values", "t.b", 9)]),
        ("postgres", "ALTER TABLE t DROP COLUMN b;", [("column", "t.b", 50)]),
        ("postgres", "DO $$ BEGIN DELETE FROM t; END $$;", [("rows", "t", 50)]),
        ("postgres", "CREATE TABLE n (i int); DELETE FROM n;", []),
        ("postgres", "UPDATE t SET b = 'y';", [("values", "t.b", 50)]),
        ("postgres", "UPDATE t SET b = b;", []),
        ("sqlite", "DELETE FROM s WHERE id = 1;", [("rows", "s", 1)]),
        ("sqlite", "DROP TABLE s;", [("table", "s", 2)]),
        (
            "sqlite",
            "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT);"
            " INSERT INTO n SELECT * FROM s WHERE id = 1; DROP TABLE s;"
            " ALTER TABLE n RENAME TO s;",
            [("rows", "s", 1)],
        ),
    ],
)
def test_what_a_migration_deletes_is_told(
    applied: Project, database: str, up: str, lost: list[tuple[str, str, int]]
) -> None:
    step = one(applied, up, "SELECT 1;\n", database)

    assert step.reason == ""
    assert [tuple(loss) for loss in step.losses] == lost
    assert applied.pg("SELECT count(*), count(b) FROM t") == [(50, 50)]


def test_counting_what_is_deleted_leaves_locks_and_rows_as_they_are_told(
    applied: Project,
) -> None:
    step = one(applied, "DELETE FROM t WHERE id <= 20;\nSELECT 1;\n")

    assert [observed.rows for observed in step.statements] == [20, None]
    locks = [[lock.mode for lock in observed.locks] for observed in step.statements]
    assert locks == [["ROW EXCLUSIVE"], []]


def test_the_checklist_says_what_is_deleted(applied: Project) -> None:
    applied.add("postgres", "003_new", "TRUNCATE t;\n", "SELECT 1;\n")

    found = dry_run(applied.settings, nobody)
    answers = {a.question: a for a in checklist(applied.settings, found, nobody)}

    assert answers["breaks"].good is None
    assert answers["breaks"].answer == "postgres 003_new deletes 50 rows of t"


def test_a_rollback_that_does_not_lead_back_is_told(applied: Project) -> None:
    step = one(applied, "CREATE TABLE u (id int);", "-- nothing")

    assert [change.name for change in step.undo.left] == ["u"]


def test_what_the_server_did_not_count_is_told(applied: Project) -> None:
    step = one(
        applied,
        "SET LOCAL track_counts = off;\n"
        "CREATE FUNCTION uncounted() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        "SET LOCAL track_counts = on;",
        "SELECT 1;",
    )

    assert [change.name for change in step.changes] == ["uncounted()"]
    assert [change.name for change in step.undo.left] == ["uncounted()"]


def test_what_it_compares_rows_with_is_no_change_of_the_rollback(
    applied: Project,
) -> None:
    step = one(
        applied,
        "UPDATE t SET b = 'y';\nINSERT INTO t (a) VALUES (1);\n",
        "DELETE FROM t WHERE a = 1;\nUPDATE t SET b = 'x';\n",
    )

    assert step.changes == ()
    assert step.undo.losses != ()
    assert step.undo.left == ()


# -- what cannot be, and what fails --------------------------------------------------


def test_what_cannot_be_rehearsed_is_told_and_what_needs_it_too(
    applied: Project,
) -> None:
    applied.add(
        "postgres",
        "003_outside",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY t_a ON t (a);\n",
    )
    applied.add("postgres", "004_fine", "ALTER TABLE t ADD COLUMN c int;\n")
    applied.add("postgres", "005_needs", "ALTER INDEX t_a RENAME TO t_b;\n")

    told = reasons(dry_run(applied.settings, nobody))

    assert "-- no-transaction" in told["003_outside"]
    assert told["004_fine"] == ""
    assert "005_needs.sql:1" in told["005_needs"]
    assert "It may need 003_outside, which was not run." in told["005_needs"]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_of_several_that_were_not_run_the_one_that_makes_the_table_is_named(
    applied: Project, database: str
) -> None:
    for number, name in ((3, "first"), (4, "second"), (5, "third")):
        applied.add(
            database,
            f"{number:03}_{name}",
            f"-- no-transaction\nCREATE TABLE {name} (id int);\n",
        )
    applied.add(database, "006_needs", "INSERT INTO second VALUES (1);\n")

    told = reasons(dry_run(applied.settings, nobody))["006_needs"]

    assert "It may need 004_second, which was not run." in told


def test_a_checklist_names_a_few_of_many(applied: Project) -> None:
    for number in range(3, 40):
        text = "-- no-transaction\nSELECT 1;\n"
        applied.add("postgres", f"{number:03}_outside", text)

    lines = applied.sqlpair("plan").stdout.splitlines()

    (line,) = (line for line in lines if line.strip().startswith("rollback"))
    assert line.endswith("… (37 in all)")
    assert len(line) < 200


def test_what_needs_a_commit_that_a_rehearsal_cannot_make_is_told(
    applied: Project,
) -> None:
    applied.pg("CREATE TYPE mood AS ENUM ('fine')")
    applied.configure("alembic", transaction="migration")
    applied.add("postgres", "003_label", "ALTER TYPE mood ADD VALUE 'tired';\n")
    applied.add("postgres", "004_use", "CREATE TABLE m (a mood DEFAULT 'tired');\n")

    told = reasons(dry_run(applied.settings, nobody))["004_use"]

    assert "unsafe use of new value" in told
    assert "It may need 003_label committed" in told
    applied.upgrade()


def test_a_label_of_an_enum_is_used_in_the_dry_run_as_in_the_deployment(
    applied: Project, server_version: int
) -> None:
    applied.add("postgres", "003_mood", "CREATE TYPE mood AS ENUM ('fine');\n")
    applied.add("postgres", "004_label", "ALTER TYPE mood ADD VALUE 'tired';\n")
    applied.add("postgres", "005_use", "CREATE TABLE m (a mood DEFAULT 'tired');\n")

    told = reasons(dry_run(applied.settings, nobody))

    if server_version >= 170000:
        assert told["005_use"] == ""
        applied.upgrade()
        return
    assert "New enum values must be committed" in told["005_use"]
    with pytest.raises(StatementError, match="unsafe use of new value"):
        applied.upgrade()


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_a_migration_that_would_fail_is_told_and_fails_the_command(
    applied: Project, database: str
) -> None:
    applied.add(database, "003_bad", "CREATE TABLE u (a int);\nSELECT nope;\n")
    applied.add(database, "004_above", "CREATE TABLE v (a int);\n")

    printed = applied.sqlpair("plan", expect=1).stdout

    assert "003_bad.sql:2" in printed
    assert "line 1: CREATE TABLE u (a int);" in printed
    assert "not run: 003_bad failed" in printed
    assert applied.tables(database) & {"u", "v"} == set()


@pytest.mark.parametrize(
    ("database", "drop", "table"),
    [
        ("postgres", "DROP TABLE schema_version;\n", "public.schema_version"),
        ("sqlite", "DROP TABLE schema_history;\n", "main.schema_history"),
    ],
)
def test_a_file_that_drops_what_records_it_is_told(
    applied: Project, database: str, drop: str, table: str
) -> None:
    undone = one(applied, "CREATE TABLE n (x int);\n", drop, database)
    assert table in undone.undo.refused

    refused = one(applied, drop, database=database)
    assert table in refused.reason


def test_what_only_the_commit_would_refuse_is_told(applied: Project) -> None:
    applied.add(
        "postgres",
        "003_late",
        "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES parent"
        " DEFERRABLE INITIALLY DEFERRED NOT VALID;\nINSERT INTO t (a) VALUES (1);\n",
    )

    found = dry_run(applied.settings, nobody)

    assert found.failed
    told = [*found.notes, *reasons(found).values()]
    assert any("foreign key" in line for line in told)


# -- the limit ------------------------------------------------------------------------


def in_production(project: Project, limit: float) -> Any:
    project.configure("alembic", plan_lock_limit=str(limit))
    project.environ |= {"APP_ENV": "production", "TRADES_DB": str(project.file)}
    project.environ["SQLITE_PATH"] = str(project.file)
    return project.settings


def test_outside_development_a_limit_holds_unless_another_is_set(
    applied: Project,
) -> None:
    assert applied.settings.plan_lock_limit is None

    applied.environ |= {"APP_ENV": "staging", "SQLITE_PATH": str(applied.file)}
    assert applied.settings.plan_lock_limit == 5
    assert in_production(applied, 0.5).plan_lock_limit == 0.5


@pytest.mark.parametrize(
    ("up", "down", "file"),
    [
        ("SELECT 1;", "INSERT OR ROLLBACK INTO s VALUES (1, 'x');", "003_new_rollback"),
        (
            "UPDATE s SET a = 'x'; INSERT OR ROLLBACK INTO s VALUES (1, 'x');",
            "",
            "003_new",
        ),
    ],
)
def test_what_ends_the_whole_transaction_of_sqlite_is_told(
    applied: Project, up: str, down: str, file: str
) -> None:
    applied.add("sqlite", "003_new", up, down or "SELECT 1;")
    applied.add("sqlite", "004_more", "CREATE TABLE more (a);", "DROP TABLE more;")

    found = dry_run(applied.settings, nobody)

    first, second = found.steps
    assert f"{file}.sql:1: UNIQUE constraint failed: s.id" in first.reason
    assert second.reason == "not run: 003_new failed"
    assert applied.tables("sqlite") == {"s"}
    assert applied.lite("SELECT a FROM s") == [("one",), ("two",)]


@pytest.mark.parametrize(
    "slow",
    [
        "LOCK TABLE t;\nSELECT pg_sleep(60);\n",
        "DO $$BEGIN LOCK TABLE t; PERFORM pg_sleep(60); END$$;\n",
        "SET LOCAL statement_timeout = 0;\nLOCK TABLE t;\n"
        + "SELECT pg_sleep(0.3);\n" * 200,
    ],
    ids=["a statement after the lock", "one statement", "many statements"],
)
def test_no_strong_lock_is_held_longer_than_the_limit(
    applied: Project, slow: str
) -> None:
    applied.add("postgres", "003_slow", slow)
    settings = in_production(applied, 1)
    waited = []

    def write() -> None:
        time.sleep(0.5)
        began = time.monotonic()
        applied.pg("UPDATE t SET a = 3 WHERE a = 3")
        waited.append(time.monotonic() - began)

    writer = threading.Thread(target=write)
    writer.start()
    began = time.monotonic()
    found = dry_run(settings, nobody)
    took = time.monotonic() - began
    writer.join()

    (step,) = found.steps
    assert found.failed
    assert "kept others out for more than 1 s (plan_lock_limit)" in step.reason
    # Not assertions on speed: without the limit it would be a minute.
    assert took < 30
    assert waited[0] < 30


def test_a_statement_without_a_strong_lock_may_take_its_time(applied: Project) -> None:
    applied.add(
        "postgres",
        "003_slow",
        "UPDATE t SET a = 2 WHERE id = 1;\n" + "SELECT pg_sleep(0.4);\n" * 5,
    )

    found = dry_run(in_production(applied, 1), nobody)

    assert reasons(found) == {"003_slow": ""}


def test_a_rollback_that_takes_too_long_does_not_speak_against_its_migration(
    applied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = "ALTER TABLE t ADD COLUMN c int;\n"
    slow = "SELECT pg_sleep(60);\nALTER TABLE t DROP COLUMN c;\n"
    applied.add("postgres", "003_fast", up, slow)
    settings = in_production(applied, 60)
    undo = DatabaseDryRun._undo

    def hurried(run: DatabaseDryRun, *arguments: Any) -> Undo:
        # The migration itself has its minute: a slow machine needs more than a second.
        run._limit.stop()
        run._limit = Limit(1, run._observer.cancel)
        return undo(run, *arguments)

    monkeypatch.setattr(DatabaseDryRun, "_undo", hurried)

    found = dry_run(settings, nobody)

    (step,) = found.steps
    assert (found.failed, step.reason) == (False, "")
    assert "not run to its end" in step.undo.unknown
    assert checklist(settings, found, nobody)[3].good is None
    assert applied.pg("SELECT count(*) FROM t") == [(50,)]

    applied.add("postgres", "004_next", "CREATE TABLE u (a int);\n")
    found = dry_run(settings, nobody)
    assert found.failed
    assert "not run: more than 1 s" in found.steps[1].reason


def test_a_rollback_outside_a_transaction_is_not_run_and_not_called_bad(
    applied: Project,
) -> None:
    down = "-- no-transaction\nDROP INDEX CONCURRENTLY t_a;\n"
    applied.add("postgres", "003_i", "CREATE INDEX t_a ON t (a);\n", down)

    assert answers(applied)["rollback"] == (None, "no dry run: postgres 003_i")
    printed = applied.sqlpair("plan").stdout
    assert "rollback: not run: it is -- no-transaction" in printed


def test_the_limit_holds_on_sqlite_too(applied: Project) -> None:
    applied.add(
        "sqlite",
        "003_slow",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)\n"
        "SELECT max(i) FROM n;\n",
    )

    found = dry_run(in_production(applied, 1), nobody)

    assert "more than 1 s (plan_lock_limit)" in found.steps[0].reason
    with closing(sqlite3.connect(applied.file, timeout=0)) as raw:
        raw.execute("INSERT INTO s (a) VALUES ('free')")


# -- the checklist -------------------------------------------------------------------


def answers(project: Project) -> dict[str, tuple[bool | None, str]]:
    settings = project.settings
    found = checklist(settings, dry_run(settings, nobody), nobody)
    return {answer.question: (answer.good, answer.answer) for answer in found}


def test_each_line_of_the_checklist_is_answered(applied: Project) -> None:
    applied.add("postgres", "003_u", "CREATE TABLE u (a int);\n", "DROP TABLE u;\n")

    found = answers(applied)

    assert found["backed up"] == (False, "there is no backup yet")
    assert found["tested"][0] is False
    assert "postgres 003_u" in found["tested"][1]
    assert found["version tracking"][0] is True
    assert found["rollback"] == (True, "there, and it leads back")
    assert found["breaks"][0] is True


def test_where_no_database_is_there_nothing_is_to_be_backed_up(
    project: Project,
) -> None:
    project.environ |= {"DATABASE_URL": ""}
    project.add("postgres", "001_t", "CREATE TABLE t (a int);\n", "DROP TABLE t;\n")
    project.add("sqlite", "002_s", "CREATE TABLE s (a TEXT);\n", "DROP TABLE s;\n")

    assert answers(project)["backed up"][0] is True

    project.file.parent.mkdir(exist_ok=True)
    project.lite("CREATE TABLE precious (a)")
    assert answers(project)["backed up"] == (False, "there is no backup yet")


def test_the_checklist_knows_backups_and_proofs(applied: Project) -> None:
    backup.backup(applied.settings, nobody)
    applied.add("postgres", "003_u", "CREATE TABLE u (a int);\n", "DROP TABLE u;\n")
    prove(applied.settings, [], nobody, nobody)

    found = answers(applied)
    assert found["backed up"][0] is True
    assert found["backed up"][1].endswith("at version 2")
    assert found["tested"][0] is True

    applied.add("postgres", "003_u", "CREATE TABLE u (b int);\n", "DROP TABLE u;\n")
    assert answers(applied)["tested"][0] is False

    applied.upgrade()
    applied.add("postgres", "004_v", "CREATE TABLE v (a int);\n", "DROP TABLE v;\n")
    assert answers(applied)["backed up"] == (
        False,
        found["backed up"][1] + ": the databases are at 3 now",
    )


@pytest.mark.parametrize(
    ("up", "told"),
    [
        ("DROP TABLE parent;", "table parent is missing"),
        ("ALTER TABLE t DROP COLUMN b;", "column t.b is missing"),
        ("ALTER TABLE t RENAME b TO c;", "column t.b is missing"),
        ("ALTER TABLE t ALTER b SET NOT NULL;", "column t.b is not nullable"),
        ("ALTER TABLE t ALTER a TYPE bigint;", "column t.a has type bigint"),
    ],
)
def test_what_a_program_may_stumble_over_is_named(
    applied: Project, up: str, told: str
) -> None:
    applied.add("postgres", "003_break", up)

    good, answer = answers(applied)["breaks"]

    assert good is None
    assert told in answer


def test_a_rollback_that_is_missing_or_fails_is_named(applied: Project) -> None:
    applied.add("postgres", "003_u", "CREATE TABLE u (a int);\n", "DROP TABLE v;\n")
    assert answers(applied)["rollback"][0] is False

    (applied.root / "sql/postgres/003_u_rollback.sql").unlink()
    assert answers(applied)["rollback"] == (False, "postgres 003_u: there is none")


# -- the command -----------------------------------------------------------------------


def test_the_command_tells_it_all(applied: Project) -> None:
    applied.add(
        "postgres",
        "003_c",
        "ALTER TABLE t ADD COLUMN c int DEFAULT 1;\n",
        "ALTER TABLE t DROP COLUMN c;\n",
    )

    printed = applied.sqlpair("plan").stdout

    assert "1. postgres 003_c" in printed
    assert "t: ACCESS EXCLUSIVE, blocks reads and writes" in printed
    assert "changes: column t.c was added" in printed
    assert "rollback loses: column t.c with 50 values" in printed
    assert re.search(r"postgres: t was under ACCESS EXCLUSIVE for [\d.]+ m?s", printed)
    assert re.search(r"breaks +yes", printed)


def test_the_command_prints_json_for_programs(applied: Project) -> None:
    applied.add("sqlite", "003_c", "UPDATE s SET a = 'x';\n", "-- nothing\n")

    found = json.loads(applied.sqlpair("plan", "--json").stdout)

    (migration,) = found["migrations"]
    assert migration["statements"][0]["rows"] == 2
    assert found["failed"] is False
    assert {line["question"] for line in found["checklist"]} == {
        "backed up",
        "tested",
        "version tracking",
        "rollback",
        "breaks",
    }


def test_nothing_pending_still_answers_the_checklist(applied: Project) -> None:
    printed = applied.sqlpair("plan").stdout

    assert "Nothing is pending." in printed
    for line in ("tested", "rollback", "breaks"):
        assert re.search(rf"{line} +yes +nothing is pending", printed)


def test_a_step_is_told_in_the_order_of_the_deployment(applied: Project) -> None:
    applied.add("sqlite", "003_a", "CREATE TABLE a (x);\n")
    applied.add("postgres", "004_b", "CREATE TABLE b (x int);\n")
    applied.add("sqlite", "005_c", "CREATE TABLE c (x);\n")

    steps: tuple[StepResult, ...] = dry_run(applied.settings, nobody).steps

    assert [str(item.step) for item in steps] == [
        "sqlite 003_a",
        "postgres 004_b",
        "sqlite 005_c",
    ]
