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
from sqlpair import embedded
from sqlpair.drivers.postgresql.catalog import catalog
from sqlpair.schema import Schema, describe, difference

EVERYTHING = (Path(__file__).parent / "everything_postgresql.sql").read_text()
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


T = "CREATE TABLE t (id int, a text, b varchar(9));"
TIMES = """
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
PARTITIONED = """
CREATE TABLE p (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
"""

# What is there, what somebody changes by hand, and what is then told.
CHANGES = {
    "table missing": (T, "DROP TABLE t", "table t is missing"),
    "table extra": (
        "",
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE)",
        "table t is there, the migrations do not make it",
    ),
    "table in another schema": (
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.t (id int)",
        "table audit.t is there, the migrations do not make it",
    ),
    "table with an odd name": (
        "",
        'CREATE TABLE "My.T" (id int)',
        'table "My.T" is there, the migrations do not make it',
    ),
    "unlogged": (
        T,
        "ALTER TABLE t SET UNLOGGED",
        "table t is unlogged, the migrations say not unlogged",
    ),
    "row security": (
        T,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "table t has row security enabled, the migrations say none",
    ),
    "forced row security": (
        T + "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "table t has row security enabled, also for the owner, "
        "the migrations say enabled",
    ),
    "replica identity": (
        T,
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "table t has replica identity full, the migrations say none",
    ),
    "replica identity index": (
        "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX i ON t (id)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX i",
        "table t has replica identity index public.i, the migrations say none",
    ),
    "clustered": (
        T + "CREATE INDEX i ON t (id)",
        "ALTER TABLE t CLUSTER ON i",
        "table t has clustering index public.i, the migrations say none",
    ),
    "storage parameters": (
        T,
        "ALTER TABLE t SET (fillfactor = 70, toast.autovacuum_enabled = off)",
        "table t has storage parameters fillfactor=70, toast.autovacuum_enabled=off, "
        "the migrations say none",
    ),
    "inheritance": (
        T + "CREATE TABLE child (id int, a text, b varchar(9))",
        "ALTER TABLE child INHERIT t",
        "table child has parents public.t, the migrations say none",
    ),
    "typed table": (
        "CREATE TYPE pair AS (x int, y int); CREATE TABLE t (x int, y int)",
        "ALTER TABLE t OF pair",
        "table t has row type public.pair, the migrations say none",
    ),
    "table comment": (
        T,
        "COMMENT ON TABLE t IS 'ours'",
        "table t has comment ours, the migrations say none",
    ),
    "partition missing": (PARTITIONED, "DROP TABLE p1", "table p1 is missing"),
    "partition detached": (
        PARTITIONED,
        "ALTER TABLE p DETACH PARTITION p1",
        "table p1 has no partition bounds, "
        "the migrations say FOR VALUES FROM (0) TO (10)",
        "table p1 has no partitioned parent, the migrations say public.p",
    ),
    "partition bounds": (
        PARTITIONED,
        "ALTER TABLE p DETACH PARTITION p1; "
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (20)",
        "table p1 has partition bounds FOR VALUES FROM (0) TO (20), "
        "the migrations say FOR VALUES FROM (0) TO (10)",
    ),
    "partition key": (
        "CREATE TABLE p (id int, k int) PARTITION BY RANGE (k)",
        "DROP TABLE p; CREATE TABLE p (id int, k int) PARTITION BY LIST (id)",
        "table p has partition key LIST (id), the migrations say RANGE (k)",
    ),
    "column extra": (
        T,
        "ALTER TABLE t ADD note text",
        "column t.note is there, the migrations do not make it",
    ),
    "column missing": (T, "ALTER TABLE t DROP a", "column t.a is missing"),
    "column type": (
        T,
        "ALTER TABLE t ALTER id TYPE bigint",
        "column t.id has type bigint, the migrations say integer",
    ),
    "column length": (
        T,
        "ALTER TABLE t ALTER b TYPE varchar(20)",
        "column t.b has type character varying(20), "
        "the migrations say character varying(9)",
    ),
    "column of an enum": (
        T + "CREATE TYPE mood AS ENUM ('ok')",
        "ALTER TABLE t ALTER a TYPE mood USING 'ok'",
        "column t.a has type public.mood, the migrations say text",
    ),
    "column default": (
        "CREATE TABLE user_strategies (error_count int DEFAULT 0)",
        "ALTER TABLE user_strategies ALTER error_count SET DEFAULT 1",
        "column user_strategies.error_count has default 1, the migrations say 0",
    ),
    "column nullability": (
        T,
        "ALTER TABLE t ALTER a SET NOT NULL",
        "column t.a is not nullable, the migrations say nullable",
    ),
    "column collation": (
        T,
        'ALTER TABLE t ALTER a TYPE text COLLATE "C"',
        'column t.a has collation "C", the migrations say none',
    ),
    "column generated": (
        "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a * 2) STORED)",
        "ALTER TABLE t DROP g, ADD g int GENERATED ALWAYS AS (a * 3) STORED",
        "column t.g has generation always as (a * 3) stored, "
        "the migrations say always as (a * 2) stored",
    ),
    "column no more generated": (
        "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a * 2) STORED)",
        "ALTER TABLE t ALTER g DROP EXPRESSION",
        "column t.g has no generation, the migrations say always as (a * 2) stored",
    ),
    "column identity": (
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)",
        "ALTER TABLE t ALTER id SET GENERATED BY DEFAULT",
        "column t.id has identity by default, the migrations say always",
    ),
    "identity sequence": (
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)",
        "ALTER TABLE t ALTER id SET INCREMENT BY 2",
        "column t.id has identity sequence from 1 by 2, 1 to 2147483647, cache 1, "
        "the migrations say from 1 by 1, 1 to 2147483647, cache 1",
    ),
    "column storage": (
        T,
        "ALTER TABLE t ALTER a SET STORAGE EXTERNAL",
        "column t.a has storage external, the migrations say none",
    ),
    "column compression": (
        T,
        "ALTER TABLE t ALTER a SET COMPRESSION pglz",
        "column t.a has compression pglz, the migrations say none",
    ),
    "column statistics": (
        T,
        "ALTER TABLE t ALTER a SET STATISTICS 500",
        "column t.a has statistics target 500, the migrations say none",
    ),
    "column options": (
        T,
        "ALTER TABLE t ALTER a SET (n_distinct = 5)",
        "column t.a has options n_distinct=5, the migrations say none",
    ),
    "column comment": (
        T,
        "COMMENT ON COLUMN t.a IS 'ours'",
        "column t.a has comment ours, the migrations say none",
    ),
    "primary key missing": (
        "CREATE TABLE t (id int NOT NULL, PRIMARY KEY (id))",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "primary key t.t_pkey is missing",
    ),
    "primary key of other columns": (
        "CREATE TABLE t (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a))",
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a, b)",
        "primary key t.t_pkey has definition PRIMARY KEY (a, b), "
        "the migrations say PRIMARY KEY (a)",
    ),
    "primary key with storage parameters": (
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER INDEX t_pkey SET (fillfactor = 70)",
        "primary key t.t_pkey has storage parameters fillfactor=70, "
        "the migrations say none",
    ),
    "unique constraint": (
        T,
        "ALTER TABLE t ADD CONSTRAINT one UNIQUE (a)",
        "unique constraint t.one is there, the migrations do not make it",
    ),
    "unique nulls not distinct": (
        T + "ALTER TABLE t ADD CONSTRAINT one UNIQUE (a)",
        "ALTER TABLE t DROP CONSTRAINT one, "
        "ADD CONSTRAINT one UNIQUE NULLS NOT DISTINCT (a)",
        "unique constraint t.one has definition UNIQUE NULLS NOT DISTINCT (a), "
        "the migrations say UNIQUE (a)",
    ),
    "deferrable": (
        T + "ALTER TABLE t ADD CONSTRAINT one UNIQUE (a)",
        "ALTER TABLE t DROP CONSTRAINT one, "
        "ADD CONSTRAINT one UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
        "unique constraint t.one has definition "
        "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED, the migrations say UNIQUE (a)",
    ),
    "foreign key missing": (
        "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (u int REFERENCES u)",
        "ALTER TABLE t DROP CONSTRAINT t_u_fkey",
        "foreign key t.t_u_fkey is missing",
    ),
    "foreign key action": (
        "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (u int REFERENCES u)",
        "ALTER TABLE t DROP CONSTRAINT t_u_fkey, ADD CONSTRAINT t_u_fkey "
        "FOREIGN KEY (u) REFERENCES u ON DELETE CASCADE",
        "foreign key t.t_u_fkey has definition "
        "FOREIGN KEY (u) REFERENCES public.u(id) ON DELETE CASCADE, "
        "the migrations say FOREIGN KEY (u) REFERENCES public.u(id)",
    ),
    "foreign key deferrability": (
        "CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (u int REFERENCES u)",
        "ALTER TABLE t ALTER CONSTRAINT t_u_fkey DEFERRABLE",
        "foreign key t.t_u_fkey has definition "
        "FOREIGN KEY (u) REFERENCES public.u(id) DEFERRABLE, "
        "the migrations say FOREIGN KEY (u) REFERENCES public.u(id)",
    ),
    "check missing": (
        "CREATE TABLE t (a int CHECK (a > 0))",
        "ALTER TABLE t DROP CONSTRAINT t_a_check",
        "check constraint t.t_a_check is missing",
    ),
    "check expression": (
        "CREATE TABLE t (s varchar(9) CHECK (s IN ('a', 'b')))",
        "ALTER TABLE t DROP CONSTRAINT t_s_check, ADD CHECK (s IN ('a', 'b', 'c'))",
        "check constraint t.t_s_check has another definition (- the migrations say):\n"
        "  - CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, "
        "('b'::character varying)::text])))\n"
        "  + CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, "
        "('b'::character varying)::text, ('c'::character varying)::text])))",
    ),
    "check not valid": (
        "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0))",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "check constraint t.c is not valid, the migrations say valid",
    ),
    "check inherited by none": (
        "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0))",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NO INHERIT",
        "check constraint t.c has definition CHECK ((a > 0)) NO INHERIT, "
        "the migrations say CHECK ((a > 0))",
    ),
    "exclusion constraint": (
        "CREATE TABLE t (r int4range)",
        "ALTER TABLE t ADD CONSTRAINT apart EXCLUDE USING gist (r WITH &&)",
        "exclusion constraint t.apart is there, the migrations do not make it",
    ),
    "constraint comment": (
        "CREATE TABLE t (a int CHECK (a > 0))",
        "COMMENT ON CONSTRAINT t_a_check ON t IS 'ours'",
        "check constraint t.t_a_check has comment ours, the migrations say none",
    ),
    "index missing": (
        T + "CREATE INDEX idx_x ON t (a)",
        "DROP INDEX idx_x",
        "index idx_x is missing",
    ),
    "index method": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t USING hash (a)",
        "index i has method hash, the migrations say btree",
    ),
    "index expression": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (lower(a))",
        "index i has columns lower(a), the migrations say a",
    ),
    "index order": (
        T + "CREATE INDEX i ON t (a, id)",
        "DROP INDEX i; CREATE INDEX i ON t (a, id DESC NULLS LAST)",
        "index i has columns a, id DESC NULLS LAST, the migrations say a, id",
    ),
    "index columns' order": (
        T + "CREATE INDEX i ON t (a, id)",
        "DROP INDEX i; CREATE INDEX i ON t (id, a)",
        "index i has columns id, a, the migrations say a, id",
    ),
    "index operator class": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (a text_pattern_ops)",
        "index i has columns a text_pattern_ops, the migrations say a",
    ),
    "index collation": (
        T + "CREATE INDEX i ON t (a)",
        'DROP INDEX i; CREATE INDEX i ON t (a COLLATE "C")',
        'index i has columns a COLLATE "C", the migrations say a',
    ),
    "index predicate": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (a) WHERE id > 0",
        "index i has predicate (id > 0), the migrations say none",
    ),
    "index included columns": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t (a) INCLUDE (id, b)",
        "index i has included columns id, b, the migrations say none",
    ),
    "index uniqueness": (
        T + "CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE UNIQUE INDEX i ON t (a)",
        "index i is unique, the migrations say not unique",
    ),
    "index nulls not distinct": (
        T + "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b)",
        "DROP INDEX i; "
        "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b) NULLS NOT DISTINCT",
        "index i has nulls not distinct, the migrations say none",
    ),
    "index storage parameters": (
        T + "CREATE INDEX i ON t (a)",
        "ALTER INDEX i SET (fillfactor = 70)",
        "index i has storage parameters fillfactor=70, the migrations say none",
    ),
    "index of another table": (
        T + "CREATE TABLE u (a text); CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON u (a)",
        "index i has table public.u, the migrations say public.t",
    ),
    "index of a partitioned table, in part": (
        PARTITIONED + "CREATE INDEX i ON p (k)",
        "DROP INDEX i; CREATE INDEX i ON ONLY p (k)",
        "index i is not valid, the migrations say valid",
    ),
    "index comment": (
        T + "CREATE INDEX i ON t (a)",
        "COMMENT ON INDEX i IS 'ours'",
        "index i has comment ours, the migrations say none",
    ),
    "view": (
        T + "CREATE VIEW v AS SELECT id FROM t WHERE a = 'x'",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE a = 'y'",
        "view v has another definition (- the migrations say):\n"
        "  -   WHERE (a = 'x'::text);\n"
        "  +   WHERE (a = 'y'::text);",
    ),
    "view options": (
        T + "CREATE VIEW v AS SELECT id FROM t",
        "ALTER VIEW v SET (security_barrier = true)",
        "view v has storage parameters security_barrier=true, the migrations say none",
    ),
    "view column comment": (
        T + "CREATE VIEW v AS SELECT id FROM t",
        "COMMENT ON COLUMN v.id IS 'ours'",
        "view v has comment on id ours, the migrations say none",
    ),
    "materialized view": (
        T + "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
        "DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
        "materialized view m has another definition (- the migrations say):\n"
        "  -  SELECT id\n"
        "  +  SELECT a",
    ),
    "materialized view's index": (
        T + "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
        "CREATE INDEX i ON m (id)",
        "index i is there, the migrations do not make it",
    ),
    "sequence missing": (
        "CREATE SEQUENCE s",
        "DROP SEQUENCE s",
        "sequence s is missing",
    ),
    "sequence parameters": (
        "CREATE SEQUENCE s",
        "ALTER SEQUENCE s INCREMENT 5 MINVALUE 0 MAXVALUE 99 START 7 CACHE 3 CYCLE",
        "sequence s has cache 3, the migrations say 1",
        "sequence s is cycling, the migrations say not cycling",
        "sequence s has increment 5, the migrations say 1",
        "sequence s has maximum 99, the migrations say 9223372036854775807",
        "sequence s has minimum 0, the migrations say 1",
        "sequence s has start 7, the migrations say 1",
    ),
    "sequence owner": (
        T + "CREATE SEQUENCE s",
        "ALTER SEQUENCE s OWNED BY t.id",
        "sequence s has owning column public.t.id, the migrations say none",
    ),
    "function body": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "function f() has body SELECT 2, the migrations say SELECT 1",
    ),
    "function overload": (
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f(a text, b int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function f(text, integer) is there, the migrations do not make it",
    ),
    "function arguments": (
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f(a int DEFAULT 7) RETURNS int "
        "LANGUAGE sql AS 'SELECT 1'",
        "function f(integer) has arguments a integer DEFAULT 7, "
        "the migrations say a integer",
    ),
    "function properties": (
        "CREATE FUNCTION f() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION f() IMMUTABLE STRICT SECURITY DEFINER LEAKPROOF "
        "PARALLEL SAFE COST 7 ROWS 8 SET search_path = pg_catalog",
        "function f() has cost 7, the migrations say none",
        "function f() is leakproof, the migrations say not leakproof",
        "function f() has parallel mode safe, the migrations say unsafe",
        "function f() has rows 8, the migrations say none",
        "function f() is security definer, the migrations say not security definer",
        "function f() has settings search_path=pg_catalog, the migrations say none",
        "function f() is strict, the migrations say not strict",
        "function f() has volatility immutable, the migrations say volatile",
    ),
    "function result and language": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION f; CREATE FUNCTION f() RETURNS bigint "
        "LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "function f() has body BEGIN RETURN 1; END, the migrations say SELECT 1",
        "function f() has language plpgsql, the migrations say sql",
        "function f() has result bigint, the migrations say integer",
    ),
    "function with a standard body": (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
        "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 2; END",
        "function f() has another body (- the migrations say):\n"
        "  -  SELECT 1;\n"
        "  +  SELECT 2;",
    ),
    "function comment": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "COMMENT ON FUNCTION f() IS 'ours'",
        "function f() has comment ours, the migrations say none",
    ),
    "procedure": (
        "CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'",
        "DROP PROCEDURE f",
        "procedure f() is missing",
    ),
    "aggregate": (
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
        "DROP AGGREGATE total(int); "
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '1')",
        "aggregate total(integer) has aggregation state integer, start 1, "
        "transition int4pl, the migrations say state integer, start 0, "
        "transition int4pl",
    ),
    "trigger missing": (
        T + TIMES + "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION touch()",
        "DROP TRIGGER g ON t",
        "trigger t.g is missing",
    ),
    "trigger definition": (
        T + TIMES + "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION touch()",
        "CREATE OR REPLACE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION touch()",
        "trigger t.g has definition CREATE TRIGGER g BEFORE INSERT ON public.t "
        "FOR EACH STATEMENT EXECUTE FUNCTION public.touch(), "
        "the migrations say CREATE TRIGGER g BEFORE UPDATE ON public.t "
        "FOR EACH STATEMENT EXECUTE FUNCTION public.touch()",
    ),
    "trigger disabled": (
        T + TIMES + "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION touch()",
        "ALTER TABLE t DISABLE TRIGGER g",
        "trigger t.g has firing mode disabled, the migrations say enabled",
    ),
    "trigger disabled on one partition": (
        PARTITIONED + TIMES + "CREATE TRIGGER g AFTER UPDATE ON p "
        "FOR EACH ROW EXECUTE FUNCTION touch()",
        "ALTER TABLE p1 DISABLE TRIGGER g",
        "trigger p1.g is there, the migrations do not make it",
    ),
    "event trigger": (
        "CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql "
        "AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION guard()",
        "ALTER EVENT TRIGGER e DISABLE",
        "event trigger e has firing mode disabled, the migrations say enabled",
    ),
    "rule": (
        T + "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE OR REPLACE RULE r AS ON DELETE TO t WHERE old.id = 1 "
        "DO INSTEAD NOTHING",
        "rule t.r has another definition (- the migrations say):\n"
        "  -     ON DELETE TO public.t DO INSTEAD NOTHING;\n"
        "  +     ON DELETE TO public.t\n"
        "  +    WHERE (old.id = 1) DO INSTEAD NOTHING;",
    ),
    "rule missing": (
        T + "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "DROP RULE r ON t",
        "rule t.r is missing",
    ),
    "enum label": (
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "ALTER TYPE mood ADD VALUE 'glad' BEFORE 'ok'",
        "enum mood has labels sad, glad, ok, the migrations say sad, ok",
    ),
    "domain": (
        "CREATE DOMAIN d AS varchar(9)",
        "DROP DOMAIN d; CREATE DOMAIN d AS text NOT NULL DEFAULT 'x' COLLATE \"C\"",
        'domain d has collation "C", the migrations say none',
        "domain d has default 'x'::text, the migrations say none",
        "domain d is not nullable, the migrations say nullable",
        "domain d has type text, the migrations say character varying(9)",
    ),
    "domain constraint": (
        "CREATE DOMAIN d AS int CONSTRAINT positive CHECK (VALUE > 0)",
        "ALTER DOMAIN d DROP CONSTRAINT positive",
        "check constraint d.positive is missing",
    ),
    "composite type": (
        "CREATE TYPE pair AS (x int, y int)",
        "ALTER TYPE pair ADD ATTRIBUTE z text COLLATE \"C\"",
        'composite type pair has attributes x integer, y integer, '
        'z text collate "C", the migrations say x integer, y integer',
    ),
    "composite type's comment": (
        "CREATE TYPE pair AS (x int, y int)",
        "COMMENT ON COLUMN pair.x IS 'ours'",
        "composite type pair has comment on x ours, the migrations say none",
    ),
    "range type": (
        "CREATE TYPE span AS RANGE (SUBTYPE = float8)",
        "DROP TYPE span; CREATE TYPE span AS RANGE (SUBTYPE = float8, "
        "SUBTYPE_DIFF = float8mi)",
        "range type span has difference function float8mi, the migrations say none",
    ),
    "policy": (
        T + "CREATE POLICY own ON t USING (id = 1)",
        "DROP POLICY own ON t; CREATE POLICY own ON t AS RESTRICTIVE FOR UPDATE "
        "TO pg_monitor USING (id = 2) WITH CHECK (id = 3)",
        "policy t.own has check (id = 3), the migrations say none",
        "policy t.own has command update, the migrations say all",
        "policy t.own is restrictive, the migrations say not restrictive",
        "policy t.own has roles pg_monitor, the migrations say public",
        "policy t.own has using (id = 2), the migrations say (id = 1)",
    ),
    "policy missing": (
        T + "CREATE POLICY own ON t USING (id = 1)",
        "DROP POLICY own ON t",
        "policy t.own is missing",
    ),
    "extension": ("CREATE EXTENSION citext", "DROP EXTENSION citext",
        "extension citext is missing"),
    "extension version": (
        "CREATE EXTENSION pg_trgm",
        "DROP EXTENSION pg_trgm; CREATE EXTENSION pg_trgm VERSION '1.3'",
        "extension pg_trgm has version 1.3, "
        "the migrations say the server's default",
    ),
    "extension schema": (
        "CREATE EXTENSION citext; CREATE SCHEMA ext",
        "ALTER EXTENSION citext SET SCHEMA ext",
        "extension citext has schema ext, the migrations say public",
    ),
    "statistics object": (
        T + "CREATE STATISTICS st ON id, a FROM t",
        "ALTER STATISTICS st SET STATISTICS 500",
        "statistics object st has statistics target 500, the migrations say none",
    ),
    "statistics object missing": (
        T + "CREATE STATISTICS st ON id, a FROM t",
        "DROP STATISTICS st",
        "statistics object st is missing",
    ),
    "schema": (
        "",
        "CREATE SCHEMA audit",
        "schema audit is there, the migrations do not make it",
    ),
}  # fmt: skip


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
    folder = binaries or embedded.find_binaries()
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


NEWER = {
    "generated on reading": (
        "CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a * 2) STORED)",
        "ALTER TABLE t DROP g, ADD g int GENERATED ALWAYS AS (a * 2) VIRTUAL",
        "column t.g has generation always as (a * 2) virtual, "
        "the migrations say always as (a * 2) stored",
    ),
    "not null not valid": (
        "CREATE TABLE t (a int NOT NULL)",
        "ALTER TABLE t ALTER a DROP NOT NULL, ADD CONSTRAINT n NOT NULL a NOT VALID",
        "column t.a has not null constraint not valid, the migrations say none",
    ),
    "not enforced": (
        "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0))",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED",
        "check constraint t.c has definition CHECK ((a > 0)) NOT ENFORCED, "
        "the migrations say CHECK ((a > 0))",
        "check constraint t.c is not valid, the migrations say valid",
    ),
}


@pytest.mark.parametrize("case", NEWER)
def test_a_change_that_postgresql_18_allows_is_told(db: Database, case: str) -> None:
    setup, change, *expected = NEWER[case]
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
    assert [before[key].position for key in after if key.kind == "column"] == [2, 1]


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


def test_the_callers_settings_neither_matter_nor_change(db: Database) -> None:
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
        "standard_conforming_strings": "off",
    }
    for name, value in changed.items():
        db.run(f"SET {name} = '{value}'" if name != "search_path"
               else f"SET {name} = {value}")  # fmt: skip

    assert db.schema() == before
    for name, value in changed.items():
        assert db.fetch(f"SHOW {name}") == [(value,)]


def test_reading_outside_a_transaction_is_refused(postgres: str) -> None:
    with connected(postgres) as execute, pytest.raises(RuntimeError, match="one trans"):
        catalog(execute)
