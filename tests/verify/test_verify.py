"""Verify: each kind of problem, made for real, and the sentence that tells it."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc

import pytest

from conftest import Project, connected
from sqlpair.databases.postgresql import catalog
from sqlpair.databases.postgresql import reference_column as postgresql_column
from sqlpair.deploy.record import stamp
from sqlpair.deploy.targets import Destination
from sqlpair.errors import SettingsError, UsageError
from sqlpair.verify import Problem, ProblemKind, Verified, verify
from sqlpair.verify import references as referring

ADA = "0f9a6c1e-3f4b-4a59-8d5e-2f6d1c7b8a90"
BOB = "1b2c3d4e-5f60-4718-9293-a4b5c6d7e8f9"
EVE = "2c3d4e5f-6071-4829-a3b4-c5d6e7f80910"


def nothing(_line: str) -> None:
    pass


def check(project: Project, *names: str) -> Verified:
    return verify(project.settings, nothing, names)


def problems(project: Project, *names: str) -> list[Problem]:
    return list(check(project, *names).problems)


def only(project: Project, *names: str) -> Problem:
    (problem,) = problems(project, *names)
    return problem


@pytest.fixture
def two(project: Project) -> Project:
    """001 and 003 on PostgreSQL, 002 and 004 on SQLite, all applied."""
    for number, database in enumerate(["postgres", "sqlite"] * 2, start=1):
        project.add(
            database,
            f"{number:03}_t{number}",
            f"CREATE TABLE t{number} (id integer PRIMARY KEY, note text);\n",
            f"DROP TABLE t{number};\n",
        )
    project.upgrade()
    return project


@pytest.fixture
def tradebaas(tradebaas: Project) -> Project:
    """The real project, migrated, with two users and a trade of each."""
    tradebaas.upgrade()
    for user in (ADA, BOB):
        tradebaas.pg(
            "INSERT INTO users (id, email, password_hash)"
            f" VALUES ('{user}', '{user}@example.org', 'x')"
        )
        trade(tradebaas, f"of {user}", user)
    return tradebaas


def trade(project: Project, key: str, user: str | None) -> None:
    with sqlite3.connect(project.file, isolation_level=None) as raw:
        raw.execute(
            "INSERT INTO trades (id, strategyName, instrument, side, entryOrderId,"
            " entryPrice, amount, stopLoss, takeProfit, entryTime, status, user_id)"
            " VALUES (?, 's', 'BTC', 'buy', 'o', 1, 1, 1, 1, 1, 'open', ?)",
            [key, user],
        )
    raw.close()


# -- no problems ---------------------------------------------------------------------


def test_a_migrated_project_has_no_problem(two: Project) -> None:
    assert check(two) == (
        (("postgres", "003_t3", ()), ("sqlite", "004_t4", ())),
        (),
    )


def test_this_project_has_no_problem(tradebaas: Project) -> None:
    assert problems(tradebaas) == []


def test_a_ledger_in_another_schema_is_ours_and_its_namesake_is_not(
    two: Project,
) -> None:
    two.configure("postgres", ledger_schema="Led.ger")
    # As the documents lay it down, by another program.
    two.pg('CREATE SCHEMA "Led.ger"')
    two.pg(
        'CREATE TABLE "Led.ger".schema_version (id serial PRIMARY KEY, version int NOT'
        " NULL, migration_name varchar(255) NOT NULL, applied_at timestamp DEFAULT"
        " now(), mine text)"
    )
    two.downgrade("sqlite@base")
    two.pg("DROP TABLE t1, t3, schema_version, schema_history, alembic_version")
    two.add("postgres", "005_own", "CREATE TABLE schema_version (id int);\n")
    two.upgrade()

    assert problems(two) == []
    two.pg("ALTER TABLE schema_version ADD COLUMN note text")
    assert only(two).what.startswith("postgres: column schema_version.note is not in")


def test_the_files_run_by_hand_and_stamped_are_no_problem(two: Project) -> None:
    two.downgrade("base")
    for path in sorted((two.root / "sql" / "postgres").glob("00?_t?.sql")):
        two.pg(path.read_text())
    for path in sorted((two.root / "sql" / "sqlite").glob("00?_t?.sql")):
        two.lite(path.read_text())
    stamp(
        two.settings,
        Destination(("heads",), "stamp", nothing),
        nothing,
        method="stamp",
        purge=False,
    )

    assert problems(two) == []


def test_pending_migrations_are_told_and_are_no_problem(two: Project) -> None:
    two.add("sqlite", "005_later", "CREATE TABLE later (id int);\n")

    assert check(two).problems == ()
    assert check(two).databases[1] == ("sqlite", "004_t4", ("005_later",))


def test_verify_creates_nothing(project: Project, server: str) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id int);\n")

    assert problems(project) == []
    assert not project.file.exists()
    assert not project.file.parent.exists()
    assert not (project.root / "logs").exists()


def test_verify_changes_nothing_in_the_databases(two: Project) -> None:
    dump = "SELECT sql FROM sqlite_master ORDER BY 1"
    catalog = "SELECT relname, relfilenode FROM pg_class ORDER BY 1"
    before = two.lite(dump), two.pg(catalog), two.file.read_bytes()

    check(two)

    assert before == (two.lite(dump), two.pg(catalog), two.file.read_bytes())


def test_verify_waits_for_no_deployment_and_holds_none_up(two: Project) -> None:
    with connected(two.dsn) as execute:
        execute("BEGIN")
        execute("INSERT INTO t1 VALUES (1)")
        writer = sqlite3.connect(two.file, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        try:
            assert problems(two) == []
        finally:
            writer.close()


def test_of_a_database_that_is_not_asked_for_the_schema_is_not_read(
    two: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError

    monkeypatch.setattr(catalog, "catalog", refuse)

    assert problems(two, "sqlite") == []
    two.pg("ALTER TABLE alembic_version RENAME TO other")
    with pytest.raises(AssertionError):
        check(two, "postgres")


def test_an_unknown_database_is_a_misuse(two: Project) -> None:
    with pytest.raises(UsageError, match="no database is called 'mysql'"):
        check(two, "mysql")


# -- files ----------------------------------------------------------------------------


def test_an_edited_file_is_told_with_both_checksums(two: Project) -> None:
    path = two.root / "sql" / "sqlite" / "002_t2.sql"
    path.write_text(path.read_text() + "-- later thought\n")

    problem = only(two)

    assert problem.kind == "files"
    assert problem.what == (
        "sqlite 002_t2: the SQL file was edited after it was applied"
    )
    (line,) = problem.evidence
    (recorded,) = two.lite("SELECT checksum FROM schema_version WHERE version = 2")[0]
    assert line.startswith(f"recorded {recorded[:12]} on 20")
    assert "; the file is now " in line
    assert "sqlpair repair" in problem.remedy


def test_line_ends_are_no_edit(two: Project) -> None:
    path = two.root / "sql" / "sqlite" / "002_t2.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert problems(two) == []


def test_text_over_several_lines_is_no_drift_in_a_checkout_with_other_line_ends(
    two: Project,
) -> None:
    spread = (
        "CREATE TABLE spread (\n  a text DEFAULT 'x\ny',\n"
        "  CHECK (a <> 'p\nq' -- why\n  )\n);\n"
        "CREATE INDEX partly ON spread (a)\n  WHERE a <> 'm\nn';\n"
        "CREATE VIEW seen AS\n  SELECT a, 'l\nm' AS \"odd\nname\" FROM spread;\n"
    )
    two.add(
        "postgres",
        "005_spread",
        f"{spread}CREATE FUNCTION f() RETURNS text LANGUAGE sql\nAS $$\nSELECT 'a\nb'\n"
        "$$;\nCOMMENT ON TABLE spread IS 'one\ntwo';\n"
        "CREATE TYPE mood AS ENUM ('so\nso');\n",
    )
    two.add(
        "sqlite",
        "006_spread",
        f"{spread}CREATE TRIGGER g AFTER INSERT ON spread\nBEGIN\n"
        "  UPDATE spread SET a = 'k\nl';\nEND;\n",
    )
    two.upgrade()

    for path in two.root.glob("sql/*/*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert problems(two) == []


def test_an_edit_that_changes_the_schema_is_told_as_that_too(two: Project) -> None:
    path = two.root / "sql" / "sqlite" / "002_t2.sql"
    path.write_text(path.read_text().replace("note text", "note text, more text"))

    assert [problem.what for problem in problems(two)] == [
        "sqlite 002_t2: the SQL file was edited after it was applied",
        "sqlite: column t2.more is missing",
    ]


def remove(project: Project, database: str, stem: str) -> None:
    for path in (project.root / "sql" / database).glob(f"{stem}*.sql"):
        path.unlink()
    (project.root / "alembic" / "versions" / database / f"{stem}.py").unlink()


def test_a_file_that_is_gone_is_told_once(two: Project) -> None:
    remove(two, "postgres", "001_t1")

    found = problems(two)

    assert found[0].what == (
        "postgres 001_t1: the file of an applied migration is gone"
    )
    assert found[0].evidence[0].startswith("applied on 20")
    assert found[0].remedy == (
        "Restore sql/postgres/001_t1.sql from version control, or, where it was"
        " renamed: sqlpair repair"
    )
    assert [problem.kind for problem in found].count(ProblemKind.VERSIONS) == 0


def test_a_renamed_file_is_told(two: Project) -> None:
    for path in (two.root / "sql" / "sqlite").glob("002_t2*.sql"):
        path.rename(path.with_name(path.name.replace("t2", "other")))
    module = two.root / "alembic" / "versions" / "sqlite" / "002_t2.py"
    module.with_name("002_other.py").write_text(
        module.read_text().replace("002_t2", "002_other")
    )
    module.unlink()

    problem = only(two)

    assert problem.what == (
        "sqlite 002_other: the file has another name than when it was applied"
    )
    assert problem.evidence[0].startswith("applied as 002_t2, on 20")


def test_a_missing_revision_module_is_told(two: Project) -> None:
    (two.root / "alembic" / "versions" / "sqlite" / "002_t2.py").unlink()

    first = problems(two)[0]

    assert first.what == "sqlite 002_t2: the SQL file has no revision module"
    assert first.remedy == "Run: sqlpair revisions"


def test_a_module_without_its_sql_is_told(two: Project) -> None:
    folder = two.root / "alembic" / "versions" / "sqlite"
    (folder / "009_lost.py").write_text((folder / "002_t2.py").read_text())

    assert problems(two)[0].what == "sqlite 009_lost: the revision has no SQL file"


def test_a_module_that_says_something_else_is_told(two: Project) -> None:
    module = two.root / "alembic" / "versions" / "sqlite" / "004_t4.py"
    module.write_text(module.read_text().replace('"sqlite_002"', "None"))

    edited, problem = problems(two)[:2]

    assert "the revision module was edited after" in edited.what

    assert problem.what.endswith(
        "the revision module does not fit its place on the branch"
    )
    assert "down_revision = None, the SQL files say 'sqlite_002'" in problem.evidence[1]


# -- versions -------------------------------------------------------------------------


def test_a_version_table_behind_the_ledger_is_told(two: Project) -> None:
    two.pg("UPDATE alembic_version SET version_num = 'postgres_001'")

    problem = problems(two)[0]

    assert problem.kind == "versions"
    assert problem.what == "postgres: alembic_version and schema_version disagree"
    assert problem.evidence == (
        "alembic_version: postgres_001, which means 1 applied, up to 001",
        "schema_version:  2 applied, up to 001, 003",
        "SCHEMA_VERSION:  not set in .env",
    )
    assert "sqlpair adopt postgres" in problem.remedy
    assert "sqlpair force-version N" in problem.remedy


@pytest.mark.parametrize("rows", ["version = 4", "true"])
def test_a_ledger_that_lost_its_last_rows_is_told(two: Project, rows: str) -> None:
    two.lite(f"DELETE FROM schema_version WHERE {rows}")

    found = [p for p in problems(two) if p.database == "sqlite"]

    assert [problem.what for problem in found] == [
        "sqlite: alembic_version and schema_version disagree"
    ]


def test_two_heads_are_told(two: Project) -> None:
    two.lite("INSERT INTO alembic_version VALUES ('sqlite_002')")

    problem = only(two)

    assert problem.what == "sqlite: alembic_version has 2 rows"
    assert problem.evidence == ("sqlite_002", "sqlite_004")


def test_a_database_ahead_of_the_checkout_is_told_and_not_compared(
    two: Project,
) -> None:
    remove(two, "sqlite", "004_t4")

    problem = only(two)

    assert problem.what == "sqlite: the database is ahead of this checkout"
    assert check(two).databases[1].head == "unknown"


def test_a_database_without_records_is_told_and_not_compared(two: Project) -> None:
    for table in ("alembic_version", "schema_version", "schema_history"):
        two.lite(f"DROP TABLE {table}")

    problem = only(two)

    assert problem.what == "sqlite: it holds tables, and no record of any migration"
    assert problem.evidence == ("t2, t4",)
    assert problem.remedy.endswith("sqlpair adopt sqlite")


@pytest.mark.parametrize(
    ("value", "what", "remedy"),
    [
        ("3", ".env is behind: it says version 3, the databases are at 4", "V"),
        ("9", ".env expects a version this checkout does not have", "checkout"),
        ("two", ".env: SCHEMA_VERSION is not a valid version", "number of a migration"),
    ],
)
def test_an_env_file_that_disagrees_is_told(
    two: Project, value: str, what: str, remedy: str
) -> None:
    (two.root / ".env").write_text(f"SCHEMA_VERSION={value}\n")

    problem = only(two)

    assert (problem.kind, problem.database, problem.what) == ("versions", "", what)
    assert remedy in problem.remedy
    assert f"SCHEMA_VERSION={value}" in problem.evidence[0]


def test_databases_behind_what_the_code_expects_are_told(two: Project) -> None:
    (two.root / ".env").write_text("SCHEMA_VERSION=4\n")
    two.downgrade("sqlite@-1")
    (two.root / ".env").write_text("SCHEMA_VERSION=4\n")

    problem = only(two)

    assert problem.what == "the code expects version 4, the databases are at 3"
    assert problem.evidence == (
        ".env: SCHEMA_VERSION=4",
        "postgres: 003_t3 is applied",
        "sqlite: 002_t2 is applied",
    )
    assert problem.remedy == "Apply what is pending: sqlpair migrate"


# -- schema ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "change", "what"),
    [
        ("postgres", "CREATE INDEX i ON t1 (note)", "index i is not in the migrations"),
        ("postgres", "ALTER TABLE t1 DROP COLUMN note", "column t1.note is missing"),
        ("postgres", "DROP TABLE t3", "table t3 is missing"),
        (
            "sqlite",
            "CREATE TRIGGER r AFTER INSERT ON t2 BEGIN SELECT 1; END",
            "trigger t2.r is not in the migrations",
        ),
        ("sqlite", "ALTER TABLE t2 RENAME COLUMN note TO n", "column t2.n is not in"),
    ],
)
def test_a_change_by_hand_is_told(
    two: Project, database: str, change: str, what: str
) -> None:
    (two.lite if database == "sqlite" else two.pg)(change)

    found = problems(two)

    assert {problem.kind for problem in found} == {ProblemKind.SCHEMA}
    assert f"{database}: {what}" in found[0].what
    assert "new migration" in found[-1].remedy


def test_a_changed_text_is_shown_as_a_diff(two: Project) -> None:
    body = "BEGIN\n  RETURN 1;\nEND"
    function = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $${}$$;"
    two.add("postgres", "005_f", function.format(body))
    two.upgrade()
    two.pg(function.format(body.replace("1", "2")))

    problem = only(two)

    assert problem.what == (
        "postgres: function f() has another body (- the migrations say):"
    )
    assert problem.evidence == ("-   RETURN 1;", "+   RETURN 2;")


def test_what_a_pattern_ignores_is_not_told(two: Project) -> None:
    two.pg("CREATE TABLE spatial_ref (id int)")
    two.lite("CREATE INDEX i ON t2 (note)")
    (two.root / "pyproject.toml").write_text(
        '[tool.sqlpair]\nignore = ["table spatial_*", "index i"]\n'
    )

    assert problems(two) == []


def test_an_invalid_index_is_told_with_its_own_remedy(two: Project) -> None:
    two.add(
        "postgres",
        "005_i",
        "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY i ON t1 (note);\n",
    )
    two.upgrade()
    two.pg("DROP INDEX i")
    two.pg("INSERT INTO t1 VALUES (1, 'a'), (2, 'a')")
    with pytest.raises(Exception, match="could not create unique index"):
        two.pg("CREATE UNIQUE INDEX CONCURRENTLY i ON t1 (note)")

    problem = only(two)

    assert problem.what == ("postgres: index i is not valid, the migrations say valid")
    assert "REINDEX INDEX CONCURRENTLY" in problem.remedy


def test_files_that_build_nothing_any_more_are_told(two: Project) -> None:
    path = two.root / "sql" / "postgres" / "003_t3.sql"
    path.write_text("SELECT 1;\nCREATE TABLE t1 (id int);\n")

    problem = problems(two, "postgres")[-1]

    assert problem.what == (
        "postgres: not compared, for the files do not build a schema"
    )
    assert problem.evidence[0] == (
        'postgres 003_t3.sql:2: relation "t1" already exists'
    )


def test_a_database_rolled_back_to_base_is_compared_with_nothing(two: Project) -> None:
    two.downgrade("base")
    assert problems(two) == []

    two.pg("CREATE TABLE left_over (id int)")

    assert only(two).what == ("postgres: table left_over is not in the migrations")


# -- assertions -----------------------------------------------------------------------


def test_each_row_of_an_assertion_is_shown(two: Project) -> None:
    for database, stem in (("postgres", "001_t1"), ("sqlite", "002_t2")):
        folder = two.root / "sql" / database
        (folder / f"{stem}_verify.sql").write_text(
            "-- Every row is a problem.\nSELECT 1 WHERE false;\n\n"
            f"SELECT id, 'note is empty' AS problem FROM t{stem[2]}\n"
            " WHERE note = '';\n"
        )
        run = two.lite if database == "sqlite" else two.pg
        run(f"INSERT INTO t{stem[2]} VALUES (1, 'x'), (2, ''), (3, '')")

    assert [(p.kind, p.what, p.evidence) for p in problems(two)] == [
        (
            ProblemKind.ASSERTIONS,
            f"{database} {stem}_verify.sql:4: returns 2 rows, and should return none",
            ("id: 2, problem: note is empty", "id: 3, problem: note is empty"),
        )
        for database, stem in (("postgres", "001_t1"), ("sqlite", "002_t2"))
    ]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_many_rows_are_counted_and_the_first_ones_shown(
    two: Project, database: str
) -> None:
    stem = "001_t1" if database == "postgres" else "002_t2"
    (two.root / "sql" / database / f"{stem}_verify.sql").write_text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
        " SELECT i, 'a' || char(10) AS t FROM n;"
        if database == "sqlite"
        else "(SELECT i, E'a\\n' AS t FROM generate_series(1, 9000) AS i);"
    )

    problem = only(two)

    assert "returns 9,000 rows" in problem.what
    assert problem.evidence[0] == r"i: 1, t: a\n"
    assert problem.evidence[5] == "… and 8,995 rows more"


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_an_assertion_that_writes_is_refused(two: Project, database: str) -> None:
    table = "t1" if database == "postgres" else "t2"
    stem = "001_t1" if database == "postgres" else "002_t2"
    (two.root / "sql" / database / f"{stem}_verify.sql").write_text(
        f"SELECT 1 WHERE false;\nDELETE FROM {table};\n"
    )
    run = two.lite if database == "sqlite" else two.pg
    run(f"INSERT INTO {table} (id) VALUES (1)")

    problem = only(two)

    assert f"{database} {stem}_verify.sql:2: " in problem.what
    assert "read" in problem.what
    assert run(f"SELECT count(*) FROM {table}") == [(1,)]
    assert f"correct {stem}_verify.sql" in problem.remedy


def test_an_assertion_about_what_is_no_more_names_line_and_place(two: Project) -> None:
    (two.root / "sql" / "postgres" / "001_t1_verify.sql").write_text(
        "SELECT 1 WHERE false;\nSELECT id\n  FROM t1\n WHERE gone = 1;\n"
    )

    problem = only(two)

    assert problem.what == (
        'postgres 001_t1_verify.sql:4: column "gone" does not exist'
    )
    assert problem.evidence[:2] == ("4 |  WHERE gone = 1;", "  |        ^")


def test_assertions_of_pending_migrations_wait(two: Project) -> None:
    two.downgrade("-1")
    (two.root / "sql" / "sqlite" / "004_t4_verify.sql").write_text("SELECT 1;")

    assert problems(two) == []


# -- references -----------------------------------------------------------------------


def test_orphans_are_counted_and_shown(tradebaas: Project) -> None:
    for number in range(12):
        trade(tradebaas, f"eve {number}", EVE)
    trade(tradebaas, "nobody's", None)
    tradebaas.pg(f"DELETE FROM users WHERE id = '{BOB}'")

    problem = only(tradebaas)

    assert problem.kind == "references"
    assert problem.what == (
        "sqlite trades.user_id: 2 values in 13 rows not found in postgres users.id"
    )
    assert problem.evidence == (f"'{BOB}' in 1 row", f"'{EVE}' in 12 rows")
    assert "Restore what they refer to" in problem.remedy


def test_values_that_cannot_refer_to_anything_are_told(tradebaas: Project) -> None:
    trade(tradebaas, "a", "not a uuid")
    trade(tradebaas, "b", "nul \0 byte")

    told = [p for p in problems(tradebaas) if p.kind == "references"]

    assert [problem.what for problem in told] == [
        "sqlite trades.user_id: 2 values in 2 rows cannot be of type uuid, which"
        " postgres users.id is"
    ]
    assert told[0].evidence == ("'not a uuid' in 1 row", r"'nul \x00 byte' in 1 row")


def test_text_that_is_no_text_and_blobs_are_malformed(tradebaas: Project) -> None:
    tradebaas.lite("UPDATE trades SET user_id = CAST(x'ff41' AS TEXT)")
    (problem,) = [p for p in problems(tradebaas) if p.kind == "references"]
    assert problem.evidence == (r"'\\xffA' in 2 rows",)

    tradebaas.lite("UPDATE trades SET user_id = x'ff41'")
    (problem,) = [p for p in problems(tradebaas) if p.kind == "references"]
    assert problem.evidence == (r"b'\xffA' in 2 rows",)


def test_a_missing_index_on_the_referring_column_is_told(tradebaas: Project) -> None:
    tradebaas.lite("DROP INDEX idx_trades_user")
    assert [p.kind for p in problems(tradebaas)] == [ProblemKind.SCHEMA]

    tradebaas.lite("DROP INDEX idx_trades_user_strategy_time")
    (problem,) = [p for p in problems(tradebaas) if p.kind == "references"]

    assert problem.what == (
        "sqlite trades.user_id: no index leads with it, and it is looked up by its"
        " value"
    )
    assert "CREATE INDEX idx_trades_user_id ON trades (user_id);" in problem.remedy


def test_a_referring_column_that_is_not_there_is_told_unless_it_is_pending(
    tradebaas: Project,
) -> None:
    tradebaas.lite("UPDATE trades SET user_id = NULL")
    tradebaas.downgrade("sqlite@-1")
    assert problems(tradebaas) == []

    config = tradebaas.root / "pyproject.toml"
    config.write_text(config.read_text().replace("trades.user_id", "trades.userId"))
    assert problems(tradebaas) == []
    tradebaas.upgrade()

    assert only(tradebaas).what == "sqlite: there is no column trades.userId"


def test_a_check_of_one_database_checks_what_refers_from_there(
    tradebaas: Project,
) -> None:
    trade(tradebaas, "eve", EVE)

    assert len(problems(tradebaas, "sqlite")) == 1
    assert problems(tradebaas, "postgres") == []


@pytest.fixture
def referring_back(project: Project) -> Project:
    """PostgreSQL's note refers to SQLite's doc, by number."""
    project.add(
        "postgres", "001_n", "CREATE TABLE n (doc text);CREATE INDEX ON n (doc);"
    )
    project.add("sqlite", "002_d", "CREATE TABLE d (id INTEGER PRIMARY KEY);")
    (project.root / "pyproject.toml").write_text(
        '[tool.sqlpair.references]\n"postgres.public.n.doc" = "sqlite.d.id"\n'
    )
    project.upgrade()
    project.lite("INSERT INTO d VALUES (1), (2)")
    return project


def test_a_reference_from_postgresql_to_sqlite_is_checked(
    referring_back: Project,
) -> None:
    referring_back.pg("INSERT INTO n VALUES ('1'), ('2'), (NULL)")
    assert problems(referring_back) == []

    referring_back.pg("INSERT INTO n VALUES ('3'), ('x')")

    assert [problem.what for problem in problems(referring_back)] == [
        "postgres public.n.doc: 1 value in 1 row cannot be of type INTEGER, which"
        " sqlite d.id is",
        "postgres public.n.doc: 1 value in 1 row not found in sqlite d.id",
    ]


@pytest.mark.parametrize("asks", [True, False])
def test_many_values_are_checked_in_batches_with_progress(
    tradebaas: Project, monkeypatch: pytest.MonkeyPatch, asks: bool
) -> None:
    if not asks:  # as a server before 16 does
        monkeypatch.setattr(postgresql_column, "_CAN_ASK", 10**9)
    monkeypatch.setattr(referring, "BATCH", 100)
    tradebaas.pg(
        "INSERT INTO users (id, email, password_hash) SELECT uuid_in(md5(i::text)"
        "::cstring), i::text, '' FROM generate_series(1, 950) i"
    )
    users = [row[0] for row in tradebaas.pg("SELECT id::text FROM users")]
    orphans = [f"{number:032x}" for number in range(30)]
    wrong = [f"wrong {number}" for number in range(40)]
    with sqlite3.connect(tradebaas.file) as raw:
        raw.executemany(
            "INSERT INTO trades SELECT ?, strategyName, instrument, side, entryOrderId,"
            " slOrderId, tpOrderId, entryPrice, exitPrice, amount, stopLoss,"
            " takeProfit, entryTime, exitTime, exitReason, pnl, pnlPercentage, status,"
            " metadata, ? FROM trades LIMIT 1",
            list(enumerate([*users, *users, *orphans, *wrong])),
        )
    raw.close()
    seen: list[tuple[str, int, int]] = []

    found = verify(
        tradebaas.settings, nothing, ["sqlite"], lambda *said: seen.append(said)
    )

    told = [p.what for p in found.problems if p.kind == "references"]
    assert "40 values in 40 rows cannot be of type uuid" in told[0]
    assert "30 values in 30 rows not found" in told[1]
    total = 2 + 2 * len(users) + 70
    assert seen[0] == ("sqlite.trades.user_id -> postgres.users.id", 0, total)
    assert seen[-1][1:] == (total, total)
    assert len(seen) == 2 + (len(users) + 70) // 100


def test_memory_does_not_grow_with_the_number_of_values(tradebaas: Project) -> None:
    few, many = (memory_for(tradebaas, number) for number in (10_000, 60_000))

    assert many < 1.3 * few


def memory_for(project: Project, number: int) -> int:
    """Check so many different values; return how much memory was in use at most."""
    project.lite("DELETE FROM trades")
    project.lite(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {number}) INSERT INTO trades (id, strategyName, instrument, side,"
        " entryOrderId, entryPrice, amount, stopLoss, takeProfit, entryTime, status,"
        " user_id) SELECT i, 's', 'BTC', 'buy', 'o', 1, 1, 1, 1, 1, 'open',"
        " printf('00000000-0000-4000-8000-%012d', i) FROM n"
    )
    peaks: list[int] = []

    def peak(_what: str, _done: int, _total: int) -> None:
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        found = verify(project.settings, nothing, ["sqlite"], peak)
    finally:
        tracemalloc.stop()
    told = [p.what for p in found.problems if p.kind == "references"]
    assert told[0].startswith(
        f"sqlite trades.user_id: {number:,} values in {number:,} rows not found"
    )
    return max(peaks[1:])  # before the first, there was something else


@pytest.mark.parametrize(
    ("declaration", "what"),
    [
        ('"trades.user_id" = "postgres.users.id"', "is no column"),
        ('"sqlite.trades" = "postgres.users.id"', "is no column"),
        ('"sqlite.trades.user_id" = "mysql.users.id"', "is no column"),
        ('"sqlite.trades.user_id" = 5', "something other than texts"),
        ('"sqlite.a.b" = "sqlite.c.d"', "a reference within one database"),
        ('"sqlite.a.b" = ', "cannot be read"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(
    two: Project, declaration: str, what: str
) -> None:
    (two.root / "pyproject.toml").write_text(
        f"[tool.sqlpair.references]\n{declaration}\n"
    )

    with pytest.raises(SettingsError, match=what):
        check(two)


def test_a_pattern_list_that_is_none_is_refused(two: Project) -> None:
    (two.root / "pyproject.toml").write_text('[tool.sqlpair]\nignore = "table x"\n')

    with pytest.raises(SettingsError, match=r"ignore in .* is no list of texts"):
        check(two)


# -- the command ----------------------------------------------------------------------


def test_the_command_says_that_there_are_no_problems(two: Project) -> None:
    done = two.sqlpair("verify")

    assert done.stdout.splitlines()[-1] == (
        "Files, versions, schema, assertions and references: no problems found."
    )
    assert "004_t4" in done.stdout


def test_the_command_lists_problems_and_exits_with_1(two: Project) -> None:
    two.pg("ALTER TABLE t1 DROP COLUMN note")
    two.pg("DROP TABLE t3")

    done = two.sqlpair("verify", "postgres", expect=1)

    assert "  ! postgres: column t1.note is missing\n" in done.stdout
    assert "sqlite" not in done.stdout
    assert done.stdout.count("put it into a new migration") == 1
    assert done.stdout.splitlines()[-1] == "2 problems."


def test_the_command_prints_json_for_a_program(two: Project) -> None:
    two.pg("DROP TABLE t3")

    told = json.loads(two.sqlpair("verify", "--json", expect=1).stdout)

    assert told["ok"] is False
    assert told["databases"]["sqlite"] == {"head": "004_t4", "pending": []}
    (problem,) = told["problems"]
    assert problem["kind"] == "schema"
    assert problem["what"] == "postgres: table t3 is missing"
    assert problem["evidence"] == []
