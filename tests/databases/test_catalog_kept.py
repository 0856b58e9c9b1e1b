"""A description that is kept and brought up to date is the one that is made whole."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from conftest import connected
from postgresql_changes import CHANGES, NEWER, NEWEST, SINCE
from sqlpair.databases.postgresql import catalog_objects, catalog_rare
from sqlpair.databases.postgresql import catalog_relations as relations
from sqlpair.databases.postgresql.catalog import catalog
from sqlpair.databases.postgresql.catalog_kept import (
    _OTHER_ROWS,
    _OTHERS,
    _PARTS,
    KeptCatalog,
)
from sqlpair.schema.model import ObjectKey, Schema

# Something of all that one object can show of another.
BASE = """
CREATE SCHEMA s;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN positive AS int CONSTRAINT above CHECK (VALUE > 0);
CREATE SEQUENCE loose;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION twice(x int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT x * 2';
CREATE TABLE a (id serial PRIMARY KEY, k int UNIQUE, name varchar(20) NOT NULL,
    mood mood DEFAULT 'ok', g int GENERATED ALWAYS AS (twice(2)) STORED,
    CONSTRAINT named CHECK (length(name) > 0));
CREATE TABLE b (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    a int CONSTRAINT b_a REFERENCES a (id), k int, n int DEFAULT nextval('a_id_seq'),
    m int DEFAULT nextval('loose'), whole a, wholes a[], p positive, c pair,
    t text COLLATE "C");
CREATE TABLE s.c (id int PRIMARY KEY, b int CONSTRAINT c_b REFERENCES b (id)
    DEFERRABLE, o oid DEFAULT 'a'::regclass, os regclass[] DEFAULT '{a,b}');
CREATE INDEX b_k ON b (k, lower(t)) WHERE k > 0;
CREATE STATISTICS b_s (dependencies) ON a, k FROM b;
CREATE VIEW v AS SELECT a.id, a.name, b.k FROM a JOIN b USING (k);
CREATE VIEW vv AS SELECT v.id AS vid, count(*) AS n FROM v GROUP BY v.id;
CREATE VIEW grouped AS SELECT a.id, a.name FROM a GROUP BY a.id;
CREATE VIEW fields AS SELECT (b.whole).name AS of_a, (b.c).x FROM b;
CREATE FUNCTION all_a() RETURNS SETOF a LANGUAGE sql AS 'SELECT * FROM a';
CREATE VIEW over_f AS SELECT f.id FROM all_a() f;
CREATE FUNCTION counted() RETURNS bigint RETURN (SELECT count(a.name) FROM a);
CREATE MATERIALIZED VIEW mv AS SELECT name FROM a;
CREATE TABLE p (id int, k int, CONSTRAINT pk PRIMARY KEY (id, k))
    PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (k);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES IN (11);
CREATE TABLE q (id int, k int, FOREIGN KEY (id, k) REFERENCES p);
CREATE TABLE mother (x int, CONSTRAINT xs CHECK (x > 0));
CREATE TABLE child (z int) INHERITS (mother);
CREATE TABLE typed OF pair;
CREATE TRIGGER on_p AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER on_a BEFORE UPDATE OF name ON a FOR EACH ROW WHEN (NEW.k > 1)
    EXECUTE FUNCTION touch();
CREATE RULE upsert AS ON INSERT TO mother DO ALSO
    INSERT INTO a (k, name) VALUES (NEW.x, 'x') ON CONFLICT ON CONSTRAINT a_k_key
    DO NOTHING;
CREATE ROLE kept_role;
CREATE POLICY seen ON b TO kept_role USING (k IN (SELECT a.k FROM a));
CREATE PUBLICATION pub FOR TABLE a WHERE (k > 0), b (id, k);
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER srv FOREIGN DATA WRAPPER w;
CREATE FOREIGN TABLE f (id int OPTIONS (n 'x')) SERVER srv OPTIONS (t 'y');
CREATE VIEW standard AS SELECT feature_id FROM information_schema.sql_parts;
CREATE TABLE alone (id int);
"""
STEPS = """
ALTER TABLE a RENAME TO a2; ALTER TABLE a2 RENAME TO a
ALTER TABLE a RENAME name TO title
ALTER TABLE a RENAME title TO name
ALTER TABLE a ADD extra int
ALTER TABLE a DROP extra
ALTER TABLE a ADD t text COLLATE "C" DEFAULT 'x'
ALTER TABLE a DROP COLUMN t
ALTER TABLE a RENAME CONSTRAINT named TO called
ALTER TABLE a RENAME CONSTRAINT called TO named
ALTER TABLE a RENAME CONSTRAINT a_k_key TO one_k
ALTER TABLE a RENAME CONSTRAINT one_k TO a_k_key
ALTER TABLE a SET SCHEMA s
ALTER TABLE s.a SET SCHEMA public
ALTER TABLE a ALTER name SET STATISTICS 300
ALTER TABLE a ALTER k SET DEFAULT twice(4)
ALTER TABLE a ALTER k SET NOT NULL
ALTER TABLE a DISABLE TRIGGER on_a
ALTER TABLE a DISABLE TRIGGER ALL
ALTER TABLE a ENABLE TRIGGER ALL
ALTER TABLE a REPLICA IDENTITY USING INDEX a_k_key
ALTER TABLE a SET (fillfactor = 70, toast.autovacuum_enabled = off)
ALTER TABLE a CLUSTER ON a_pkey
ALTER TABLE a ENABLE ROW LEVEL SECURITY
ALTER TABLE b RENAME k TO kk
ALTER TABLE b RENAME kk TO k
ALTER TABLE b RENAME CONSTRAINT b_a TO b_to_a
ALTER TABLE b RENAME CONSTRAINT b_to_a TO b_a
ALTER TABLE b ALTER id SET INCREMENT BY 2
ALTER TABLE b ALTER a TYPE bigint
ALTER TABLE b DISABLE TRIGGER ALL
ALTER TABLE b RENAME TO bb
ALTER TABLE bb RENAME TO b
ALTER TABLE s.c ALTER CONSTRAINT c_b NOT DEFERRABLE
ALTER TABLE s.c DROP CONSTRAINT c_b
ALTER TABLE s.c ADD CONSTRAINT c_b FOREIGN KEY (b) REFERENCES b NOT VALID
ALTER TABLE s.c VALIDATE CONSTRAINT c_b
ALTER SCHEMA s RENAME TO s2
ALTER SCHEMA s2 RENAME TO s
ALTER TYPE mood RENAME TO feeling
ALTER TYPE feeling RENAME TO mood
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'
ALTER TYPE pair RENAME ATTRIBUTE x TO xx CASCADE
ALTER TYPE pair ADD ATTRIBUTE z int CASCADE
ALTER DOMAIN positive RENAME CONSTRAINT above TO over
ALTER DOMAIN positive SET DEFAULT 3
ALTER FUNCTION twice RENAME TO doubled
ALTER FUNCTION doubled RENAME TO twice
ALTER FUNCTION touch SET SCHEMA s
ALTER FUNCTION pg_catalog.length(text) RENAME TO length_of
ALTER VIEW information_schema.sql_parts RENAME COLUMN feature_id TO feature
ALTER SEQUENCE loose RENAME TO looser
ALTER SEQUENCE looser RENAME TO loose
ALTER SEQUENCE loose OWNED BY b.m
ALTER SEQUENCE loose OWNED BY a.k
ALTER SEQUENCE loose OWNED BY NONE
ALTER SEQUENCE a_id_seq INCREMENT 3
ALTER SEQUENCE a_id_seq RENAME TO ids_of_a
ALTER INDEX b_k RENAME TO b_kk
ALTER INDEX b_k ALTER COLUMN 2 SET STATISTICS 500
ALTER INDEX a_pkey SET (fillfactor = 50)
ALTER STATISTICS b_s SET STATISTICS 100
ALTER STATISTICS b_s RENAME TO b_stats
ALTER VIEW v RENAME COLUMN name TO title
ALTER VIEW v RENAME TO w
ALTER VIEW w RENAME TO v
ALTER VIEW v ALTER k SET DEFAULT 5
CREATE OR REPLACE VIEW grouped AS SELECT a.id, a.name, 1 AS more FROM a GROUP BY a.id
REFRESH MATERIALIZED VIEW mv WITH NO DATA
REFRESH MATERIALIZED VIEW mv
ALTER TABLE p DETACH PARTITION p1
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (5)
ALTER TABLE p DISABLE TRIGGER on_p
ALTER TABLE ONLY p DISABLE TRIGGER on_p
ALTER TABLE ONLY p2 DISABLE TRIGGER on_p
ALTER TABLE p21 ENABLE ALWAYS TRIGGER on_p
ALTER TABLE p RENAME k TO kk
ALTER TABLE p RENAME kk TO k
ALTER TABLE p1 DISABLE TRIGGER ALL
ALTER TABLE p ADD more text
ALTER TABLE p21 ALTER id SET DEFAULT 7
ALTER TABLE mother RENAME x TO xx
ALTER TABLE mother RENAME xx TO x
ALTER TABLE child NO INHERIT mother
ALTER TABLE child INHERIT mother
ALTER TABLE mother ALTER x TYPE bigint
ALTER TABLE typed NOT OF
ALTER TABLE typed OF pair
ALTER ROLE kept_role RENAME TO kept_role_2
ALTER POLICY seen ON b RENAME TO seen_too
ALTER POLICY seen ON b TO PUBLIC
ALTER PUBLICATION pub DROP TABLE b
ALTER PUBLICATION pub ADD TABLE b
ALTER PUBLICATION pub ADD TABLES IN SCHEMA s
ALTER FOREIGN TABLE f OPTIONS (SET t 'z')
ALTER FOREIGN TABLE f ALTER id OPTIONS (SET n 'z')
ALTER SERVER srv RENAME TO other
ALTER TABLE alone RENAME id TO number; ALTER TABLE alone RENAME number TO id
COMMENT ON TABLE alone IS 'ours'
COMMENT ON TABLE alone IS NULL
COMMENT ON COLUMN a.k IS 'key'
COMMENT ON CONSTRAINT b_a ON b IS 'to a'
COMMENT ON TRIGGER on_a ON a IS 'fires'
COMMENT ON RULE upsert ON mother IS 'puts'
COMMENT ON POLICY seen ON b IS 'hides'
COMMENT ON STATISTICS b_s IS 'counts'
COMMENT ON INDEX a_pkey IS 'of the key'
COMMENT ON SEQUENCE loose IS 'numbers'
COMMENT ON COLUMN v.id IS 'of the view'
COMMENT ON COLUMN pair.y IS 'of the type'
COMMENT ON SCHEMA public IS 'all'
COMMENT ON FUNCTION twice IS 'two'
CREATE TABLE made (id serial PRIMARY KEY, a int REFERENCES a)
DROP TABLE made
CREATE VIEW upon AS SELECT * FROM vv
DROP VIEW upon
CREATE TEMP TABLE name (id int)
CREATE TEMP VIEW passing AS SELECT id FROM a
DROP TABLE alone; CREATE TABLE alone (id bigint)
DROP TABLE q
DROP FUNCTION touch() CASCADE
DROP TYPE mood CASCADE
DROP VIEW v CASCADE
DROP INDEX b_k
DROP SEQUENCE loose CASCADE
CREATE EXTENSION pg_trgm
ALTER EXTENSION plpgsql ADD TABLE alone
ALTER EXTENSION plpgsql DROP TABLE alone
UPDATE pg_attribute SET atttypmod = 54 WHERE attrelid = 'a'::regclass AND attnum = 3
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'b_k'::regclass
UPDATE pg_class SET reloptions = '{fillfactor=60}' WHERE oid = 'alone'::regclass
UPDATE pg_class t SET reloptions = '{a=b}' FROM pg_class c WHERE t.oid = c.reltoastrelid
UPDATE pg_constraint SET convalidated = false WHERE conname = 'named'
INSERT INTO a (k, name) VALUES (1, 'one')
DELETE FROM a
SELECT nextval('loose')
""".strip().splitlines()


class Kept:
    """One connection, whose schema is described in both ways."""

    def __init__(self, dsn: str):
        self._dsn = dsn
        self.raw = psycopg2.connect(dsn)
        self.queries: list[str] = []
        self._catalog = KeptCatalog()

    def run(self, sql: str) -> None:
        with self.raw.cursor() as cursor:
            cursor.execute(sql)

    def begin_with(self, sql: str) -> None:
        """Commit that; another connection counts nothing of it."""
        self.run(sql)
        self.raw.commit()
        self.raw.close()
        self.raw = psycopg2.connect(self._dsn)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        self.queries.append(sql)
        with self.raw.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def checked(self) -> Schema:
        kept = self._catalog.catalog(self.fetch, ["keeper.own"])
        assert kept == catalog(self.fetch, ["keeper.own"])
        return kept

    def brought_up_to_date(self) -> bool:
        self.queries.clear()
        self._catalog.catalog(self.fetch, ["keeper.own"])
        return catalog_objects.EXTENSION_MEMBERS not in self.queries


@pytest.fixture
def kept(postgres: str) -> Iterator[Kept]:
    found = Kept(postgres)
    yield found
    found.raw.close()


@pytest.mark.parametrize("case", {**CHANGES, **NEWER, **NEWEST})
def test_a_change_is_told_and_so_is_its_rollback(kept: Kept, case: str) -> None:
    setup, change, *_ = {**CHANGES, **NEWER, **NEWEST}[case]
    if kept.raw.server_version < SINCE.get(case, 0):
        with pytest.raises(psycopg2.Error):
            kept.run(f"{setup}; {change}")
        return
    kept.run("CREATE SCHEMA keeper; CREATE TABLE keeper.own (id serial PRIMARY KEY)")
    kept.run(setup or "SELECT 1")
    before = kept.checked()
    kept.run("SAVEPOINT x")
    kept.run(change)
    kept.checked()
    kept.run("ROLLBACK TO SAVEPOINT x")

    assert kept.checked() == before


@pytest.mark.parametrize("seed", range(6))
def test_after_any_run_of_changes_it_is_the_whole_one(kept: Kept, seed: int) -> None:
    chosen = random.Random(seed)
    kept.run(BASE)
    kept.checked()
    savepoints, done, updated = 0, 0, 0
    for step in chosen.choices(STEPS, k=120):
        kept.run(f"SAVEPOINT s{savepoints}")
        try:
            kept.run(step)
        except psycopg2.Error:
            kept.run(f"ROLLBACK TO SAVEPOINT s{savepoints}")
        else:
            done += 1
            updated += kept.brought_up_to_date()
            kept.checked()
            savepoints += 1
            if chosen.random() < 0.4:
                savepoints = chosen.randrange(max(savepoints - 3, 0), savepoints)
                kept.run(f"ROLLBACK TO SAVEPOINT s{savepoints}")
                kept.checked()

    assert done > 40
    assert updated > done / 3


@pytest.mark.parametrize("step", STEPS)
def test_a_step_alone_is_told_or_fails(kept: Kept, step: str) -> None:
    kept.run(BASE)
    kept.checked()
    try:
        kept.run(f"SAVEPOINT x; {step}")
    except psycopg2.Error:
        kept.run("ROLLBACK TO SAVEPOINT x")
    kept.checked()


def test_of_a_new_table_no_other_one_is_described_again(kept: Kept) -> None:
    kept.run(BASE)
    before = kept.checked()
    kept.run("CREATE TABLE new (a int REFERENCES a)")
    after = kept.checked()
    kept.queries.clear()
    kept.run("INSERT INTO a (k, name) VALUES (3, 'x')")

    assert kept.checked() is after
    for name in ("b", "v", "p1"):
        kind = "view" if name == "v" else "table"
        assert after[ObjectKey(kind, name)] is before[ObjectKey(kind, name)]


def test_of_a_changed_table_with_long_texts_no_other_one_is_described_again(
    kept: Kept,
) -> None:
    kept.run("CREATE TABLE a (id int); CREATE TABLE b (id int, long text)")
    before = kept.checked()
    kept.run("ALTER TABLE b ADD more text")
    after = kept.checked()

    a = ObjectKey("table", "a")
    assert after[a] is before[a]


def test_what_another_session_changes_is_told(kept: Kept, postgres: str) -> None:
    with connected(postgres) as execute:
        execute("CREATE TABLE theirs (id int)")
        kept.checked()
        execute("ALTER TABLE theirs ADD a text")
        kept.checked()
        execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        kept.checked()


# To be committed, without the role, which would be there for each other test.
COMMITTED = BASE.replace("CREATE ROLE kept_role;", "").replace("TO kept_role", "")
# What writes into catalogs without rows of relations.
FUNCTION = "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'"
UNDONE = f"""
DO $$ BEGIN
    BEGIN EXECUTE $f${FUNCTION}$f$; RAISE 'no'; EXCEPTION WHEN raise_exception THEN END;
END $$
"""
QUIET = """
CREATE TABLE more (id int); INSERT INTO more VALUES (1); ALTER TABLE a ADD extra int
"""


def test_catalogs_that_nobody_wrote_into_are_not_read_again(kept: Kept) -> None:
    kept.begin_with(COMMITTED)
    kept.checked()
    for sql in (QUIET, "SAVEPOINT x; DROP TABLE more CASCADE", "ROLLBACK TO x"):
        kept.run(sql)
        kept.queries.clear()
        kept.checked()
        assert _OTHER_ROWS not in kept.queries


@pytest.mark.parametrize(
    "steps",
    [
        (FUNCTION, "DROP FUNCTION made"),
        (f"SAVEPOINT x; {FUNCTION}", "ROLLBACK TO x", FUNCTION),
        (f"SAVEPOINT x; {FUNCTION}", QUIET, "ROLLBACK TO x", QUIET),
        (UNDONE, FUNCTION, "DROP FUNCTION made", UNDONE),
        (QUIET, "ALTER TYPE mood ADD VALUE 'fine'", "CREATE TYPE two AS ENUM ('b')"),
        ("UPDATE pg_proc SET prorows = 7 WHERE proname = 'all_a'",),
        ("DELETE FROM pg_enum WHERE enumlabel = 'sad'", QUIET),
        ("ALTER PUBLICATION pub DROP TABLE b", "ALTER PUBLICATION pub ADD TABLE b"),
        ("COMMENT ON FUNCTION twice IS 'x'", "COMMENT ON TYPE mood IS 'y'"),
        ("CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm"),
        ("SET LOCAL track_counts = off", FUNCTION, "DROP FUNCTION made"),
    ],
)
@pytest.mark.parametrize("first", ["SELECT 1", "SAVEPOINT s", UNDONE])
def test_what_is_written_there_is_told(
    kept: Kept, first: str, steps: tuple[str, ...]
) -> None:
    kept.begin_with(COMMITTED)
    kept.run(first)
    kept.checked()
    for step in steps:
        kept.run(step)
        kept.checked()
    if first == "SAVEPOINT s":
        kept.run("ROLLBACK TO s")
        kept.checked()


def test_what_another_session_writes_there_is_told(kept: Kept, postgres: str) -> None:
    kept.begin_with(COMMITTED)
    older, younger = psycopg2.connect(postgres), psycopg2.connect(postgres)
    with older.cursor() as cursor:
        cursor.execute("SAVEPOINT s; CREATE FUNCTION older() RETURNS int RETURN 1")
    kept.run("CREATE TABLE ours (id int)")
    kept.checked()
    with younger.cursor() as cursor:
        cursor.execute("CREATE FUNCTION younger() RETURNS int RETURN 1")
    kept.checked()
    for other in (older, younger):
        kept.run("SAVEPOINT x; CREATE TABLE more (id int)")
        kept.checked()
        other.commit()
        kept.run("ROLLBACK TO x")
        kept.checked()
        other.close()


def test_what_it_has_committed_itself_is_told(kept: Kept, postgres: str) -> None:
    kept.begin_with(COMMITTED)
    kept.run("CREATE TABLE ours (id int)")
    with connected(postgres) as execute:
        execute("CREATE TABLE theirs (id int)")  # of a younger transaction that is over
    kept.checked()
    kept.begin_with(FUNCTION)
    kept.checked()


def test_every_catalog_that_is_read_is_looked_at() -> None:
    queries = {
        **catalog_objects.QUERIES,
        **catalog_rare.QUERIES,
        **relations.QUERIES,
    }
    read = re.findall(r"\bpg_catalog\.(pg_\w+)(?![\w(])", "\n".join(queries.values()))
    elsewhere = {
        "pg_class",  # each relation's own row
        "pg_type",  # but for row types and arrays
        "pg_depend",  # of extensions, publications and sequences
        "pg_roles",
        "pg_publication_tables",  # a view of others
    }

    assert {*read} == {*_OTHERS, *_PARTS, *elsewhere}
    assert relations.RELATION.keys() == relations.QUERIES.keys()
