"""``--sql``: replayed by psql and sqlite3, the scripts do what a deployment does."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from conftest import Project, connected
from sqlpair.databases.embedded import find_binaries
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination

# What breaks where SQL is formatted, templated, re-indented or sent with parameters.
AWKWARD = r"""
CREATE TABLE {name} (id integer PRIMARY KEY, note text);
INSERT INTO {name} VALUES
	(1, '100%'), (2, '%s %(x)s %%'), (3, ':name ::jsonb $1 ?'), (4, 'tab	here'),
  (5, '{{"a":1, "b": [":c"]}}'), (6, 'C:\new\table'), (7, '
  a line of its own, ; and -- no comment'), (8, 'naïve ☃ 日本');
INSERT INTO {name} (id, note) SELECT id + 100, note FROM {name} WHERE note LIKE '%%'
"""
FOR_POSTGRES = r"""
CREATE FUNCTION shout(word text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN upper(word) || ';%:x?' || '\';  -- $1
END; $$;
INSERT INTO p1 SELECT 200, (':1'::text || ('{"k": "v%"}'::jsonb ->> 'k'));
INSERT INTO p1 SELECT 201, shout('loud') WHERE '{"a":1}'::jsonb ? 'a';
SET search_path = pg_catalog;
SET ROLE pg_monitor
"""
FOR_SQLITE = """
CREATE TRIGGER loud AFTER INSERT ON s2 BEGIN
	UPDATE s2 SET note = note || ';%:x?' WHERE id = NEW.id; SELECT 1;
END;
INSERT INTO s2 VALUES (200, json_extract('{"k": "v%"}', '$.k'))
"""
TABLES = {
    "postgres": ("p1", "p3", "p5", "alembic_version"),
    "sqlite": ("s2", "s4", "s6", "alembic_version"),
}
LEDGER = (
    "SELECT version, migration_name, checksum, rollback_checksum, module_checksum,"
    " rollback, method, applied_at IS NOT NULL FROM schema_version ORDER BY id"
)
EVENTS = "SELECT action, version, migration_name, checksum FROM schema_history"


@pytest.fixture
def awkward(project: Project) -> Project:
    """Three migrations on each database, the last but one without a transaction."""
    for number, database in enumerate(["postgres", "sqlite"] * 3, start=1):
        name = f"{database[0]}{number}"
        up = AWKWARD.format(name=name)
        if number <= 2:
            up = f"BEGIN;{up};{FOR_POSTGRES if number == 1 else FOR_SQLITE};\nCOMMIT;"
        if number in (3, 4):
            alone = f"CREATE INDEX CONCURRENTLY c ON {name} (id)" if number == 3 else ""
            up = f"-- no-transaction\n{up};\n{alone or 'VACUUM'}"
        up = up.replace("\n", "\r\n") if number == 5 else up
        project.add(database, f"{number:03}_{name}", up, f"DROP TABLE {name}")
    down = "DROP FUNCTION shout; DROP TABLE p1 -- no semicolon"
    (project.root / "sql/postgres/001_p1_rollback.sql").write_text(down)
    return project


@pytest.fixture
def psql() -> str:
    return str(find_binaries() / "psql")


class Replayed:
    """The databases of a project that scripts are replayed on."""

    def __init__(self, project: Project, dsn: str, psql: str):
        self.project = project
        self.dsn = dsn
        self.file = project.root / "replayed.db"
        self._psql = psql

    def play(
        self,
        database: str,
        script: str,
        *,
        by_name: bool = False,
        rc: Path = Path("/nowhere"),
    ) -> subprocess.CompletedProcess[str]:
        """Feed a script to psql or sqlite3, neither of them told to stop anywhere."""
        path = self.project.root / "script.sql"
        path.write_text(script, newline="")
        if database == "postgres":
            arguments = [self._psql, "-q", "-d", self.dsn]
            arguments += ["-f", str(path)] if by_name else []
        else:
            arguments = ["sqlite3", str(self.file)]
            arguments += [f".read {path}"] if by_name else []
        with path.open() as stdin:
            return subprocess.run(
                arguments,
                stdin=stdin,
                env=os.environ | {"LC_ALL": "C", "PSQLRC": str(rc)},
                capture_output=True,
                text=True,
                check=False,
            )

    def replay(self, database: str, script: str) -> None:
        done = self.play(database, script)
        assert done.returncode == 0, done.stderr

    def rows(self, database: str, sql: str) -> list[tuple[object, ...]]:
        if database == "postgres":
            with connected(self.dsn) as execute:
                return execute(sql)
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def same(self, tables: dict[str, tuple[str, ...]] = TABLES) -> None:
        """Assert that rows, schema and bookkeeping are those of the project."""
        own = self.project
        there = Project.__new__(Project)
        there.__dict__ |= own.__dict__ | {"dsn": self.dsn, "file": self.file}
        there.environ = own.environ | {
            "DATABASE_URL": self.dsn,
            "SQLITE_PATH": str(self.file),
        }
        for database, query in (("postgres", own.pg), ("sqlite", own.lite)):
            assert there.schema(database) == own.schema(database)
            queries = [f"SELECT * FROM {name} ORDER BY 1" for name in tables[database]]
            for sql in (*queries, LEDGER, f"{EVENTS} ORDER BY id"):
                assert self.rows(database, sql) == query(sql), sql


@pytest.fixture
def replayed(awkward: Project, new_database: Callable[[], str], psql: str) -> Replayed:
    return Replayed(awkward, new_database(), psql)


def script(project: Project, *arguments: str) -> str:
    """The one script that Alembic prints, without any database."""
    nowhere = "postgresql://canary:secret@localhost:1/nowhere"
    done = project.alembic(
        *arguments, "--sql", DATABASE_URL=nowhere, SQLITE_PATH="/nowhere/x.db"
    )
    assert "secret" not in done.stdout
    assert "canary" not in done.stdout
    return done.stdout


def test_scripts_do_what_the_deployment_does(
    awkward: Project, replayed: Replayed
) -> None:
    awkward.alembic("upgrade", "heads")

    done = awkward.alembic("upgrade", "heads", "--sql")

    assert "wrote postgres.sql and sqlite.sql" in done.stderr
    for database in ("postgres", "sqlite"):
        text = (awkward.root / f"{database}.sql").read_bytes().decode()
        replayed.replay(database, text)
    replayed.same()
    notes = "SELECT note FROM {} WHERE id < 9 ORDER BY id"
    assert len({str(awkward.pg(notes.format(f"p{n}"))) for n in (1, 3)}) == 1
    assert awkward.pg(notes.format("p1")) == awkward.lite(notes.format("s4"))


def test_several_scripts_are_named_on_stdout_by_a_text_that_runs_nowhere(
    awkward: Project, replayed: Replayed
) -> None:
    done = awkward.alembic("upgrade", "heads", "--sql")

    assert "--   postgres.sql\n--   sqlite.sql\n" in done.stdout
    for database in ("postgres", "sqlite"):
        assert "the_scripts_named_above" in replayed.play(database, done.stdout).stderr


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("command", ["upgrade", "downgrade", "stamp"])
def test_no_script_is_written_over_a_file_or_through_a_link(
    awkward: Project, command: str, link: bool
) -> None:
    mine = awkward.root / "mine.sql"
    mine.write_text("-- mine\n")
    there = awkward.root / "sqlite.sql"
    if link:
        there.symlink_to(mine)
    else:
        mine.rename(there)
    bounds = "heads:base" if command == "downgrade" else "heads"

    failure = awkward.alembic(command, bounds, "--sql", expect=1)

    assert "sqlite.sql: File exists" in failure.stderr
    assert "sqlite@head" in failure.stderr
    assert there.read_text() == "-- mine\n"
    assert not (awkward.root / "postgres.sql").exists()


FAILING = {
    "in-a-transaction": "INSERT INTO {name} VALUES (1); SELECT nope; SELECT 1;\n",
    "without-one": "-- no-transaction\nSELECT nope;\nSELECT 1;\n",
    "that-rolls-back": "INSERT OR ROLLBACK INTO {name} VALUES (NULL);\n",
}


@pytest.mark.parametrize("fed", ["file", "stdin"])
@pytest.mark.parametrize("how", FAILING)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_nothing_is_recorded_that_failed_in_the_middle_of_a_script(
    project: Project,
    new_database: Callable[[], str],
    psql: str,
    command: str,
    database: str,
    how: str,
    fed: str,
) -> None:
    for number in (1, 2, 3):
        name = f"t{number}"
        # What comes before in a script is committed by a file without transaction.
        up = f"-- no-transaction\nCREATE TABLE {name} (id integer NOT NULL);\n"
        down = f"-- no-transaction\nDROP TABLE {name};\n"
        failing = FAILING[how].format(name=name)
        if number == 2:
            up, down = (failing, down) if command == "upgrade" else (up, failing)
        project.add(database, f"00{number}_{name}", up, down)
    replayed = Replayed(project, new_database(), psql)
    start = []
    if command == "downgrade":
        replayed.replay(database, script(project, "upgrade", f"{database}@head"))
        start = [1, 2]
    bounds = {"upgrade": f"{database}@head", "downgrade": f"{database}@head:base"}

    text = script(project, command, bounds[command])
    failed = replayed.play(database, text, by_name=fed == "file")

    assert failed.returncode != 0
    rows = replayed.rows(database, "SELECT version FROM schema_version ORDER BY 1")
    assert [row[0] for row in rows] == (start or [1])
    heads = replayed.rows(database, "SELECT version_num FROM alembic_version")
    assert heads == [(f"{database}_00{2 if start else 1}",)]


def test_script_stops_whatever_a_psqlrc_says(
    awkward: Project, replayed: Replayed
) -> None:
    rc = awkward.root / "psqlrc"
    rc.write_text("\\set ON_ERROR_ROLLBACK on\n\\set AUTOCOMMIT off\n")
    broken = awkward.root / "sql/postgres/005_p5.sql"
    broken.write_text("SELECT nope;\nSELECT 1;\n")

    failed = replayed.play(
        "postgres", script(awkward, "upgrade", "postgres@head"), rc=rc
    )

    assert failed.returncode != 0
    rows = replayed.rows("postgres", "SELECT version FROM schema_version ORDER BY 1")
    assert rows == [(1,), (3,)]


def test_ranges_lead_up_and_down_again(awkward: Project, replayed: Replayed) -> None:
    for arguments, go in [
        (("upgrade", "base:postgres_003"), ("upgrade", "postgres_003")),
        (("upgrade", "postgres_003:postgres@head"), ("upgrade", "postgres@head")),
        (("downgrade", "postgres@head:postgres_003"), ("downgrade", "postgres_003")),
        (("downgrade", "postgres_003:-1"), ("downgrade", "postgres@-1")),
        (("upgrade", "sqlite@base:sqlite_004"), ("upgrade", "sqlite_004")),
        (("downgrade", "sqlite_004:base"), ("downgrade", "sqlite@base")),
    ]:
        database = "sqlite" if "sqlite" in arguments[1] else "postgres"
        replayed.replay(database, script(awkward, *arguments))
        command, destination = go
        target = Destination((destination,), command, lambda _line: None)
        deployment.deploy(
            awkward.settings, target, lambda _line: None, allow_data_loss=True
        )
    replayed.same({"postgres": ("p1", "alembic_version"), "sqlite": ()})


def test_stamps_are_replayed_from_wherever_the_database_is(
    awkward: Project, replayed: Replayed
) -> None:
    for destination in ("postgres@head", "postgres_003", "postgres@head", "sqlite_004"):
        awkward.alembic("stamp", destination)
        database = destination.partition("_")[0].partition("@")[0]
        replayed.replay(database, script(awkward, "stamp", destination))
    replayed.same({"postgres": ("alembic_version",), "sqlite": ("alembic_version",)})

    stamped = script(awkward, "stamp", "postgres@base")
    replayed.replay("postgres", stamped)
    assert replayed.rows("postgres", "SELECT * FROM schema_version") == []
    assert replayed.rows("postgres", "SELECT * FROM alembic_version") == []


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_script_stops_where_the_database_is_somewhere_else(
    awkward: Project, replayed: Replayed, database: str
) -> None:
    first, second = (
        script(awkward, "upgrade", bounds)
        for bounds in (f"{database}@+1", f"{database}@base+1:{database}@head")
    )

    early = replayed.play(database, second)
    assert early.returncode != 0
    replayed.replay(database, first)
    before = replayed.rows(database, LEDGER)
    again = replayed.play(database, first)

    assert again.returncode != 0
    assert replayed.rows(database, LEDGER) == before
    replayed.replay(database, second)
    assert len(replayed.rows(database, LEDGER)) == 3


DOCUMENTED = {
    "postgres": "id serial PRIMARY KEY, version integer NOT NULL, migration_name"
    " varchar(255) NOT NULL, applied_at timestamp DEFAULT now()",
    # As somebody who knows PostgreSQL would write it: this id is no rowid.
    "sqlite": "id serial PRIMARY KEY, version integer NOT NULL, migration_name"
    " varchar(255) NOT NULL, applied_at timestamp DEFAULT CURRENT_TIMESTAMP",
}


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize("with_row", [True, False])
def test_script_completes_a_ledger_of_the_documented_columns(
    awkward: Project, replayed: Replayed, database: str, with_row: bool
) -> None:
    number, start = (1, "postgres_001") if database == "postgres" else (2, "sqlite_002")
    prepared = f"CREATE TABLE schema_version ({DOCUMENTED[database]});"
    if with_row:
        prepared += (
            "INSERT INTO schema_version (version, migration_name, applied_at)"
            f" VALUES ({number}, 'made_elsewhere', '2020-01-02 03:04:05');"
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
            f"INSERT INTO alembic_version VALUES ('{start}');"
        )
    replayed.replay(database, prepared)

    bounds = f"{start if with_row else f'{database}@base'}:{database}@head"
    replayed.replay(database, script(awkward, "upgrade", bounds))

    rows = replayed.rows(
        database,
        "SELECT version, migration_name, CAST(applied_at AS varchar(19)), checksum"
        " FROM schema_version ORDER BY version",
    )
    assert len(rows) == 3
    assert all(checksum for *_, checksum in rows[1:])
    if with_row:
        assert rows[0] == (number, "made_elsewhere", "2020-01-02 03:04:05", None)
    # Another program goes on writing what is documented.
    replayed.replay(
        database,
        "INSERT INTO schema_version (version, migration_name) VALUES (9, 'x');",
    )
    assert replayed.rows(database, "SELECT max(version) FROM schema_version") == [(9,)]


def test_script_says_in_which_encoding_it_is(
    awkward: Project, replayed: Replayed, server: str
) -> None:
    with connected(server) as execute:
        execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        replayed.dsn = server.replace("dbname=app", "dbname=latin")
        up = "CREATE TABLE p (a text);\nINSERT INTO p VALUES ('naïve');\n"
        (awkward.root / "sql/postgres/001_p1.sql").write_text(up)

        replayed.replay("postgres", script(awkward, "upgrade", "postgres_001"))

        assert replayed.rows("postgres", "SELECT length(a) FROM p") == [(5,)]
    finally:
        with connected(server) as execute:
            execute("DROP DATABASE latin WITH (FORCE)")


def test_scripts_keep_what_another_range_has_recorded(
    awkward: Project, replayed: Replayed
) -> None:
    replayed.replay("sqlite", script(awkward, "upgrade", "sqlite_002"))
    before = replayed.rows("sqlite", "SELECT * FROM schema_version")

    replayed.replay("sqlite", script(awkward, "upgrade", "sqlite_002:sqlite@head"))

    after = replayed.rows("sqlite", "SELECT * FROM schema_version ORDER BY id")
    assert after[:1] == before
    assert after[0][4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upgrade", "+1:heads"), "the range starts at +1"),
        (("upgrade", "nope:heads"), "no revision is called 'nope'"),
        (("upgrade", "postgres_001:sqlite@head"), "Let a range be of one database"),
        (("upgrade", "mysql@head"), "no database is called 'mysql'"),
        (("downgrade", "base:postgres_001"), "not below"),
    ],
)
def test_range_that_leads_nowhere_is_refused(
    awkward: Project, arguments: tuple[str, ...], message: str
) -> None:
    failure = awkward.raw("alembic", *arguments, "--sql")

    assert failure.returncode in (1, 2)
    assert message in failure.stderr
    assert "Traceback" not in failure.stderr
    assert failure.stdout == ""


def test_empty_range_says_so(awkward: Project) -> None:
    done = awkward.alembic("upgrade", "postgres_001:postgres_001", "--sql")

    assert "Nothing to do" in done.stderr
    assert done.stdout == ""


def test_program_gets_the_script_in_its_buffer(
    awkward: Project, replayed: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", awkward.dsn)
    buffer = io.StringIO()
    config = Config(awkward.root / "alembic.ini", output_buffer=buffer)

    command.upgrade(config, "postgres@head", sql=True)

    replayed.replay("postgres", buffer.getvalue())
    assert len(replayed.rows("postgres", LEDGER)) == 3


def test_faulty_file_stops_before_any_script_is_written(awkward: Project) -> None:
    awkward.add("sqlite", "007_bad", "CREATE TABLE x (id);\nROLLBACK;\n")

    failure = awkward.alembic("upgrade", "heads", "--sql", expect=1)

    assert "007_bad.sql:2" in failure.stderr
    assert not list(awkward.root.glob("*.sql"))
