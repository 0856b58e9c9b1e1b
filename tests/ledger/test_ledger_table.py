"""``ledger_table``: the ledger under another name, beside somebody else's table."""

from __future__ import annotations

import subprocess

import pytest

import sqlpair
from conftest import Project
from fault_injection import dying
from sqlpair.databases.sqlite.session import SQLiteSession

TRAIL = {"trail", "trail_history", "trail_repeatable", "alembic_version"}
THEIRS = {"schema_version": "version int", "schema_history": "a text"}
SET = '[tool.sqlpair]\nignore = ["table schema_version", "table schema_history"]\n'


def run(project: Project, database: str, sql: str) -> list[tuple[object, ...]]:
    return project.lite(sql) if database == "sqlite" else project.pg(sql)


@pytest.fixture
def beside(project: Project) -> Project:
    """Both databases have tables of those names; one migration for each is pending."""
    project.configure("alembic", ledger_table="trail")
    (project.root / "pyproject.toml").write_text(SET)
    project.file.parent.mkdir(exist_ok=True)
    for database, key in (("postgres", "int"), ("sqlite", "INTEGER")):
        for name, columns in THEIRS.items():
            run(project, database, f"CREATE TABLE {name} ({columns})")
            run(project, database, f"INSERT INTO {name} VALUES (7)")
        number = {"postgres": 1, "sqlite": 2}[database]
        project.add(
            database,
            f"00{number}_t",
            f"CREATE TABLE t (id {key} PRIMARY KEY);\n",
            "DROP TABLE t;\n",
        )
        folder = project.root / "sql" / database / "repeatable"
        folder.mkdir()
        (folder / "v.sql").write_text(
            "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT id FROM t;\n"
        )
    return project


def assert_theirs_stay(project: Project) -> None:
    for database in ("postgres", "sqlite"):
        assert run(project, database, "SELECT * FROM schema_version") == [(7,)]
        assert run(project, database, "SELECT * FROM schema_history") == [("7",)]


def applied(project: Project) -> list[list[object]]:
    query = "SELECT migration_name FROM trail ORDER BY version"
    return [
        [name for (name,) in run(project, d, query)] for d in ("postgres", "sqlite")
    ]


def test_every_command_keeps_its_records_there(beside: Project) -> None:
    assert "nothing is pending" not in beside.sqlpair("status").stdout
    beside.sqlpair("plan")
    beside.sqlpair("migrate")
    assert applied(beside) == [["001_t"], ["002_t"]]
    assert beside.tables("sqlite") == {"t", *TRAIL} - {"alembic_version"}

    for words in (("status", "--exit-code"), ("version",), ("verify",), ("prove",)):
        beside.sqlpair(*words)
    assert "001_t" in beside.sqlpair("history").stdout
    assert beside.alembic("current").stdout.split() == [
        *("postgres_001", "(head)", "sqlite_002", "(head)"),
    ]
    beside.alembic("check")
    assert "Nothing to do" in beside.sqlpair("migrate").stdout
    addresses = {
        "postgres": beside.environ["DATABASE_URL"],
        "sqlite": str(beside.file),
    }
    sqlpair.check(beside.root / "alembic.ini", addresses=addresses)
    beside.sqlpair("snapshot")
    for schema in (beside.root / "sql").glob("*/schema.sql"):
        assert "trail" not in schema.read_text()

    beside.sqlpair("rollback")
    assert applied(beside) == [[], []]
    beside.alembic("upgrade", "heads")
    beside.alembic("downgrade", "-1")
    beside.alembic("stamp", "heads")
    assert applied(beside) == [["001_t"], ["002_t"]]
    beside.sqlpair("force-version", "0", "--yes")
    beside.alembic("upgrade", "heads")
    assert_theirs_stay(beside)


def test_a_backup_is_restored_and_an_edit_accepted(beside: Project) -> None:
    beside.sqlpair("migrate")
    beside.sqlpair("backup")
    (backup,) = (beside.root / "state" / "backups").iterdir()
    beside.lite("DROP TABLE trail")
    beside.sqlpair("restore", "--yes", str(backup))
    assert applied(beside) == [["001_t"], ["002_t"]]
    path = beside.root / "sql" / "sqlite" / "002_t.sql"
    path.write_text(path.read_text() + "-- a thought\n")
    beside.sqlpair("repair", "--yes")
    beside.sqlpair("verify")

    assert_theirs_stay(beside)


def test_a_database_without_records_is_adopted(beside: Project) -> None:
    beside.sqlpair("migrate")
    for database in ("postgres", "sqlite"):
        for name in TRAIL:
            run(beside, database, f"DROP TABLE {name}")

    beside.sqlpair("adopt", "--yes")

    assert applied(beside) == [["001_t"], ["002_t"]]
    assert_theirs_stay(beside)


def test_a_script_keeps_its_records_there(beside: Project) -> None:
    script = beside.alembic("upgrade", "sqlite@head", "--sql").stdout
    done = subprocess.run(
        ["sqlite3", "-bail", str(beside.file)],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert run(beside, "sqlite", "SELECT migration_name FROM trail") == [("002_t",)]
    assert_theirs_stay(beside)


def test_a_deployment_that_is_killed_is_found_by_its_ledger(beside: Project) -> None:
    dying(beside, SQLiteSession, "commit", "after")
    ((gid,),) = beside.pg("SELECT gid FROM pg_prepared_xacts")
    [(name,)] = beside.pg("SELECT current_database()")
    assert gid.startswith(f"sqlpair:{name}.public.trail:")

    # A project with its ledger beside, under the usual name, leaves it alone.
    other = gid.replace(".trail:", ":")
    beside.pg(f"BEGIN; CREATE TABLE f (); PREPARE TRANSACTION '{other}'")
    told = beside.sqlpair("migrate")

    assert "was interrupted; its part here is committed now" in told.stderr
    assert beside.pg("SELECT gid FROM pg_prepared_xacts") == [(other,)]
    beside.pg(f"ROLLBACK PREPARED '{other}'")
    assert applied(beside) == [["001_t"], ["002_t"]]


def test_a_rollback_that_reads_or_writes_it_is_not_counted(beside: Project) -> None:
    for database, number in (("postgres", 3), ("sqlite", 4)):
        up = "UPDATE trail SET applied_by = 'x' WHERE version < 3;\n"
        beside.add(database, f"00{number}_own", up, up)
    beside.sqlpair("migrate")

    beside.sqlpair("rollback", "--to", "2")

    assert applied(beside) == [["001_t"], ["002_t"]]


def test_the_message_about_their_table_names_the_setting(beside: Project) -> None:
    beside.configure("alembic", ledger_table="")

    told = beside.sqlpair("migrate", expect=1).stderr

    assert "sqlite: the table schema_version is another program's" in told or (
        "postgres: the table schema_version is another program's" in told
    )
    assert "In [alembic] of alembic.ini:\n  ledger_table = NAME" in told
    assert_theirs_stay(beside)


@pytest.mark.parametrize(
    "name", ["Trail", "a b", "1st", "alembic_version", "schema_history", "x" * 31]
)
def test_a_name_that_cannot_be_one_is_refused(project: Project, name: str) -> None:
    project.configure("alembic", ledger_table=name)

    told = project.sqlpair("status", expect=1).stderr

    assert f"alembic.ini [alembic]: ledger_table = {name}" in told


def test_what_is_squashed_leaves_the_ledger_out(beside: Project) -> None:
    for database, number in (("postgres", 3), ("sqlite", 4)):
        beside.add(database, f"00{number}_u", "CREATE TABLE u (id int);\n")
    beside.sqlpair("migrate")

    beside.sqlpair("squash", "--to", "4", "--yes")
    beside.sqlpair("repair", "--yes")

    assert applied(beside) == [["003_squashed"], ["004_squashed"]]
    for path in (beside.root / "sql").glob("*/*_squashed*.sql"):
        assert "trail" not in path.read_text()
    beside.sqlpair("verify")
    assert_theirs_stay(beside)
