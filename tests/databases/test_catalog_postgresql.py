"""What a PostgreSQL description tells: every change, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from conftest import connected
from pg_dump import programs
from postgresql_changes import CHANGES, NEWER, NEWEST, SINCE
from sqlpair.databases import embedded
from sqlpair.databases.postgresql.catalog import catalog, within
from sqlpair.schema.model import Schema, describe, difference

EVERYTHING = (Path(__file__).parents[1] / "everything_postgresql.sql").read_text()
NewDatabase = Callable[[], str]


class Database:
    """One connection whose transaction is rolled back at the end."""

    def __init__(self, dsn: str):
        self.raw = psycopg2.connect(dsn)

    def run(self, sql: str) -> None:
        with self.raw.cursor() as cursor:
            cursor.execute(sql)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        with self.raw.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def schema(self, *own: str) -> Schema:
        return catalog(self.fetch, own)


@pytest.fixture(scope="module")
def connection(server: str) -> Iterator[Database]:
    with connected(server) as execute:
        execute("CREATE DATABASE catalogs TEMPLATE template0 STRATEGY file_copy")
        database = Database(" ".join([*_but_dbname(server), "dbname=catalogs"]))
        yield database
        database.raw.close()
        execute("DROP DATABASE catalogs")


@pytest.fixture
def db(connection: Database) -> Iterator[Database]:
    """An empty database; what a test makes is rolled back."""
    yield connection
    connection.raw.rollback()


def _but_dbname(dsn: str) -> list[str]:
    return [word for word in dsn.split() if not word.startswith("dbname=")]


def schema_of(dsn: str, *own: str) -> Schema:
    database = Database(dsn)
    try:
        return database.schema(*own)
    finally:
        database.raw.close()


def sentences(expected: Schema, actual: Schema) -> list[str]:
    return [describe(change) for change in difference(expected, actual)]


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_by_hand_is_told(db: Database, case: str) -> None:
    setup, change, *expected = CHANGES[case]
    db.run(setup or "SELECT 1")
    before = db.schema()
    db.run(change)

    assert sentences(before, db.schema()) == expected


@pytest.fixture(scope="module")
def older() -> Iterator[embedded.Server]:
    """The oldest PostgreSQL on this machine, holding everything."""
    places = sorted(Path("/usr/lib/postgresql").glob("1[4-9]/bin"))
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-older-", dir=parent))
    try:
        binaries = next(iter(places), None)
        with embedded.server(folder / "data", binaries=binaries) as found:
            with connected(found.dsn) as execute:
                execute(EVERYTHING)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def everything(new_database: NewDatabase) -> str:
    dsn = new_database()
    with connected(dsn) as execute:
        execute(EVERYTHING)
    return dsn


def run(
    program: str, *arguments: str, binaries: Path | None = None, **text: str
) -> str:
    """Run one of PostgreSQL's own programs."""
    folder = binaries or programs()
    done = subprocess.run(
        [folder / program, *arguments], capture_output=True, text=True, **text
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def psql(dsn: str, sql: str, *options: str) -> None:
    run("psql", "-Xqd", dsn, "-v", "ON_ERROR_STOP=1", *options, input=sql)


def test_an_older_server_gives_the_same_description(
    everything: str, older: embedded.Server
) -> None:
    assert sentences(schema_of(older.dsn), schema_of(everything)) == []


def test_a_dump_restored_gives_the_same_description(
    everything: str, new_database: NewDatabase
) -> None:
    restored, again = new_database(), new_database()
    psql(restored, run("pg_dump", "-d", everything))
    psql(again, run("pg_dump", "-d", restored))

    assert sentences(schema_of(everything), schema_of(restored)) == []
    assert sentences(schema_of(everything), schema_of(again)) == []


def test_an_archive_restored_gives_the_same_description(
    everything: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    restored, archive = new_database(), str(tmp_path / "archive")
    run("pg_dump", "-Fd", "-f", archive, "-d", everything)
    run("pg_restore", "--no-owner", "-d", restored, archive)

    assert sentences(schema_of(everything), schema_of(restored)) == []


def test_the_dump_of_an_older_server_gives_the_same_description(
    older: embedded.Server, new_database: NewDatabase
) -> None:
    restored = new_database()
    psql(restored, run("pg_dump", "-d", older.dsn, binaries=older.binaries))

    assert sentences(schema_of(older.dsn), schema_of(restored)) == []


def test_a_file_run_by_hand_gives_the_same_description(
    everything: str, new_database: NewDatabase
) -> None:
    by_hand = new_database()
    psql(by_hand, EVERYTHING, "-1", "-f", "-")

    assert sentences(schema_of(everything), schema_of(by_hand)) == []


@pytest.mark.parametrize("case", {**NEWER, **NEWEST})
def test_a_change_that_a_newer_server_allows_is_told(
    db: Database, case: str, server_version: int
) -> None:
    setup, change, *expected = {**NEWER, **NEWEST}[case]
    if server_version < SINCE[case]:
        with pytest.raises(psycopg2.Error):
            db.run(f"{setup}; {change}")
        return
    db.run(setup)
    before = db.schema()
    db.run(change)

    assert sentences(before, db.schema()) == expected


def test_the_name_of_a_not_null_constraint_is_no_difference(db: Database) -> None:
    db.run("CREATE TABLE t (a int NOT NULL)")
    before = db.schema()
    db.run("DROP TABLE t; CREATE TABLE t (a int CONSTRAINT mine NOT NULL)")

    assert sentences(before, db.schema()) == []


def test_a_failed_concurrent_index_is_told_as_not_valid(postgres: str) -> None:
    with connected(postgres) as execute:
        execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
        execute("CREATE TABLE u (a int); CREATE UNIQUE INDEX i ON u (a)")
        expected = schema_of(postgres)
        execute("DROP INDEX i")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")

    assert sentences(expected, schema_of(postgres)) == [
        "index i has table public.t, the migrations say public.u",
        "index i is not valid, the migrations say valid",
    ]


def test_a_rebuilt_table_gives_the_same_description(db: Database) -> None:
    db.run(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " gone int, b varchar(9) NOT NULL DEFAULT 'x' CHECK (b IN ('x', 'y')));"
        "CREATE INDEX i ON t (b) WHERE b IN ('x', 'y'); ALTER TABLE t DROP gone"
    )
    before = db.schema()
    db.run(
        "CREATE TABLE fresh (LIKE t INCLUDING ALL); DROP TABLE t;"
        "ALTER TABLE fresh RENAME TO t;"
        "ALTER TABLE t RENAME CONSTRAINT fresh_pkey TO t_pkey;"
        "ALTER INDEX fresh_b_idx RENAME TO i"
    )

    assert sentences(before, db.schema()) == []


def test_the_order_of_columns_is_no_difference_but_known(db: Database) -> None:
    db.run("CREATE TABLE t (a int, b int)")
    before = db.schema()
    db.run("DROP TABLE t; CREATE TABLE t (b int, a int)")
    after = db.schema()

    assert sentences(before, after) == []
    assert {
        key.name: (before[key].position, after[key].position)
        for key in after
        if key.kind == "column"
    } == {"t.a": (1, 2), "t.b": (2, 1)}


def test_a_function_written_on_windows_is_the_same(db: Database) -> None:
    body = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS '\nSELECT 1\n'"
    db.run(body)
    before = db.schema()
    db.run(body.replace("\n", "\r\n"))

    assert sentences(before, db.schema()) == []


def test_a_partition_made_and_one_attached_are_the_same(db: Database) -> None:
    parent = (
        "CREATE TABLE p (id int, k int NOT NULL CHECK (k > 0), PRIMARY KEY (id, k))"
        " PARTITION BY RANGE (k); CREATE INDEX i ON p (k);"
    )
    db.run(parent + "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9)")
    before = db.schema()
    db.run(
        "DROP TABLE p;" + parent + "CREATE TABLE p1"
        " (k int NOT NULL CONSTRAINT p_k_check CHECK (k > 0), id int NOT NULL);"
        "ALTER TABLE p1 ADD CONSTRAINT other PRIMARY KEY (id, k);"
        "CREATE INDEX another ON p1 (k);"
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1) TO (9)"
    )

    assert sentences(before, db.schema()) == []


def test_what_belongs_to_an_extension_is_left_out(db: Database) -> None:
    before = db.schema()
    db.run("CREATE EXTENSION citext; CREATE EXTENSION pg_stat_statements")

    assert {str(key) for key in db.schema().keys() - before.keys()} == {
        "extension citext",
        "extension pg_stat_statements",
    }


def test_temporary_objects_are_left_out(db: Database) -> None:
    before = db.schema()
    db.run(
        "CREATE TEMP TABLE x (id serial PRIMARY KEY, k int CHECK (k > 0));"
        "CREATE INDEX ON x (k); CREATE TEMP VIEW v AS SELECT * FROM x;"
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE TYPE pg_temp.e AS ENUM ('a')"
    )

    assert db.schema() == before


def test_own_tables_are_left_out_with_their_parts(db: Database) -> None:
    before = db.schema()
    db.run(
        "CREATE TABLE ledger (id serial PRIMARY KEY, n int UNIQUE CHECK (n > 0));"
        "CREATE INDEX ON ledger (n); CREATE STATISTICS s ON id, n FROM ledger"
    )

    assert db.schema("ledger") == before
    assert db.schema() != before


def test_the_callers_settings_neither_matter_nor_change(
    db: Database, server_version: int
) -> None:
    db.run("CREATE TABLE t (at timestamptz DEFAULT '2020-01-01 00:00Z', i interval"
           " DEFAULT '1 day 02:00', b bytea DEFAULT '\\xde', f float8 DEFAULT 0.1,"
           " s text DEFAULT E'a\\\\b'); CREATE VIEW v AS SELECT * FROM t")  # fmt: skip
    before = db.schema()
    changed = {
        "search_path": '"$user", public, pg_catalog',
        "datestyle": "SQL, DMY",
        "intervalstyle": "iso_8601",
        "timezone": "Asia/Tokyo",
        "extra_float_digits": "-15",
        "bytea_output": "escape",
        "quote_all_identifiers": "on",
        "standard_conforming_strings": "off" if server_version < 19_00_00 else "on",
    }
    for name, value in changed.items():
        db.run(f"SET {name} = '{value}'" if name != "search_path"
               else f"SET {name} = {value}")  # fmt: skip

    assert db.schema() == before
    for name, value in changed.items():
        assert db.fetch(f"SHOW {name}") == [(value,)]


def test_what_the_server_notes_in_a_columns_options_is_no_part_of_it(
    db: Database,
) -> None:
    """As pg_attver, which 15.20 writes: another number in each database."""
    db.run("CREATE TABLE noted (a int, b int)")
    db.run("ALTER TABLE noted ALTER b SET (n_distinct = 5)")
    before = db.schema()

    db.run("SET allow_system_table_mods = on")
    db.run(
        "UPDATE pg_attribute SET attoptions = attoptions || '{pg_attver=36169696}'"
        " WHERE attrelid = 'noted'::regclass AND attnum > 0"
    )

    assert db.schema() == before


def test_reading_outside_a_transaction_is_refused(postgres: str) -> None:
    with connected(postgres) as execute, pytest.raises(RuntimeError, match="one trans"):
        catalog(execute)


def test_two_servers_describe_the_standards_views_alike(
    older: embedded.Server, new_database: NewDatabase
) -> None:
    """Some sixty intricate views that every server brings along."""
    newer = new_database()
    with connected(older.dsn) as old, connected(newer) as new:
        old("CREATE SCHEMA corpus")
        new("CREATE SCHEMA corpus")
        views = old(
            "SELECT relname, pg_get_viewdef(oid) FROM pg_class"
            " WHERE relkind = 'v' AND relnamespace = 'information_schema'::regnamespace"
        )
        for name, definition in views:
            old(f"CREATE VIEW corpus.{name} AS {definition}")
            new(f"CREATE VIEW corpus.{name} AS {definition}")
        dump = run("pg_dump", "-n", "corpus", older.dsn, binaries=older.binaries)
        first, second = views_of(older.dsn), views_of(newer)
        new("DROP SCHEMA corpus CASCADE")
        psql(newer, dump)
        old("DROP SCHEMA corpus CASCADE")

    assert len(first) == len(views) > 50
    assert sentences(first, second) == []
    assert sentences(first, views_of(newer)) == []


def views_of(dsn: str) -> Schema:
    schema = schema_of(dsn)
    return {key: schema[key] for key in schema if key.name.startswith("corpus.")}


def test_one_schema_alone_is_described_as_it_is_among_all(db: Database) -> None:
    db.run(f"CREATE SCHEMA tenant; {EVERYTHING}")
    db.run("SET search_path = tenant; CREATE SCHEMA neighbour")
    db.run(
        "CREATE TYPE mood AS ENUM ('a');"
        "CREATE DOMAIN short AS text CHECK (value <> '');"
        "CREATE TABLE a (id serial PRIMARY KEY, m mood, s short, CHECK (id > 0));"
        "CREATE TABLE neighbour.b (a int REFERENCES a, mine mood);"
        "CREATE TABLE c (b int REFERENCES a) PARTITION BY RANGE (b);"
        "CREATE TABLE neighbour.c1 PARTITION OF c FOR VALUES FROM (0) TO (9);"
        "CREATE VIEW v AS SELECT * FROM neighbour.b;"
        "CREATE FUNCTION f() RETURNS a LANGUAGE sql RETURN (SELECT a FROM a LIMIT 1);"
        "COMMENT ON TABLE a IS 'one'; COMMENT ON COLUMN neighbour.b.a IS 'other'"
    )
    everything = db.schema()
    names = [key.name for key in everything if key.kind == "schema"]

    assert {"tenant", "neighbour", "public"} < {*names}
    for name in names:
        plain = name.strip('"').replace('""', '"')
        alone = within(catalog(db.fetch, (), plain), plain)
        assert alone == within(everything, plain), name
