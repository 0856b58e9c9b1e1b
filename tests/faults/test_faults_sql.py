"""Faulty, hostile and huge SQL files: named, without reach, in bounded memory."""

from __future__ import annotations

import re
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from conftest import Project
from fault_injection import add, assert_at, deploy, dying, forked_to_the_end
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.errors import (
    SettingsError,
    SqlFileError,
    SqlpairError,
    StatementError,
)
from sqlpair.ledger import tables

BOTH = ("postgres", "sqlite")


@pytest.fixture
def pair(project: Project) -> Project:
    """One migration applied in each database, and one pending in PostgreSQL."""
    add(project, 1, 2)
    project.upgrade()
    add(project, 3)
    return project


def refused(project: Project) -> SqlpairError:
    """Deploy, which must fail and change nothing; return the failure."""
    with pytest.raises(SqlpairError) as failure:
        deploy(project)
    assert_at(project, 2)
    assert "outcome=failed" in project.log.splitlines()[-1]
    return failure.value


@pytest.mark.parametrize("views", [0, 1])
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_file_that_drops_what_records_it_is_told(
    pair: Project, database: str, views: int
) -> None:
    pair.add(database, "003_t3", "DROP TABLE schema_version;\n")
    folder = pair.root / "sql" / database / "repeatable"
    for number in range(views):
        folder.mkdir()
        (folder / f"v{number}.sql").write_text("SELECT 1;\n")

    failure = refused(pair)

    assert "schema_version" in failure.what
    assert "a file of this run drops it: it records what is applied" in str(failure)
    assert "rolled back: nothing was changed" in str(failure)
    assert "ledger_schema" in failure.remedy


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM schema_version;",
        "UPDATE alembic_version SET version_num = 'elsewhere';",
        "INSERT INTO schema_version (version, migration_name) VALUES ('9', '009_x');",
    ],
)
def test_file_that_edits_what_records_it_is_told(
    pair: Project, database: str, edit: str
) -> None:
    pair.add(database, "003_t3", edit)

    failure = refused(pair)

    assert f"{database} 003_t3: the file changes what records" in failure.what
    assert "rolled back: nothing was changed" in str(failure)


HIDDEN = {  # it names no table of the ledger's
    "postgres": "DO $$ BEGIN EXECUTE 'DELETE FROM schema_' || 'version'; END $$;",
    "sqlite": "INSERT INTO t2 VALUES (1);",
}


@pytest.mark.parametrize("database", HIDDEN)
def test_file_that_edits_the_ledger_by_what_it_calls_is_told(
    pair: Project, database: str
) -> None:
    pair.lite(
        "CREATE TRIGGER trap AFTER INSERT ON t2 BEGIN DELETE FROM schema_version; END"
    )
    pair.add(database, "003_t3", HIDDEN[database])

    failure = refused(pair)

    assert f"{database}: a file of this run changes what records" in failure.what
    assert failure.evidence == ("rolled back: nothing was changed",)


def test_failure_of_a_column_named_like_alembics_is_its_own(pair: Project) -> None:
    pair.add(
        "postgres",
        "003_t3",
        "CREATE TABLE a (version_num int PRIMARY KEY);"
        " CREATE TABLE b (version_num int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
        " INSERT INTO b VALUES (1);",
    )

    assert "b_version_num_fkey" in refused(pair).what


@pytest.mark.parametrize(
    ("database", "third", "message", "snippet"),
    [
        (
            "postgres",
            "SELECT id,\n  nope FROM t1;",
            'column "nope" does not exist',
            ["5 |   nope FROM t1;", "  |   ^"],
        ),
        (
            "postgres",
            "CREATE TABLE t1 (id int);",
            'relation "t1" already exists',
            ["4 | CREATE TABLE t1 (id int);"],
        ),
        (
            "postgres",
            "SELECT 1 / 0;",
            "division by zero",
            ["4 | SELECT 1 / 0;"],
        ),
        (
            "sqlite",
            "CREATE TABLE t2 (id int);",
            "table t2 already exists",
            ["4 | CREATE TABLE t2 (id int);"],
        ),
        (
            "sqlite",
            "SELECT nope FROM t2;",
            "no such column: nope",
            ["4 | SELECT nope FROM t2;"],
        ),
    ],
)
def test_error_in_the_third_statement_is_told_with_its_line_and_caret(
    pair: Project, database: str, third: str, message: str, snippet: list[str]
) -> None:
    text = f"CREATE TABLE a (id int);\n/* ; */\nCREATE TABLE b (id int);\n{third}\n"
    pair.add(database, "004_wrong", text)

    error = refused(pair)

    assert isinstance(error, StatementError)
    line = snippet[0].partition(" ")[0]
    assert error.what == f"{database} 004_wrong.sql:{line}: {message}"
    assert [*error.evidence[: len(snippet)]] == snippet
    assert "rolled back: nothing was changed" in error.evidence


@pytest.mark.parametrize("database", BOTH)
@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s"])
def test_transaction_control_within_a_file_is_refused_before_anything_runs(
    pair: Project, database: str, word: str
) -> None:
    pair.add(database, "004_control", f"SELECT 1;\n{word};\nSELECT 2;\n")

    error = refused(pair)

    assert isinstance(error, SqlFileError)
    assert error.what.startswith(f"{database} 004_control.sql:2: {word.split()[0]} ")
    assert "-- no-transaction" in error.remedy


@pytest.mark.parametrize("database", BOTH)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"SELECT 1;\n-- caf\xe9\n", ":2: not UTF-8 at byte 16"),
        (b"SELECT 1;\n\0SELECT 2;\n", ":2: a NUL byte"),
        (b"SELECT 1;\n/* SELECT 2;\n", ":2: "),
        (b"SELECT 1;\nSELECT 'it;\n", ":2: "),
    ],
)
def test_file_that_cannot_be_read_to_its_end_is_refused_before_anything_runs(
    pair: Project, database: str, text: bytes, message: str
) -> None:
    pair.add(database, "004_odd", "")
    (pair.root / "sql" / database / "004_odd.sql").write_bytes(text)

    error = refused(pair)

    assert isinstance(error, SqlFileError)
    assert error.what.startswith(f"{database} 004_odd.sql{message}")


@pytest.mark.parametrize(
    "pasted", [r"\connect other", "COPY t1 (id) FROM stdin;\n1\n", r"\i more.sql"]
)
def test_what_only_psql_understands_is_refused_with_its_line(
    pair: Project, pasted: str
) -> None:
    pair.add("postgres", "005_dump", f"SELECT 1;\n{pasted}\n")

    error = refused(pair)

    assert isinstance(error, SqlFileError)
    assert "postgres 005_dump.sql:2" in error.what


MEGABYTES, STATEMENTS = 50, 100_000


@pytest.mark.parametrize("database", BOTH)
def test_file_of_50_megabytes_runs_in_bounded_memory(
    project: Project, database: str
) -> None:
    line = "INSERT INTO big VALUES ('{}');\n"
    line = line.format("x" * (MEGABYTES * 10**6 // STATEMENTS - len(line) + 2))
    text = "CREATE TABLE big (note text);\n" + line * STATEMENTS
    assert len(text) > MEGABYTES * 10**6
    project.add(database, "001_small", "SELECT 1;\n")
    project.upgrade()  # what is imported on the way counts for nothing
    project.add(database, "003_big", text)
    del text

    def grown() -> None:
        before = peak()
        project.upgrade()
        (project.root / "grown").write_text(str(peak() - before))

    forked_to_the_end(grown)

    query = project.lite if database == "sqlite" else project.pg
    assert query("SELECT count(*) FROM big") == [(STATEMENTS,)]
    # Its bytes, its text, and nothing for each statement.
    assert int((project.root / "grown").read_text()) < 3 * MEGABYTES


def peak() -> int:
    """Return how many megabytes this process has ever used at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


REACHING = {
    "role": "SET ROLE pg_monitor;",
    "session authorization": "SET SESSION AUTHORIZATION visitor;",
    "search path": "SET search_path = trap, pg_catalog;",
    "search path of the transaction": "SET LOCAL search_path = trap;",
    "temporary tables": "CREATE TEMP TABLE schema_version (version int);"
    " CREATE TEMP TABLE alembic_version (version_num text); CREATE TEMP TABLE t1 ();",
    "set_config": "SELECT set_config('search_path', 'trap', false);",
    "strings": "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN"
    " ('escape_string_warning', 'standard_conforming_strings')"
    " AND current_setting('server_version_num')::int < 190000;",
    "read only": "SET default_transaction_read_only = on;",
    "encoding": "SET client_encoding = 'SQL_ASCII';",
    "letters": "SET client_encoding = 'LATIN1';",
}


@pytest.fixture
def trap(project: Project) -> Project:
    """A schema with tables of the same names, and a role without any right."""
    add(project, 1, 2)
    project.upgrade()
    project.pg(
        "CREATE SCHEMA trap; CREATE TABLE trap.alembic_version AS"
        " TABLE public.alembic_version WITH NO DATA; CREATE TABLE trap.schema_version"
        " (LIKE public.schema_version INCLUDING ALL); CREATE TABLE trap.schema_history"
        " (LIKE public.schema_history INCLUDING ALL)"
    )
    return project


@contextmanager
def role(project: Project, name: str) -> Iterator[None]:
    """Make a role on the session's server for a while."""
    project.pg(f"CREATE ROLE {name}")
    try:
        yield
    finally:
        project.pg(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("mark", ["", "-- no-transaction\n"])
@pytest.mark.parametrize("what", REACHING)
def test_file_that_changes_role_or_search_path_moves_no_ledger(
    trap: Project, what: str, mark: str
) -> None:
    trap.add("postgres", "003_t3", f"{mark}CREATE TABLE t3 ();\n{REACHING[what]}\n")
    trap.add("postgres", "005_t5", "CREATE TABLE t5 AS SELECT id, 'a\\b' FROM t1;\n")

    with role(trap, "visitor"):
        deploy(trap)

    assert trap.applied("postgres") == ["001_t1", "003_t3", "005_t5"]
    assert trap.heads("postgres") == ["postgres_005"]
    assert trap.tables("postgres") == {"t1", "t3", "t5"}
    for table in ("alembic_version", "schema_version", "schema_history"):
        assert trap.pg(f"SELECT * FROM trap.{table}") == []


@pytest.mark.parametrize("mark", ["", "-- no-transaction\n"])
def test_what_a_file_leaves_in_its_session_is_in_no_other_files_way(
    project: Project, mark: str
) -> None:
    own = (
        "CREATE TEMP TABLE kept (n int);\nPREPARE kept AS SELECT 1;\n"
        "DECLARE kept CURSOR WITH HOLD FOR SELECT 1;\n"
    )
    project.add("postgres", "001_t1", f"{mark}{own}")
    project.add("postgres", "002_t2", f"{mark}{own}")
    project.add("postgres", "003_t3", own)

    deploy(project)

    assert project.applied("postgres") == ["001_t1", "002_t2", "003_t3"]


@pytest.mark.parametrize("name", ["DOMAIN\\'person", "pérson"])
@pytest.mark.parametrize("what", ["strings", "letters"])
def test_file_that_changes_how_text_is_read_does_not_change_what_is_recorded(
    trap: Project, what: str, name: str
) -> None:
    trap.add("postgres", "003_t3", f"CREATE TABLE t3 ();\n{REACHING[what]}\n")

    with mock.patch.object(tables, "who", return_value=name):
        deploy(trap)

    sql = "SELECT applied_by FROM schema_version WHERE version = 3"
    assert trap.pg(sql) == [(name,)]


ENDS = (
    "()",
    "();",
    "();;\n",
    "() -- the end",
    "() -- ;",
    "(); -- the end",
    "() /**/",
    "(); INSERT INTO t3 DEFAULT VALUES; DELETE FROM t3",
)


@pytest.mark.parametrize("end", ENDS)
def test_however_a_file_ends_the_session_is_put_back(trap: Project, end: str) -> None:
    trap.add(
        "postgres", "003_t3", f"SET search_path = trap;\nCREATE TABLE trap.t3 {end}"
    )
    trap.add("postgres", "005_t5", "CREATE TABLE t5 (id int);\n")

    deploy(trap)

    assert trap.tables("postgres") == {"t1", "t5"}
    assert trap.pg("SELECT * FROM trap.t3") == []


def test_search_path_of_the_database_itself_moves_no_ledger(trap: Project) -> None:
    [(name,)] = trap.pg("SELECT current_database()")
    trap.pg(f"ALTER DATABASE {name} SET search_path = trap, public")
    add(trap, 3, 4)

    deploy(trap)

    assert trap.pg("SELECT max(version) FROM public.schema_version") == [(3,)]
    assert trap.pg("SELECT * FROM trap.schema_version") == []
    assert trap.pg("SELECT * FROM public.t1") == []
    assert trap.pg("SELECT * FROM trap.t3") == []


PRAGMAS = (
    "PRAGMA query_only = ON;",
    "EXPLAIN PRAGMA query_only = ON;",
    "EXPLAIN /* */ QUERY PLAN -- it runs\nPRAGMA query_only = ON;",
    "PRAGMA writable_schema = ON;",
    "PRAGMA ignore_check_constraints = ON;",
    "PRAGMA locking_mode = EXCLUSIVE;",
    "PRAGMA busy_timeout = 0;",
    "PRAGMA case_sensitive_like = ON;",
    "CREATE TEMP TABLE schema_version (version int);",
    "CREATE TEMP TRIGGER x BEFORE INSERT ON main.t2 BEGIN SELECT RAISE(IGNORE); END;",
)


@pytest.mark.parametrize("mark", ["", "-- no-transaction\n"])
@pytest.mark.parametrize("pragma", PRAGMAS)
def test_pragmas_and_temporary_tables_of_a_sqlite_file_end_with_it(
    project: Project, pragma: str, mark: str
) -> None:
    add(project, 2)
    project.upgrade()
    project.add("sqlite", "004_t4", f"{mark}CREATE TABLE t4 (id int);\n{pragma}\n")
    project.add(
        "sqlite",
        "006_look",
        "CREATE TABLE look AS SELECT"
        " (SELECT query_only FROM pragma_query_only) AS query_only,"
        " (SELECT synchronous FROM pragma_synchronous) AS synchronous,"
        " (SELECT timeout FROM pragma_busy_timeout) > 0 AS patient,"
        " 'A' LIKE 'a' AS alike;\nINSERT INTO t2 VALUES (1);\n",
    )

    deploy(project)

    assert project.applied("sqlite") == ["002_t2", "004_t4", "006_look"]
    assert project.heads("sqlite") == ["sqlite_006"]
    assert project.lite("SELECT * FROM look") == [(0, 3, 1, 1)]
    assert project.lite("SELECT count(*) FROM t2") == [(1,)]


@pytest.mark.parametrize(
    "sql", ["PRAGMA query_only = ON", "CREATE TEMP TABLE t4 (id int)"]
)
def test_what_a_revision_module_sets_in_sqlite_ends_with_it(
    project: Project, sql: str
) -> None:
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    made = "CREATE TABLE t4 (id int);\nINSERT INTO t4 VALUES (1);\n"
    project.add("sqlite", "004_t4", made)
    module = project.root / "alembic/versions/sqlite/002_t2.py"
    module.write_text(
        "from alembic import op\n"
        + module.read_text().replace("upgrade, downgrade", "up, downgrade")
        + f"\n\ndef upgrade():\n    up()\n    op.execute({sql!r})\n"
    )

    deploy(project)

    assert project.tables("sqlite") == {"t2", "t4"}
    assert project.lite("SELECT id FROM t4") == [(1,)]


def test_rollback_journal_of_sqlite_is_removed_after_a_run(project: Project) -> None:
    project.configure("alembic", transaction="migration")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    project.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")
    journal = project.file.with_name(f"{project.file.name}-journal")
    kept = []
    original = SQLiteSession.begin

    def begun(session: SQLiteSession, first: str = "") -> None:
        kept.append(journal.exists())
        original(session, first)

    with mock.patch.object(SQLiteSession, "begin", begun):
        deploy(project)

    assert kept == [False, True]
    assert not journal.exists()
    project.add("sqlite", "006_wrong", "CREATE TABLE t2 (id int);\n")
    with pytest.raises(StatementError):
        deploy(project)
    assert not journal.exists()
    assert project.lite("PRAGMA journal_mode") == [("delete",)]


@pytest.mark.parametrize("mode", ["OFF", "MEMORY", "WAL"])
def test_only_a_write_ahead_log_outlasts_the_file_that_chose_it(
    project: Project, mode: str
) -> None:
    project.add(
        "sqlite", "002_mode", f"-- no-transaction\nPRAGMA journal_mode = {mode};\n"
    )
    project.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")
    modes = []
    original = SQLiteSession.begin

    def begun(session: SQLiteSession, first: str = "") -> None:
        original(session, first)
        modes.append(session.rows("PRAGMA journal_mode")[0]["journal_mode"])

    with mock.patch.object(SQLiteSession, "begin", begun):
        deploy(project)

    assert set(modes) == {"wal" if mode == "WAL" else "persist"}


def test_rollback_journal_that_a_killed_run_left_changes_nothing(
    project: Project,
) -> None:
    project.configure("alembic", transaction="migration")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    project.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")
    journal = project.file.with_name(f"{project.file.name}-journal")

    dying(project, SQLiteSession, "begin", "before", call=2)

    assert journal.exists()
    assert project.tables("sqlite") == {"t2"}
    deploy(project)
    assert project.tables("sqlite") == {"t2", "t4"}
    assert project.lite("PRAGMA integrity_check") == [("ok",)]
    assert not journal.exists()


def test_sqlite_migration_can_neither_attach_a_file_nor_load_an_extension(
    pair: Project, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).close()
    before = other.read_bytes()
    attach = f"ATTACH '{other}' AS other;"
    versions = pair.root / "alembic/versions/sqlite"

    pair.add("sqlite", "004_attach", f"SELECT 1;\n{attach}\n")
    error = refused(pair)
    assert "sqlite 004_attach.sql:2: ATTACH reaches beyond the database" in str(error)

    # What no reading of the file finds, the connection itself does not allow.
    pair.add("sqlite", "004_attach", "SELECT 1;\n")
    module = versions / "004_attach.py"
    text = module.read_text()
    more = text.replace("upgrade, downgrade", "up, downgrade")
    module.write_text(
        f"from alembic import op\n{more}\n\ndef upgrade():\n    up()\n"
        f"    op.execute({attach!r})\n"
    )
    assert "too many attached databases - max 0" in str(refused(pair))

    module.write_text(text)
    pair.add("sqlite", "004_attach", "SELECT load_extension('/tmp/x');\n")
    assert "not authorized" in str(refused(pair))
    assert other.read_bytes() == before


def test_error_text_of_several_lines_forges_no_line_of_the_log(pair: Project) -> None:
    forged = "2026-01-01T00:00:00Z outcome=committed deployment=forged"
    pair.add(
        "postgres",
        "005_forger",
        f"DO $$ BEGIN RAISE EXCEPTION E'no\\n{forged}\\x1b[2J'; END $$;\n",
    )
    lines = len(pair.log.splitlines())

    error = refused(pair)

    assert forged in str(error)
    assert len(pair.log.splitlines()) == lines + 2  # that it began, and how it ended
    assert not re.search(r"^\S+ outcome=committed deployment=forged", pair.log, re.M)
    assert "\x1b" not in pair.log


HISTORIES = {
    "an enum value used in the transaction that added it": (
        "CREATE TYPE mood AS ENUM ('good');",
        "ALTER TYPE mood ADD VALUE 'bad';",
        "CREATE TABLE moods AS SELECT 'bad'::mood AS mood;",
    ),
    "trigger events that are still pending": (
        "CREATE TABLE child (parent int REFERENCES t1 DEFERRABLE INITIALLY DEFERRED);",
        "INSERT INTO t1 VALUES (1); INSERT INTO child VALUES (1);",
        "ALTER TABLE child ADD COLUMN note text;",
    ),
}


@pytest.mark.parametrize("what", HISTORIES)
def test_history_that_needs_a_transaction_for_each_migration_is_told_so(
    pair: Project, what: str
) -> None:
    first, second, third = HISTORIES[what]
    add(pair, 4)
    pair.upgrade()
    pair.pg(first)
    pair.add("postgres", "005_second", f"{second}\n")
    pair.add("postgres", "007_third", f"{third}\n")

    with pytest.raises(SqlpairError) as failure:
        deploy(pair)

    assert "postgres 007_third.sql:1: " in failure.value.what
    assert "transaction = migration" in failure.value.remedy
    assert pair.applied("postgres") == ["001_t1", "003_t3"]
    pair.configure("alembic", transaction="migration")
    deploy(pair)
    assert pair.applied("postgres")[-1] == "007_third"


def test_history_that_runs_out_of_lock_slots_is_told_so(pair: Project) -> None:
    pair.add(
        "postgres",
        "005_locks",
        "SELECT count(pg_advisory_xact_lock(i)) FROM generate_series(1, 1000000) i;\n",
    )

    error = refused(pair)

    assert error.what == "postgres 005_locks.sql:1: out of shared memory"
    assert "transaction = migration" in error.remedy
    assert "max_locks_per_transaction" in error.remedy


BODIES = {
    "postgres": "/* a; /* nested; */ comment; */\n"
    "CREATE TABLE log (note text DEFAULT 'a;''b'); -- one; two\n"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $body$\nBEGIN\n"
    "  INSERT INTO log VALUES ('x;$$'); RETURN NEW; -- ;\nEND; $body$;\n"
    "CREATE TRIGGER t AFTER INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION note();\n"
    "INSERT INTO t1 VALUES (7);\nINSERT INTO log DEFAULT VALUES;\n",
    "sqlite": "/* a; comment; /* */\n"
    "CREATE TABLE log (note text DEFAULT 'a;''b'); -- one; two\n"
    "CREATE TRIGGER t AFTER INSERT ON t2 BEGIN\n"
    "  INSERT INTO log VALUES ('x;$$'); -- ;\n  SELECT CASE WHEN 1 THEN 2 END;\nEND;\n"
    "INSERT INTO t2 VALUES (7);\nINSERT INTO log DEFAULT VALUES;\n",
}


@pytest.mark.parametrize("database", BOTH)
def test_trigger_bodies_and_semicolons_in_strings_and_comments_are_applied(
    pair: Project, database: str
) -> None:
    stem = "005_bodies" if database == "postgres" else "004_bodies"
    pair.add(database, stem, BODIES[database])

    deploy(pair)

    query = pair.lite if database == "sqlite" else pair.pg
    assert query("SELECT note FROM log") == [("x;$$",), ("a;'b",)]


ODD = 'odd "name"; DROP TABLE t1; --\' {x} %s'


def test_names_from_the_settings_are_quoted_or_refused(project: Project) -> None:
    add(project, 1, 2)
    quoted = '"' + ODD.replace('"', '""') + '"'
    project.pg(f"CREATE SCHEMA {quoted}")
    project.configure("postgres", ledger_schema=ODD.replace("%", "%%"))
    project.upgrade()
    project.downgrade("-1")
    project.upgrade()

    assert project.pg(f"SELECT version FROM {quoted}.schema_version") == [(1,)]
    assert project.tables("postgres") == {"t1"}
    project.configure("alembic", databases='postgres, sqlite, ../odd"')
    with pytest.raises(SettingsError, match="cannot be a database's name"):
        project.upgrade()
