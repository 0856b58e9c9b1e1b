"""Variables: values of the environment in SQL files, which nothing else ever shows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.databases.embedded import find_binaries
from sqlpair.errors import SettingsError, SqlFileError
from sqlpair.project.variables import Values, plain, raw_position, used

SECRET = r"""it's a \s3cret "value" """.strip()
UP = """\
-- Two uses, and what looks like one.
-- variables: NOTE, TABLE_NAME
CREATE TABLE :"TABLE_NAME" (id integer PRIMARY KEY, note text);
/* :'NOTE' */ -- :'NOTE'
INSERT INTO :"TABLE_NAME" VALUES (1, :'NOTE'), (2, ':"NOTE"'), (3, '{"a":"NOTE"}');
"""
DOWN = '-- variables: TABLE_NAME\nDROP TABLE :"TABLE_NAME";\n'
NAMES = {"NOTE": SECRET, "TABLE_NAME": 'we"ird Tàble'}


@pytest.fixture
def given(project: Project) -> Project:
    """A migration of each database that uses both variables, which have values."""
    project.environ |= NAMES
    project.add("postgres", "001_p", UP, DOWN)
    project.add("sqlite", "002_s", UP, DOWN)
    return project


def everything(project: Project) -> bytes:
    """What the project's own files hold, its databases and .env left out."""
    return b"".join(
        path.read_bytes()
        for path in sorted(project.root.rglob("*"))
        if path.is_file() and ".env" not in path.name and path.suffix != ".db"
    )


def test_both_forms_are_replaced_and_nothing_else(given: Project) -> None:
    given.sqlpair("migrate")

    query = 'SELECT note FROM "we""ird Tàble" ORDER BY id'
    wanted = [(SECRET,), (':"NOTE"',), ('{"a":"NOTE"}',)]
    assert given.pg(query) == wanted
    assert given.lite(query) == wanted
    given.sqlpair("rollback", "--allow-data-loss")
    assert given.tables("postgres") == given.tables("sqlite") == set()


def test_no_value_is_in_the_log_the_ledger_or_what_commands_print(
    given: Project,
) -> None:
    said = [
        given.sqlpair(*command)
        for command in (["plan"], ["migrate"], ["status"], ["history"], ["prove"])
    ]

    shown = "".join(done.stdout + done.stderr for done in said)
    for run in (given.pg, given.lite):
        for table in ("schema_version", "schema_history"):
            shown += str(run(f"SELECT * FROM {table}"))
    assert "s3cret" not in shown
    assert b"s3cret" not in everything(given)


def test_a_value_changes_no_checksum(given: Project) -> None:
    given.sqlpair("migrate")
    given.environ["NOTE"] = "another"

    assert "Nothing to do" in given.sqlpair("migrate").stdout
    assert "edited" not in given.sqlpair("status").stdout


def test_all_that_have_no_value_are_named_before_anything_runs(
    given: Project,
) -> None:
    for name in NAMES:
        del given.environ[name]
    path = given.root / "sql/sqlite/repeatable/r.sql"
    path.parent.mkdir()
    path.write_text("-- variables: OTHER\nSELECT :'OTHER';\n")

    for command in (["migrate"], ["plan"], ["snapshot"], ["prove"]):
        failed = given.sqlpair(*command, expect=1)
        assert "NOTE: postgres 001_p.sql" in failed.stderr, command

    assert given.tables("postgres") == set()
    failed = given.sqlpair("migrate", expect=1)
    assert "3 variables of SQL files have no value" in failed.stderr
    assert "TABLE_NAME: postgres 001_p.sql, sqlite 002_s.sql" in failed.stderr
    assert "OTHER: sqlite repeatable/r.sql" in failed.stderr
    assert "in the environment or in .env" in failed.stderr


def test_the_environment_comes_before_the_file(given: Project) -> None:
    del given.environ["NOTE"]
    (given.root / ".env").write_text("NOTE=of the file\nTABLE_NAME=of_the_file\n")

    given.sqlpair("migrate")

    assert given.tables("sqlite") == {'we"ird Tàble'}
    query = 'SELECT note FROM "we""ird Tàble" WHERE id = 1'
    assert given.lite(query) == [("of the file",)]


def test_one_that_is_declared_and_not_used_needs_no_value(project: Project) -> None:
    up = "-- variables: none of them\nCREATE TABLE t (a text DEFAULT ':''none''');\n"
    project.add("sqlite", "001_s", up)

    project.sqlpair("migrate")

    assert project.tables("sqlite") == {"t"}


UNDECLARED = [
    ("GRANT SELECT ON t TO :\"ROLE\";\nSELECT :'NAME';", "1 | ROLE"),
    ("-- variables: ROLE\nSELECT :\"ROLE\",\n :'NAME';", "3 | NAME"),
]


@pytest.mark.parametrize(("text", "line"), UNDECLARED)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_one_that_is_not_declared_is_refused_and_adapted(
    project: Project, database: str, text: str, line: str
) -> None:
    project.add(database, "001_x", text)

    with pytest.raises(SqlFileError) as refused:
        project.upgrade()

    assert line in str(refused.value)
    assert "-- variables: " in refused.value.remedy
    project.sqlpair("revisions", "--adapt")
    with pytest.raises(SettingsError):
        project.upgrade()


def test_what_is_no_variable_runs_as_it_is(project: Project) -> None:
    project.add(
        "postgres",
        "001_x",
        "CREATE TABLE t AS SELECT 'a'::\"char\" AS c, (ARRAY[1, 2])[1:'2'] AS s,"
        " $$:'X'$$ AS d, $a$:\"X\"$a$ AS e, E'\\':''X''' AS f,"
        ' \'{"k":"v"}\'::json AS j'
        ", \":'X'\" FROM (SELECT 1 AS \":'X'\") AS q; -- :'X' /* :\"X\" */\n"
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a';\n"
        "SELECT f(a:='1');",
    )

    project.sqlpair("migrate")

    assert project.pg("SELECT d, e, f FROM t") == [(":'X'", ':"X"', "':'X'")]


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_failure_shows_the_variable_and_not_its_value(
    project: Project, debug: str
) -> None:
    project.environ["APP_ROLE"] = "a_long_name_of_a_role"
    up = (
        "-- variables: APP_ROLE\nSELECT 1;\nSELECT 2,\n  :'APP_ROLE', :\"APP_ROLE\", x;"
    )
    project.add("postgres", "001_x", up)

    failed = project.raw("sqlpair", "migrate", SQLPAIR_DEBUG=debug)

    assert failed.returncode == 1
    assert "a_long_name_of_a_role" not in failed.stdout + failed.stderr + project.log
    assert 'postgres 001_x.sql:4: column ":APP_ROLE" does not exist' in failed.stderr
    excerpt = "  4 |   :'APP_ROLE', :\"APP_ROLE\", x;\n    |                ^\n"
    assert excerpt in failed.stderr


def test_what_a_server_says_shows_no_value(project: Project) -> None:
    project.environ["APP_ROLE"] = "a_long_name_of_a_role"
    up = '-- variables: APP_ROLE\nDROP VIEW IF EXISTS :"APP_ROLE";'
    project.add("postgres", "001_x", up)

    done = project.sqlpair("migrate")

    assert 'NOTICE: view ":APP_ROLE" does not exist' in done.stderr
    assert "a_long_name_of_a_role" not in done.stderr + project.log


def test_an_error_of_sqlite_shows_no_value(project: Project) -> None:
    project.environ["APP_TABLE"] = "a_long_name"
    project.add(
        "sqlite",
        "001_x",
        '-- variables: APP_TABLE\nINSERT INTO :"APP_TABLE" VALUES (1);',
    )

    failed = project.sqlpair("migrate", expect=1)

    assert "001_x.sql:2: no such table: :APP_TABLE" in failed.stderr


@pytest.mark.parametrize("name", ["role", 'An "odd" role; '])
def test_a_role_that_a_scratch_database_makes_is_known_by_its_value(
    project: Project, name: str
) -> None:
    project.environ |= {"APP_ROLE": f"{name}_{os.getpid()}", "SCRATCH_URL": ""}
    project.add(
        "postgres",
        "001_x",
        '-- variables: APP_ROLE\nCREATE ROLE :"APP_ROLE";',
        '-- variables: APP_ROLE\nDROP ROLE :"APP_ROLE";',
    )
    project.sqlpair("migrate")

    project.sqlpair("verify")
    project.sqlpair("verify")
    project.sqlpair("prove")
    project.sqlpair("prove")

    project.sqlpair("rollback")


def test_what_they_make_is_nowhere_kept_with_a_checksum(given: Project) -> None:
    given.sqlpair("migrate")

    given.sqlpair("verify")

    assert not [*given.root.rglob("built.*")]


def test_assertions_use_them_too(given: Project) -> None:
    given.sqlpair("migrate")
    path = given.root / "sql/sqlite/002_s_verify.sql"
    path.write_text(
        "-- variables: TABLE_NAME, NOTE\n"
        "SELECT 1 FROM :\"TABLE_NAME\" WHERE note = :'NOTE';"
    )

    assert "returns 1 row" in given.sqlpair("verify", expect=1).stdout


def test_lint_reads_what_stands_there(given: Project) -> None:
    found = given.sqlpair("lint", expect=1).stdout

    assert "unparsed" not in found
    assert "unusable" not in found


def test_a_rollback_from_the_ledger_uses_them(given: Project) -> None:
    given.sqlpair("migrate")
    for path in given.root.rglob("002_s*"):
        path.unlink()

    done = given.sqlpair(
        "rollback", "--recorded", "--yes", "--allow-data-loss", "--to", "1"
    )

    assert 'DROP TABLE :"TABLE_NAME";' in done.stdout
    assert given.tables("sqlite") == set()


def psql(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(find_binaries() / "psql")
    return subprocess.run(
        [program, "-qXv", "ON_ERROR_STOP=1", "-d", project.dsn, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_psql_runs_the_file_by_hand(given: Project) -> None:
    given.sqlpair("migrate")
    query = 'SELECT note FROM "we""ird Tàble" ORDER BY id'
    ours = given.pg(query)
    given.sqlpair("rollback", "--allow-data-loss")

    values = [
        word for name, value in NAMES.items() for word in ("-v", f"{name}={value}")
    ]
    done = psql(given, *values, "-f", str(given.root / "sql/postgres/001_p.sql"))

    assert done.returncode == 0, done.stderr
    assert given.pg(query) == ours


def test_a_script_asks_psql_for_the_values(given: Project, tmp_path: Path) -> None:
    script = given.alembic("upgrade", "postgres@head", "--sql").stdout
    file = tmp_path / "script.sql"
    file.write_text(script)
    assert SECRET not in script

    refused = psql(given, "-f", str(file))
    assert refused.returncode == 3
    assert "psql -v NOTE=VALUE" in refused.stderr
    assert given.tables("postgres") == set()

    values = [
        word for name, value in NAMES.items() for word in ("-v", f"{name}={value}")
    ]
    done = psql(given, *values, "-f", str(file))
    assert done.returncode == 0, done.stderr
    assert given.tables("postgres") == {'we"ird Tàble'}


def test_a_script_for_sqlite_is_refused(given: Project) -> None:
    refused = given.alembic("upgrade", "sqlite@head", "--sql", expect=2)

    assert "the sqlite3 shell has no variables" in refused.stderr


def test_positions_lead_back_to_the_file() -> None:
    values = Values({"A": "x" * 20, "B": "y"}, {})
    text = "SELECT :'A', :\"B\", z, :'A';"
    filled, places = values.fill(text, ["A", "B"])

    assert filled == f"SELECT '{'x' * 20}', \"y\", z, '{'x' * 20}';"
    for sign in ("SELECT", "z", ";"):
        position = raw_position(filled.index(sign) + 1, places)
        assert position == text.index(sign) + 1
    assert raw_position(filled.index("xxx") + 1, places) == text.index(":'A'") + 1
    assert len(plain(text, ["A", "B"])) == len(text)


def test_a_million_characters_of_json_are_read_once() -> None:
    row = """('{"a":"b", "c":[1,2,":'"], "it''s":":"}'),\n"""
    text = f"INSERT INTO t VALUES {row * 25_000}"

    assert list(used(text, [])) == []
    assert list(used(text + ":'A'", ["A"])) == [("A", len(text))]


@pytest.mark.parametrize(
    ("value", "message", "masked"),
    [
        ("s3cret word", "x s3cret word.", "x :PW."),
        ("s3cret\nword two", "x s3cret word two", "x :PW"),
        ("o'brien x", "near o''brien x", "near :PW"),
        (r"o'brien \x", r"PASSWORD E'o''brien \\x'", "PASSWORD E':PW'"),
        ("first'line\nsecond\"line", "q E'first''line\n", "q E':PW\n"),
        ("app", "role app of application", "role :PW of application"),
    ],
)
def test_messages_are_masked(value: str, message: str, masked: str) -> None:
    values = Values({"PW": value}, {})
    values.fill(":'PW'", ["PW"])

    assert values.masked(message) == masked


def test_a_repeatable_file_that_lacks_its_value_is_named_by_verify(
    project: Project,
) -> None:
    folder = project.root / "sql" / "sqlite" / "repeatable"
    folder.mkdir()
    text = "-- variables: NOTE\nDROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT :'NOTE';"
    (folder / "v.sql").write_text(text)
    project.environ["NOTE"] = "x"
    project.sqlpair("migrate")
    del project.environ["NOTE"]

    assert "NOTE: sqlite repeatable/v.sql" in project.sqlpair("verify", expect=1).stderr


def test_no_value_is_in_the_traceback_of_a_refused_commit(project: Project) -> None:
    project.environ["NOTE"] = "a secret note"
    up = (
        "-- variables: NOTE\nCREATE TABLE t (s text PRIMARY KEY);\nCREATE TABLE u"
        " (s text REFERENCES t (s) DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO u VALUES (:'NOTE');"
    )
    project.add("postgres", "001_x", up)

    failed = project.raw("sqlpair", "migrate", SQLPAIR_DEBUG="1").stderr

    assert "Traceback" in failed
    assert "detail: Key (s)=(:NOTE) is not present" in failed
    assert "a secret note" not in failed


def test_one_in_a_body_in_dollar_quotes_is_told_to_be_none(project: Project) -> None:
    body = "$$ BEGIN RETURN :'APP_NAME'; END $$"
    function = f"CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS {body};\n"
    project.add("postgres", "001_f", f"-- variables: APP_NAME\n{function}")

    said = project.sqlpair("migrate", expect=1, APP_NAME="x").stderr

    assert "In a body in dollar quotes nothing is replaced, as in psql" in said
    assert "declared above" not in said
    inner = body.replace(":'APP_NAME'", "current_setting('app.value')")
    project.add(
        "postgres",
        "001_f",
        "-- variables: APP_NAME\nSET LOCAL app.value = :'APP_NAME';\n"
        + function.replace(body, inner)
        + "CREATE TABLE t AS SELECT f();\n",
    )
    project.sqlpair("migrate", APP_NAME="x")
    assert project.pg("TABLE t") == [("x",)]
