"""Repeatable files: they run behind the migrations, whenever their text is another."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from conftest import Project
from fault_injection import deploy, dying
from saving import drop_kept
from sqlpair.databases.embedded import find_binaries
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.deploy import nothing_to_do
from sqlpair.deploy.nothing_to_do import Answer
from sqlpair.errors import SqlFileError, SqlpairError

VIEW = (
    "DROP VIEW IF EXISTS {view};\n"
    "CREATE VIEW {view} AS SELECT {columns} FROM {table};\n"
)
TABLES = {"postgres": "t", "sqlite": "s"}
VIEWS = {"postgres": "v", "sqlite": "w"}


def write(project: Project, database: str, name: str, text: str) -> Path:
    path = project.root / "sql" / database / "repeatable" / f"{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def view(project: Project, columns: str) -> None:
    """Let the view of each database have these columns."""
    for database, table in TABLES.items():
        own = VIEWS[database]
        text = VIEW.format(view=own, columns=columns, table=table)
        write(project, database, own, text)


def columns(project: Project) -> tuple[list[str], list[str]]:
    """The columns of the views of both databases."""
    ours = project.pg(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('v')"
        " AND attnum > 0 ORDER BY attnum"
    )
    theirs = project.lite("SELECT name FROM pragma_table_info('w')")
    return [row[0] for row in ours], [row[0] for row in theirs]


def texts(project: Project) -> tuple[int, int]:
    """How many rows there are of what ran."""
    count = "SELECT count(*) FROM schema_repeatable"
    return project.pg(count)[0][0], project.lite(count)[0][0]


@pytest.fixture
def first(project: Project) -> Project:
    """A table and a view of it in each database, at version 2."""
    project.add("postgres", "001_t", "CREATE TABLE t (id int, a int);", "DROP TABLE t;")
    project.add("sqlite", "002_s", "CREATE TABLE s (id int, a int);", "DROP TABLE s;")
    view(project, "id, a")
    project.sqlpair("migrate")
    return project


@pytest.fixture
def second(first: Project) -> Project:
    """Another column, which the views show, from another deployment."""
    grow(first)
    first.sqlpair("migrate")
    return first


def grow(project: Project) -> None:
    for database, stem, table in (("postgres", "003_b", "t"), ("sqlite", "004_b", "s")):
        up, down = f"ALTER TABLE {table} ADD b int;", f"ALTER TABLE {table} DROP b;"
        project.add(database, stem, up, down)
    view(project, "id, a, b")


OLD, NEW, NONE = (["id", "a"],) * 2, (["id", "a", "b"],) * 2, ([], [])


def test_they_run_behind_the_migrations_in_the_same_deployment(first: Project) -> None:
    assert columns(first) == OLD
    grow(first)

    done = first.sqlpair("migrate")

    assert columns(first) == NEW
    assert "2 migrations and 2 repeatable files applied in 2 databases" in done.stdout
    ran = [line.split()[2] for line in done.stdout.splitlines() if "  +  " in line]
    assert ran == ["003_b", "004_b", "repeatable/v", "repeatable/w"]
    ids = "SELECT count(DISTINCT deployment) FROM (SELECT deployment FROM {0}"
    ids += " UNION ALL SELECT deployment FROM {1}) AS d"
    query = ids.format("schema_repeatable", "schema_version")
    assert first.pg(query) == [(2,)]
    assert first.lite(query) == [(2,)]


def test_one_that_is_as_it_was_does_not_run_again(first: Project) -> None:
    done = first.sqlpair("migrate")

    assert "Nothing to do" in done.stdout
    assert texts(first) == (1, 1)


def test_version_does_not_agree_while_one_is_pending(first: Project) -> None:
    first.sqlpair("version")
    view(first, "id")

    told = first.sqlpair("version", expect=1).stdout

    assert "postgres: 1 repeatable file pending: v\n" in told
    assert "Apply what is pending: sqlpair migrate" in told
    assert "agree" not in told


def test_verify_and_alembic_check_tell_what_is_pending(first: Project) -> None:
    view(first, "id")

    told = first.sqlpair("verify").stdout
    failed = first.raw("alembic", "check")

    assert "1 pending: repeatable/v\n" in told
    assert "1 pending: repeatable/w\n" in told
    assert failed.returncode not in (0, 2)
    assert "postgres: Target database is not up to date." in failed.stdout
    first.sqlpair("migrate")
    assert "pending" not in first.sqlpair("verify").stdout
    first.alembic("check")


def test_line_ends_are_no_change(first: Project) -> None:
    path = first.root / "sql/postgres/repeatable/v.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert "Nothing to do" in first.sqlpair("migrate").stdout


def test_one_that_is_put_back_runs_again(first: Project) -> None:
    for text in ("id", "id, a"):
        view(first, text)
        first.sqlpair("migrate")

    assert columns(first) == OLD


def test_a_failure_leaves_both_databases_as_they_were(first: Project) -> None:
    grow(first)
    write(first, "sqlite", "z", "SELECT 1;\nSELECT nope;\n")

    failed = first.sqlpair("migrate", expect=1)

    assert "sqlite repeatable/z.sql:2: no such column: nope" in failed.stderr
    assert "rolled back: nothing was changed" in failed.stderr
    assert columns(first) == OLD
    assert first.applied("postgres") == ["001_t"]


def test_they_wait_for_the_last_migration(first: Project) -> None:
    grow(first)

    first.sqlpair("migrate", "--to", "3")

    assert columns(first) == (["id", "a", "b"], ["id", "a"])


@pytest.mark.parametrize("mode", ["deployment", "migration"])
def test_a_rollback_runs_the_text_before_though_the_view_needs_what_goes(
    second: Project, mode: str
) -> None:
    second.configure("alembic", transaction=mode)

    done = second.sqlpair("rollback")

    assert "2 migrations and 2 repeatable files undone" in done.stdout
    assert columns(second) == OLD
    assert texts(second) == (1, 1)
    second.sqlpair("verify")
    second.sqlpair("migrate")
    assert columns(second) == NEW


def replaced(project: Project, columns: str) -> None:
    """Give PostgreSQL's view these columns, by a text that drops nothing."""
    text = f"CREATE OR REPLACE VIEW v AS SELECT {columns} FROM t;\n"
    write(project, "postgres", "v", text)
    project.sqlpair("migrate")


@pytest.mark.parametrize("mode", ["deployment", "migration"])
def test_a_rollback_takes_a_column_away_that_a_view_was_given_by_replacing_it(
    first: Project, mode: str
) -> None:
    first.configure("alembic", transaction=mode)
    replaced(first, "id, a")
    replaced(first, "id, a, 1 AS one")
    first.add("postgres", "003_b", "ALTER TABLE t ADD b int;", "ALTER TABLE t DROP b;")
    replaced(first, "id, a, 1 AS one, b")

    for left in (["id", "a", "one"], ["id", "a"]):
        done = first.sqlpair("rollback")

        assert "repeatable/v: what it made was dropped first" in done.stderr
        assert columns(first)[0] == left
        first.sqlpair("verify")


def test_a_view_that_its_earlier_text_replaces_keeps_what_was_granted_on_it(
    first: Project,
) -> None:
    replaced(first, "id, a")
    up, down = "ALTER TABLE t RENAME a TO c;", "ALTER TABLE t RENAME c TO a;"
    first.add("postgres", "003_rename", up, down)
    replaced(first, "id, c AS a")
    first.pg("GRANT SELECT ON v TO pg_monitor")

    done = first.sqlpair("rollback")

    assert "dropped first" not in done.stderr
    granted = "SELECT has_table_privilege('pg_monitor', 'v', 'SELECT')"
    assert first.pg(granted) == [(True,)]


def test_a_view_that_another_one_shows_is_not_dropped(first: Project) -> None:
    replaced(first, "id, a")
    replaced(first, "id, a, 1 AS one")
    first.pg("CREATE VIEW theirs AS SELECT id FROM v")

    failed = first.sqlpair("rollback", expect=1)

    assert "v.sql:1: cannot drop columns from view" in failed.stderr
    assert columns(first)[0] == ["id", "a", "one"]


def test_a_rollback_of_the_deployment_that_made_it_drops_what_it_made(
    first: Project,
) -> None:
    first.sqlpair("rollback")

    assert columns(first) == NONE
    assert first.tables("postgres") == first.tables("sqlite") == set()
    assert texts(first) == (0, 0)


def test_a_deployment_of_them_alone_is_undone_alone(first: Project) -> None:
    view(first, "id")
    first.sqlpair("migrate")

    done = first.sqlpair("rollback")

    assert "Rolled back: 2 repeatable files undone in 2 databases" in done.stdout
    assert columns(first) == OLD
    assert first.applied("postgres") == ["001_t"]


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (("alembic", "downgrade", "-1"), OLD),
        (("sqlpair", "rollback", "--to", "2"), OLD),
        (("alembic", "downgrade", "base"), NONE),
        (("alembic", "downgrade", "sqlite@-1"), (NEW[0], OLD[1])),
    ],
)
def test_below_a_version_its_texts_are_not_there(
    second: Project, command: tuple[str, ...], left: tuple[list[str], list[str]]
) -> None:
    program, *arguments = command
    getattr(second, program)(*arguments)

    assert columns(second) == left
    second.alembic("upgrade", "heads")
    assert columns(second) == NEW


def test_what_was_there_before_the_file_stays_when_its_first_run_is_undone(
    project: Project,
) -> None:
    project.add("sqlite", "001_s", "CREATE TABLE s (a);\nCREATE VIEW w AS SELECT 1;")
    project.sqlpair("migrate")
    write(
        project,
        "sqlite",
        "w",
        "DROP VIEW IF EXISTS w;\nCREATE VIEW w AS SELECT a FROM s;\n"
        "CREATE TRIGGER IF NOT EXISTS g AFTER INSERT ON s BEGIN SELECT 1; END;\n",
    )
    project.sqlpair("migrate")

    project.sqlpair("rollback")

    names = project.lite(
        "SELECT name FROM sqlite_master WHERE type IN ('view', 'trigger')"
    )
    assert names == [("w",)]


def test_routines_triggers_rules_and_policies_that_it_made_are_dropped(
    project: Project,
) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (a int)", "DROP TABLE t")
    project.sqlpair("migrate")
    before = project.schema("postgres")
    write(
        project,
        "postgres",
        "all",
        'CREATE OR REPLACE FUNCTION "F g"(a int, b text[]) RETURNS int LANGUAGE sql'
        " AS 'SELECT 1';\n"
        "CREATE OR REPLACE FUNCTION g() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END';\n"
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';\n"
        "CREATE OR REPLACE AGGREGATE agg(int) (sfunc = int4pl, stype = int);\n"
        "CREATE OR REPLACE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW"
        " EXECUTE FUNCTION g();\n"
        "CREATE OR REPLACE RULE ru AS ON DELETE TO t DO ALSO NOTHING;\n"
        "DROP POLICY IF EXISTS po ON t;\nCREATE POLICY po ON t USING (true);\n"
        "CREATE OR REPLACE VIEW v AS SELECT * FROM t;\n"
        "DROP MATERIALIZED VIEW IF EXISTS mv;\n"
        "CREATE MATERIALIZED VIEW mv AS SELECT * FROM v;\n",
    )
    project.sqlpair("migrate")
    assert project.schema("postgres") != before

    project.sqlpair("rollback")

    assert project.schema("postgres") == before


def test_a_rollback_from_the_ledger_runs_the_text_before(second: Project) -> None:
    for file in second.root.rglob("00[34]_b*"):
        file.unlink()
    view(second, "id, a")

    done = second.sqlpair("rollback", "--recorded", "--yes")

    shown = "postgres repeatable/v, the text that ran before it:\n    DROP VIEW IF"
    assert shown in done.stdout
    assert columns(second) == OLD
    drop_kept(second)


def test_a_text_in_the_ledger_that_was_altered_does_not_run(second: Project) -> None:
    second.pg("UPDATE schema_repeatable SET text = 'x' WHERE version = 1")

    refused = second.sqlpair("rollback", expect=1)

    assert "the text in the ledger is not the one that was recorded" in refused.stderr
    assert columns(second) == NEW


def test_a_file_that_is_gone_is_said_and_what_it_made_stays(first: Project) -> None:
    (first.root / "sql/sqlite/repeatable/w.sql").unlink()
    assert "its file is gone" in first.sqlpair("status").stdout

    done = first.sqlpair("migrate")

    assert "sqlite repeatable/w: its file is gone; what it made stays" in done.stderr
    assert columns(first) == OLD
    assert "nothing is pending" in first.sqlpair("status").stdout
    assert "view w is not in the migrations" in first.sqlpair("verify", expect=1).stdout
    first.sqlpair("rollback")
    view(first, "id, a")
    assert "nothing is pending" in first.sqlpair("status").stdout


def test_status_says_what_is_new_changed_and_applied(first: Project) -> None:
    view(first, "id")
    write(first, "sqlite", "a_new", "SELECT 1;\n")

    said = first.sqlpair("status")
    found = json.loads(first.sqlpair("status", "--json").stdout)

    assert "3 repeatable files pending: sqlpair migrate" in said.stdout
    states = {
        one["name"]: one["state"]
        for database in found["databases"].values()
        for one in database["repeatable"]
    }
    assert states == {"v": "changed", "w": "changed", "a_new": "new"}
    first.sqlpair("status", "--exit-code", expect=1)
    first.sqlpair("migrate")
    found = json.loads(first.sqlpair("status", "--json").stdout)
    (row,) = found["databases"]["postgres"]["repeatable"]
    assert (row["state"], row["version"]) == ("applied", 1)
    assert first.sqlpair("history").stdout.count("repeatable/v") == 2


def test_plan_runs_them_and_leaves_nothing(first: Project) -> None:
    grow(first)

    done = first.sqlpair("plan")

    assert "3. postgres repeatable/v\n" in done.stdout
    assert "changes: view v" in done.stdout
    assert columns(first) == OLD
    write(first, "sqlite", "z", "SELECT nope;")
    assert "no such column: nope" in first.sqlpair("plan", expect=1).stdout


def test_prove_runs_each_twice_on_rows(first: Project) -> None:
    write(first, "sqlite", "x", "CREATE TABLE x (a);\n")
    write(first, "sqlite", "y", "INSERT INTO s (id) SELECT max(id) + 1 FROM s;\n")

    done = first.sqlpair("prove", expect=1)

    assert "postgres repeatable/v: proved" in done.stdout
    assert "run again: sqlite repeatable/x.sql:1: table x already exists" in done.stdout
    assert "sqlite repeatable/y: NOT PROVED" in done.stdout
    assert "1 repeatable file, run twice" not in done.stdout
    assert "2 repeatable files, run twice." in done.stdout


@pytest.mark.parametrize(
    ("drop", "told"),
    [
        ("DROP VIEW IF EXISTS v CASCADE", "run again: view w is missing"),
        ("DROP VIEW IF EXISTS v", "cannot drop view v because other objects depend"),
    ],
)
def test_prove_tells_of_a_file_that_takes_along_what_another_makes(
    first: Project, drop: str, told: str
) -> None:
    write(first, "postgres", "v", f"{drop};\nCREATE VIEW v AS SELECT id, a FROM t;\n")
    text = "DROP VIEW IF EXISTS w;\nCREATE VIEW w AS SELECT id FROM v;\n"
    write(first, "postgres", "w", text)

    done = first.sqlpair("prove", expect=1)

    assert "postgres repeatable/v: NOT PROVED" in done.stdout
    assert told in done.stdout
    assert "postgres repeatable/w: proved" in done.stdout


def test_snapshot_and_verify_know_them(first: Project) -> None:
    first.sqlpair("snapshot")
    assert "CREATE VIEW" in (first.root / "sql/postgres/schema.sql").read_text()

    first.sqlpair("verify")
    view(first, "id")  # pending: not what is applied
    first.sqlpair("verify")
    first.lite("DROP VIEW w")
    assert "view w is missing" in first.sqlpair("verify", expect=1).stdout


def test_a_migration_that_needs_what_one_makes_is_told_so(
    project: Project,
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a int);", "DROP TABLE t;")
    folder = project.root / "sql" / "sqlite" / "repeatable"
    folder.mkdir()
    (folder / "v.sql").write_text("DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1;")
    project.sqlpair("migrate")
    project.add("sqlite", "002_w", "INSERT INTO t SELECT * FROM v;", "SELECT 1;")
    project.sqlpair("migrate")

    told = project.sqlpair("verify", expect=1).stdout

    assert "repeatable/v.sql makes v, and runs later" in told
    assert "Let a migration make it" in told


@pytest.mark.parametrize("with_views", [True, False])
def test_adopt_takes_them_for_neither_missing_nor_foreign(
    first: Project, with_views: bool
) -> None:
    for run in (first.pg, first.lite):
        for table in ("alembic_version", "schema_version", "schema_repeatable"):
            run(f"DROP TABLE {table}")
    if not with_views:
        first.pg("DROP VIEW v")
        first.lite("DROP VIEW w")

    done = first.sqlpair("adopt", "--yes")

    assert "Adopted: schema version 2." in done.stdout
    assert "no version makes" not in done.stdout
    first.sqlpair("migrate")
    assert columns(first) == OLD


def test_a_script_runs_them_and_records_them(
    project: Project, new_database: Callable[[], str], tmp_path: Path
) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (id int, a int);", "DROP TABLE t;")
    write(project, "postgres", "v", "CREATE OR REPLACE VIEW v AS SELECT a FROM t")
    script = project.alembic("upgrade", "postgres@head", "--sql").stdout

    psql = str(find_binaries() / "psql")
    subprocess.run(
        [psql, "-qX", "-d", project.dsn], input=script, text=True, check=True
    )

    assert project.pg("SELECT name, version FROM schema_repeatable") == [("v", 1)]
    assert "Nothing to do" in project.sqlpair("migrate", "--to", "1").stdout


REFUSED = [
    ("v_rollback.sql", "SELECT 1;", "a repeatable file has no _rollback.sql"),
    ("a b.sql", "SELECT 1;", "is not a valid name for a repeatable file"),
    ("v.sql", "-- no-transaction\nVACUUM;", "a repeatable file is never -- no-trans"),
    ("v.sql", "COMMIT;", "postgres repeatable/v.sql:1: COMMIT would break"),
]


@pytest.mark.parametrize(("name", "text", "said"), REFUSED)
def test_what_cannot_be_one_is_refused_before_anything_runs(
    first: Project, name: str, text: str, said: str
) -> None:
    grow(first)
    write(first, "postgres", name.removesuffix(".sql"), text)

    with pytest.raises(SqlFileError) as refused:
        first.upgrade()

    assert said in str(refused.value)
    assert columns(first) == OLD


def test_all_files_that_cannot_run_are_told_at_once(first: Project) -> None:
    first.add("postgres", "003_b", "COMMIT;")
    write(first, "sqlite", "w", "COMMIT;")

    failed = first.sqlpair("migrate", expect=1)

    assert "2 files cannot run as they are" in failed.stderr
    assert "sqlite repeatable/w.sql:1" in failed.stderr


def test_a_table_of_that_name_that_is_another_programs_is_named(
    first: Project,
) -> None:
    first.lite("DROP TABLE schema_repeatable")
    first.lite("CREATE TABLE schema_repeatable (x)")

    failed = first.sqlpair("migrate", expect=1)

    assert "the table schema_repeatable is another program's" in failed.stderr


def test_lint_reads_them(first: Project) -> None:
    write(first, "sqlite", "w", "SELEC 1;\n")

    found = first.sqlpair("lint", "sql/sqlite/repeatable/w.sql", expect=1)

    assert "sql/sqlite/repeatable/w.sql:1: unparsed" in found.stdout
    assert "1 finding in 1 file" in found.stdout


def test_the_short_way_sees_one_that_changed(first: Project) -> None:
    def answer() -> Answer | None:
        with mock.patch.dict(os.environ, first.environ):
            return nothing_to_do.answer(first.root / "alembic.ini")

    first.sqlpair("migrate")
    assert answer() is not None
    view(first, "id")
    assert answer() is None
    view(first, "id, a")
    first.sqlpair("migrate")
    assert answer() is not None
    first.lite("DELETE FROM schema_repeatable")
    assert answer() is None


KILLS = [
    # owner, method, when, which call, what the next command makes of it
    (PostgreSQLSession, "run", "after", 2, OLD),
    (SQLiteSession, "run", "after", 2, OLD),
    (PostgreSQLSession, "prepare", "after", 1, OLD),
    (SQLiteSession, "commit", "after", 1, NEW),
    (PostgreSQLSession, "decide", "before", 1, NEW),
]


@pytest.mark.parametrize(("owner", "method", "when", "call", "end"), KILLS)
def test_after_a_kill_both_are_on_one_side(
    first: Project,
    owner: type,
    method: str,
    when: str,
    call: int,
    end: tuple[list[str], list[str]],
) -> None:
    grow(first)
    dying(first, owner, method, when, call=call)

    deploy(first, "base", "upgrade")  # what changes nothing itself

    assert columns(first) == end
    first.sqlpair("migrate")
    assert columns(first) == NEW
    assert texts(first) == (2, 2)


def test_a_rollback_that_was_killed_between_two_stages_is_gone_on_with(
    second: Project,
) -> None:
    second.configure("alembic", transaction="migration")
    dying(second, SQLiteSession, "commit", "after", "-1", "downgrade")

    second.sqlpair("rollback", "--to", "2")

    assert columns(second) == OLD
    assert texts(second) == (1, 1)


def test_an_older_text_runs_again_above_a_rollback_that_was_killed(
    second: Project,
) -> None:
    second.configure("alembic", transaction="migration")
    dying(second, SQLiteSession, "commit", "after", "-1", "downgrade")
    view(second, "id, a")

    second.sqlpair("migrate")

    assert columns(second) == OLD
    assert "nothing is pending" in second.sqlpair("status").stdout


@pytest.mark.parametrize("command", [("migrate",), ("rollback",)])
def test_in_the_window_between_two_commits_the_same_command_finishes(
    unpreparing: Project, command: tuple[str, ...]
) -> None:
    project = unpreparing
    project.add("postgres", "001_t", "CREATE TABLE t (id int, a int);", "DROP TABLE t;")
    project.add("sqlite", "002_s", "CREATE TABLE s (id int, a int);", "DROP TABLE s;")
    view(project, "id, a")
    project.sqlpair("migrate")
    view(project, "id")
    if command == ("rollback",):
        project.sqlpair("migrate")
    dying(
        project,
        SQLiteSession,
        "commit",
        "before",
        action=lambda: project.sqlpair(*command),
    )

    project.sqlpair(*command)

    wanted = OLD if command == ("rollback",) else (["id"], ["id"])
    assert columns(project) == wanted


def test_an_error_names_nothing_that_ran(first: Project) -> None:
    write(first, "postgres", "v", "SELECT nope;")

    with pytest.raises(SqlpairError) as failed:
        first.upgrade()

    assert "postgres repeatable/v.sql:1:" in str(failed.value)


def test_what_another_file_makes_is_not_dropped_along(first: Project) -> None:
    user = write(
        first, "postgres", "z", "CREATE OR REPLACE VIEW z AS SELECT id FROM v;\n"
    )
    first.sqlpair("migrate")
    text = "DROP VIEW IF EXISTS v CASCADE;\nCREATE VIEW v AS SELECT a, id FROM t;\n"
    write(first, "postgres", "v", text)
    before = texts(first)

    refused = first.sqlpair("migrate", expect=1).stderr

    assert "postgres repeatable/v: drops what other files make" in refused
    assert "repeatable/z.sql: VIEW public.z" in refused
    assert texts(first) == before
    assert columns(first) == OLD
    assert first.pg("SELECT to_regclass('z')") == [("z",)]
    # Both run now, in the order of their names.
    user.write_text(user.read_text() + "\n")
    first.sqlpair("migrate")
    first.sqlpair("verify")


def test_what_a_file_made_itself_it_may_drop(first: Project) -> None:
    write(first, "postgres", "z", "CREATE VIEW z AS SELECT id FROM t;\n")
    first.sqlpair("migrate")

    text = "DROP VIEW z;\nCREATE VIEW z2 AS SELECT id FROM t;\n"
    write(first, "postgres", "z", text)
    first.sqlpair("migrate")

    assert first.pg("SELECT to_regclass('z'), to_regclass('z2')") == [(None, "z2")]
