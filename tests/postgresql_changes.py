"""What somebody changes in a PostgreSQL schema by hand, and what is then told.

Each case: the SQL of the migrations, the SQL that was run by hand, the sentences.
"""

from __future__ import annotations

T = "CREATE TABLE t (id int, a text, b varchar(9));"
TIMES = """
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
PARTITIONED = """
CREATE TABLE p (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
"""

CHANGES = {
    "table missing": (T, "DROP TABLE t", "table t is missing"),
    "table extra": (
        "",
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE)",
        "table t is not in the migrations",
    ),
    "table in another schema": (
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.t (id int)",
        "table audit.t is not in the migrations",
    ),
    "table with an odd name": (
        "",
        'CREATE TABLE "My.T" (id int)',
        'table "My.T" is not in the migrations',
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
    "constraint triggers": (
        "CREATE TABLE p (id int PRIMARY KEY);"
        "CREATE TABLE t (p int CONSTRAINT fk REFERENCES p, u int CONSTRAINT uq UNIQUE"
        " DEFERRABLE)",
        "ALTER TABLE t DISABLE TRIGGER ALL; ALTER TABLE p DISABLE TRIGGER ALL",
        "table p has constraint triggers fk disabled on public.t,"
        " the migrations say none",
        "table t has constraint triggers fk disabled, uq disabled,"
        " the migrations say none",
    ),
    "constraint triggers of a partition": (
        PARTITIONED + "CREATE TABLE o (id int PRIMARY KEY);"
        "ALTER TABLE p ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES o",
        "ALTER TABLE p1 DISABLE TRIGGER ALL",
        "table p1 has constraint triggers fk disabled, the migrations say none",
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
    "index of a constraint, on the partitioned table alone": (
        PARTITIONED + "ALTER TABLE p ADD CONSTRAINT uq UNIQUE (k)",
        "ALTER TABLE p DROP CONSTRAINT uq;"
        "ALTER TABLE ONLY p ADD CONSTRAINT uq UNIQUE (k)",
        "unique constraint p.uq has index state invalid, the migrations say valid",
    ),
    "comment on the index of a constraint": (
        "CREATE TABLE t (id int PRIMARY KEY)",
        "COMMENT ON INDEX t_pkey IS 'ours'",
        "primary key t.t_pkey has comment on its index ours, the migrations say none",
    ),
    "statistics target of an index": (
        T + "CREATE INDEX i ON t (id, (lower(a)))",
        "ALTER INDEX i ALTER COLUMN 2 SET STATISTICS 500",
        "index i has statistics targets column 2 500, the migrations say none",
    ),
    "materialized view without data": (
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
        "REFRESH MATERIALIZED VIEW m WITH NO DATA",
        "materialized view m is not populated, the migrations say populated",
    ),
    "materialized view filled later": (
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a WITH NO DATA",
        "REFRESH MATERIALIZED VIEW m",
    ),
    "comment on the schema public": (
        "",
        "COMMENT ON SCHEMA public IS 'ours'",
        "schema public has comment ours, the migrations say none",
    ),
    "schema public made again": ("", "DROP SCHEMA public; CREATE SCHEMA public"),
    "conversion": (
        "",
        "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
        "conversion c is not in the migrations",
    ),
    "transform": (
        "",
        "CREATE TRANSFORM FOR int LANGUAGE plpgsql"
        " (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "transform integer for plpgsql is not in the migrations",
    ),
    "text search parser and template": (
        "",
        "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken,"
        " END = prsd_end, LEXTYPES = prsd_lextype);"
        "CREATE TEXT SEARCH TEMPLATE t (INIT = dsimple_init, LEXIZE = dsimple_lexize)",
        "text search parser p is not in the migrations",
        "text search template t is not in the migrations",
    ),
    "aggregate's state size": (
        "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int4)",
        "DROP AGGREGATE g (int);"
        "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int4, SSPACE = 100)",
        "aggregate g(integer) has aggregation state integer, state size 100,"
        " transition int4pl, the migrations say state integer, transition int4pl",
    ),
    "column extra": (
        T,
        "ALTER TABLE t ADD note text",
        "column t.note is not in the migrations",
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
        "unique constraint t.one is not in the migrations",
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
        "exclusion constraint t.apart is not in the migrations",
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
        "index i is not in the migrations",
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
        "function f(text, integer) is not in the migrations",
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
        "function f() has another SQL body (- the migrations say):\n"
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
        "trigger p1.g is not in the migrations",
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
    "view column default": (
        T + "CREATE VIEW v AS SELECT id, a FROM t",
        "ALTER VIEW v ALTER a SET DEFAULT 'x'",
        "view v has column defaults a 'x'::text, the migrations say none",
    ),
    "sequence type": (
        "CREATE SEQUENCE s MAXVALUE 9",
        "ALTER SEQUENCE s AS smallint; ALTER SEQUENCE s SET UNLOGGED",
        "sequence s has type smallint, the migrations say bigint",
        "sequence s is unlogged, the migrations say not unlogged",
    ),
    "function in C": (
        "CREATE FUNCTION f(internal) RETURNS internal LANGUAGE c STRICT"
        " AS '$libdir/plpgsql', 'plpgsql_call_handler'",
        "CREATE OR REPLACE FUNCTION f(internal) RETURNS internal LANGUAGE c STRICT"
        " AS '$libdir/citext', 'citext_eq'",
        "function f(internal) has body citext_eq, "
        "the migrations say plpgsql_call_handler",
        "function f(internal) has library $libdir/citext, "
        "the migrations say $libdir/plpgsql",
    ),
    "function's support function": (
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION f(int) SUPPORT generate_series_int4_support",
        "function f(integer) has support function generate_series_int4_support, "
        "the migrations say none",
    ),
    "event trigger missing": (
        "CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql "
        "AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION guard()",
        "DROP EVENT TRIGGER e",
        "event trigger e is missing",
    ),
    "event trigger definition": (
        "CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql "
        "AS 'BEGIN END'; "
        "CREATE FUNCTION other() RETURNS event_trigger LANGUAGE plpgsql "
        "AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION guard()",
        "DROP EVENT TRIGGER e; CREATE EVENT TRIGGER e ON ddl_command_start "
        "WHEN TAG IN ('DROP VIEW', 'DROP TABLE') EXECUTE FUNCTION other()",
        "event trigger e has event ddl_command_start, "
        "the migrations say ddl_command_end",
        "event trigger e has function public.other(), "
        "the migrations say public.guard()",
        "event trigger e has tags DROP TABLE, DROP VIEW, the migrations say none",
    ),
    "rule disabled": (
        T + "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "ALTER TABLE t DISABLE RULE r",
        "rule t.r has firing mode disabled, the migrations say enabled",
    ),
    "types missing": (
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE pair AS (x int); "
        "CREATE DOMAIN d AS int; CREATE TYPE span AS RANGE (SUBTYPE = float8)",
        "DROP TYPE mood, pair, span; DROP DOMAIN d",
        "domain d is missing",
        "enum mood is missing",
        "composite type pair is missing",
        "range type span is missing",
    ),
    "range type's subtype": (
        "CREATE TYPE span AS RANGE (SUBTYPE = float8)",
        "DROP TYPE span; CREATE TYPE span AS RANGE (SUBTYPE = text, "
        'COLLATION = "C", SUBTYPE_OPCLASS = text_pattern_ops, '
        "MULTIRANGE_TYPE_NAME = spans)",
        "range type span has multirange type public.spans, "
        "the migrations say public.span_multirange",
        "range type span has operator class text_pattern_ops, "
        "the migrations say none",
        "range type span has subtype text, the migrations say double precision",
        'range type span has subtype collation "C", the migrations say none',
    ),
    "range type's canonical function": (
        "CREATE TYPE span; CREATE FUNCTION canon(span) RETURNS span LANGUAGE internal "
        "IMMUTABLE AS 'int4range_canonical'; CREATE TYPE span AS RANGE (SUBTYPE = int)",
        "DROP TYPE span CASCADE; "
        "CREATE TYPE span; CREATE FUNCTION canon(span) RETURNS span LANGUAGE internal "
        "IMMUTABLE AS 'int4range_canonical'; "
        "CREATE TYPE span AS RANGE (SUBTYPE = int, CANONICAL = canon)",
        "range type span has canonical function public.canon, "
        "the migrations say none",
    ),
    "statistics object's definition": (
        T + "CREATE STATISTICS st ON id, a FROM t",
        "DROP STATISTICS st; CREATE STATISTICS st (mcv) ON id, b FROM t",
        "statistics object st has definition "
        "CREATE STATISTICS public.st (mcv) ON id, b FROM public.t, "
        "the migrations say CREATE STATISTICS public.st ON id, a FROM public.t",
    ),
    "collation missing": (
        "CREATE COLLATION c (LOCALE = 'C')",
        "DROP COLLATION c",
        "collation c is missing",
    ),
    "collation": (
        "CREATE COLLATION c (LOCALE = 'C')",
        "DROP COLLATION c; CREATE COLLATION c (LOCALE = 'POSIX')",
        "collation c has locale POSIX, the migrations say C",
    ),
    "cast": (
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE CAST (mood AS varchar) WITH INOUT AS ASSIGNMENT",
        "cast public.mood to character varying is not in the migrations",
    ),
    "cast's context": (
        "CREATE TYPE mood AS ENUM ('ok'); CREATE CAST (mood AS varchar) WITH INOUT",
        "DROP CAST (mood AS varchar); "
        "CREATE CAST (mood AS varchar) WITH INOUT AS IMPLICIT",
        "cast public.mood to character varying has context implicit, "
        "the migrations say explicit",
    ),
    "operator": (
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "DROP OPERATOR === (int, int); CREATE OPERATOR === "
        "(LEFTARG = int, RIGHTARG = int, FUNCTION = int4ne, HASHES)",
        "operator === (integer, integer) has function int4ne, "
        "the migrations say int4eq",
        "operator === (integer, integer) is hashable, the migrations say not hashable",
    ),
    "operator's properties": (
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "DROP OPERATOR === (int, int); CREATE OPERATOR === (LEFTARG = int, "
        "RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = ===, NEGATOR = !==, "
        "RESTRICT = eqsel, JOIN = eqjoinsel, MERGES); CREATE OPERATOR !== "
        "(LEFTARG = int, RIGHTARG = int, FUNCTION = int4ne, NEGATOR = ===)",
        "operator !== (integer, integer) is not in the migrations",
        "operator === (integer, integer) has commutator "
        "public.===(integer,integer), the migrations say none",
        "operator === (integer, integer) has join estimator eqjoinsel, "
        "the migrations say none",
        "operator === (integer, integer) is mergeable, "
        "the migrations say not mergeable",
        "operator === (integer, integer) has negator "
        "public.!==(integer,integer), the migrations say none",
        "operator === (integer, integer) has restriction estimator eqsel, "
        "the migrations say none",
    ),
    "cast's method": (
        "CREATE TYPE mood AS ENUM ('ok'); CREATE CAST (mood AS int) WITH INOUT; "
        "CREATE FUNCTION f(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP CAST (mood AS int); CREATE CAST (mood AS int) WITH FUNCTION f(mood)",
        "cast public.mood to integer has function public.f(public.mood), "
        "the migrations say none",
        "cast public.mood to integer has method function, the migrations say text",
    ),
    "operator class's properties": (
        "CREATE OPERATOR FAMILY f USING hash; "
        "CREATE OPERATOR CLASS oc FOR TYPE int USING hash FAMILY f AS OPERATOR 1 =",
        "DROP OPERATOR CLASS oc USING hash; CREATE OPERATOR FAMILY g USING hash; "
        "CREATE TYPE mood AS ENUM ('ok'); CREATE OPERATOR CLASS oc DEFAULT "
        "FOR TYPE mood USING hash FAMILY g AS FUNCTION 1 hashenum(anyenum)",
        "operator family f using hash has no operators, "
        "the migrations say 1 =(integer,integer)",
        "operator family g using hash is not in the migrations",
        "enum mood is not in the migrations",
        "operator class oc using hash is default, the migrations say not default",
        "operator class oc using hash has family g, the migrations say f",
        "operator class oc using hash has type public.mood, "
        "the migrations say integer",
    ),
    "operator class": (
        "",
        "CREATE OPERATOR CLASS oc FOR TYPE int USING hash AS OPERATOR 1 =, "
        "FUNCTION 1 hashint4(int)",
        "operator class oc using hash is not in the migrations",
        "operator family oc using hash is not in the migrations",
    ),
    "operator family": (
        "CREATE OPERATOR FAMILY f USING hash",
        "ALTER OPERATOR FAMILY f USING hash ADD FUNCTION 1 (int) hashint4(int)",
        "operator family f using hash has functions 1 hashint4(integer), "
        "the migrations say none",
    ),
    "text search dictionary": (
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
        "ALTER TEXT SEARCH DICTIONARY d (accept = false)",
        "text search dictionary d has options accept = 'false', "
        "the migrations say none",
    ),
    "text search configuration": (
        "CREATE TEXT SEARCH CONFIGURATION c (PARSER = default)",
        "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR email WITH simple",
        "text search configuration c has mappings email simple, "
        "the migrations say none",
    ),
    "publication": (
        T + "CREATE PUBLICATION p FOR TABLE t",
        "DROP PUBLICATION p; CREATE SCHEMA s; CREATE PUBLICATION p "
        "FOR TABLE t (a, id) WHERE (id > 1) WITH (publish = 'insert')",
        "publication p has operations insert, "
        "the migrations say insert, update, delete, truncate",
        "publication p has tables public.t (a, id) where (id > 1), "
        "the migrations say public.t",
        "schema s is not in the migrations",
    ),
    "publication missing": (
        "CREATE PUBLICATION p",
        "DROP PUBLICATION p",
        "publication p is missing",
    ),
    "publication by the root": (
        "CREATE PUBLICATION p",
        "ALTER PUBLICATION p SET (publish_via_partition_root)",
        "publication p is published via the root, "
        "the migrations say not published via the root",
    ),
    "text search missing": (
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple); "
        "CREATE TEXT SEARCH CONFIGURATION c (PARSER = default)",
        "DROP TEXT SEARCH DICTIONARY d; DROP TEXT SEARCH CONFIGURATION c",
        "text search configuration c is missing",
        "text search dictionary d is missing",
    ),
    "text search dictionary's template": (
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
        "DROP TEXT SEARCH DICTIONARY d; "
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = snowball, LANGUAGE = english)",
        "text search dictionary d has options language = 'english', "
        "the migrations say none",
        "text search dictionary d has template snowball, the migrations say simple",
    ),
    "publication of a schema": (
        "CREATE SCHEMA s; CREATE PUBLICATION p",
        "ALTER PUBLICATION p ADD TABLES IN SCHEMA s",
        "publication p has schemas s, the migrations say none",
    ),
    "publication of everything": (
        "CREATE PUBLICATION p",
        "DROP PUBLICATION p; CREATE PUBLICATION p FOR ALL TABLES",
        "publication p has tables all, the migrations say none",
    ),
    "foreign server": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE FOREIGN DATA WRAPPER x; "
        "CREATE SERVER s FOREIGN DATA WRAPPER w",
        "DROP SERVER s; DROP FOREIGN DATA WRAPPER w CASCADE; "
        "CREATE SERVER s FOREIGN DATA WRAPPER x",
        "foreign server s has wrapper x, the migrations say w",
        "foreign-data wrapper w is missing",
    ),
    "foreign table": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
        "CREATE FOREIGN TABLE f (a int) SERVER s",
        "ALTER FOREIGN TABLE f OPTIONS (ADD name 'x'), "
        "ALTER a OPTIONS (ADD also 'y')",
        "foreign table f has options name=x, the migrations say none",
        "column f.a has options also=y, the migrations say none",
    ),
    "foreign server missing": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
        "CREATE SERVER z FOREIGN DATA WRAPPER w; "
        "CREATE FOREIGN TABLE f (a int) SERVER s",
        "DROP FOREIGN TABLE f; DROP SERVER s; "
        "CREATE FOREIGN TABLE f (a int) SERVER z",
        "foreign table f has server z, the migrations say s",
        "foreign server s is missing",
    ),
    "foreign server's type": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
        "DROP SERVER s; CREATE SERVER s TYPE 'x' FOREIGN DATA WRAPPER w",
        "foreign server s has type x, the migrations say none",
    ),
    "foreign-data wrapper": (
        "CREATE FOREIGN DATA WRAPPER w",
        "ALTER FOREIGN DATA WRAPPER w VALIDATOR postgresql_fdw_validator",
        "foreign-data wrapper w has validator postgresql_fdw_validator, "
        "the migrations say none",
    ),
    "access method": (
        "",
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "access method heap2 is not in the migrations",
    ),
    "table's access method": (
        T + "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "ALTER TABLE t SET ACCESS METHOD heap2",
        "table t has access method heap2, the migrations say none",
    ),
    "language trusted": (
        "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
        "DROP LANGUAGE mine; CREATE TRUSTED LANGUAGE mine HANDLER plpgsql_call_handler",
        "language mine is trusted, the migrations say not trusted",
    ),
    "language": (
        "",
        "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
        "language mine is not in the migrations",
    ),
    "schema": (
        "",
        "CREATE SCHEMA audit",
        "schema audit is not in the migrations",
    ),
}  # fmt: skip

# What PostgreSQL 17 does not know yet.
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

# What PostgreSQL 18 does not know yet.
NEWEST = {
    "publication of all sequences": (
        "CREATE PUBLICATION p",
        "DROP PUBLICATION p; CREATE PUBLICATION p FOR ALL SEQUENCES",
        "publication p has sequences all, the migrations say none",
    ),
    "publication of all tables but one": (
        T + "CREATE PUBLICATION p FOR ALL TABLES",
        "DROP PUBLICATION p; CREATE PUBLICATION p FOR ALL TABLES EXCEPT (TABLE t)",
        "publication p has tables all, except public.t, the migrations say all",
    ),
    "connection of a foreign-data wrapper": (
        "CREATE EXTENSION postgres_fdw; CREATE FOREIGN DATA WRAPPER w",
        "ALTER FOREIGN DATA WRAPPER w CONNECTION postgres_fdw_connection",
        "foreign-data wrapper w has connection "
        "public.postgres_fdw_connection, "
        "the migrations say none",
    ),
}

# By the first version that knows it.
SINCE = dict.fromkeys(NEWER, 18_00_00) | dict.fromkeys(NEWEST, 19_00_00)
