"""A database for copies is used again where nothing is left in it, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Project, connected
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql import empty_databases
from sqlpair.databases.postgresql.session import PostgreSQLSession

EVERYTHING = (Path(__file__).parents[1] / "everything_postgresql.sql").read_text()
USUAL = """
CREATE SCHEMA s;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (x int, y text);
CREATE TYPE span AS RANGE (SUBTYPE = float8);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE EXTENSION citext;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE tidy() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE SEQUENCE loose;
CREATE TABLE a (id serial PRIMARY KEY, name citext, mood mood, positive positive);
CREATE TABLE s.b (a int REFERENCES a (id), pair pair, whole a);
CREATE TABLE p (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE VIEW v AS SELECT * FROM a;
CREATE MATERIALIZED VIEW m AS SELECT * FROM v;
CREATE TRIGGER touch BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON a TO PUBLIC;
COMMENT ON TABLE a IS 'of people';
INSERT INTO a (name) VALUES ('Ann');
ANALYZE a;
"""
# What one copy may leave, and no DROP of a relation, function or type takes away.
LEFT = {
    "cast": "CREATE CAST (date AS int) WITH INOUT",
    "comment": "COMMENT ON SCHEMA public IS 'ours'",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "event trigger": "CREATE FUNCTION pg_catalog.e() RETURNS event_trigger LANGUAGE"
    " plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE"
    " FUNCTION pg_catalog.e()",
    "foreign data": "CREATE FOREIGN DATA WRAPPER w",
    "large object": "SELECT lo_create(0)",
    "operator": "CREATE OPERATOR @@@ (FUNCTION = int4pl, LEFTARG = int,"
    " RIGHTARG = int)",
    "privilege": "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "privilege of the server's own": "GRANT SELECT ON pg_authid TO PUBLIC",
    "publication": "CREATE PUBLICATION p FOR ALL TABLES",
    "refused": "CREATE TABLE t (id int); CREATE FUNCTION pg_catalog.e() RETURNS"
    " event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; CREATE"
    " EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION pg_catalog.e()",
    "schema public": "ALTER SCHEMA public RENAME TO other; CREATE SCHEMA public",
    "setting of a role": "DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN"
    " DATABASE %I SET work_mem = ''9MB''', current_database()); END $$",
    "text search": "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
    "temporary": "CREATE TEMP TABLE t (id int)",
}


@pytest.fixture
def source(project: Project) -> Iterator[PostgreSQLSession]:
    database = project.settings.databases[0]
    with driver_of(database).scratch(database, (), lambda _line: None) as session:
        assert isinstance(session, PostgreSQLSession)
        yield session


def copy_of(source: PostgreSQLSession, sql: str = "") -> str:
    """Run ``sql`` in a copy, and return the name of its database."""
    copied = driver_of(source.database).copied(source, lambda _line: None)
    with copied as copy:
        copy.execute(sql)
        ((name,),) = copy.fetch("SELECT current_database()")
    return str(name)


def test_database_is_used_again_once_it_is_empty(source: PostgreSQLSession) -> None:
    source.execute("CREATE TABLE kept (id int)")

    first = copy_of(source, USUAL)
    with driver_of(source.database).copied(source, lambda _line: None) as copy:
        assert copy.fetch("SELECT current_database()") == [(first,)]
        assert copy.schema() == source.schema()


def test_database_in_which_was_everything_is_not_used_with_any_of_it(
    source: PostgreSQLSession,
) -> None:
    source.execute("CREATE TABLE kept (id int)")

    copy_of(source, EVERYTHING)
    with driver_of(source.database).copied(source, lambda _line: None) as copy:
        assert copy.schema() == source.schema()


@pytest.mark.parametrize("left", LEFT)
def test_database_in_which_something_is_left_is_dropped(
    source: PostgreSQLSession, left: str
) -> None:
    first = copy_of(source, LEFT[left])

    second = copy_of(source)

    assert second != first
    assert (first,) not in source.fetch("SELECT datname::text FROM pg_database")


def test_settings_and_comment_of_a_copy_are_not_the_next_ones(
    source: PostgreSQLSession,
) -> None:
    with driver_of(source.database).copied(source, lambda _line: None) as copy:
        ((first,),) = copy.fetch("SELECT current_database()")
        copy.execute(f'ALTER DATABASE "{first}" SET work_mem = "9MB"')
        copy.execute(f"""COMMENT ON DATABASE "{first}" IS 'a role'""")

    with driver_of(source.database).copied(source, lambda _line: None) as copy:
        assert copy.fetch("SELECT current_database()") == [(first,)]
        assert copy.fetch("SHOW work_mem") != [("9MB",)]
        assert copy.fetch(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = current_database()"
        ) == [(None,)]


def test_tables_are_dropped_some_at_a_time(
    source: PostgreSQLSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_databases, "_AT_ONCE", 2)
    tables = "".join(
        f"CREATE TABLE t{n} (id int PRIMARY KEY, up int REFERENCES t{max(n - 1, 0)});"
        for n in range(7)
    )

    first = copy_of(source, f"{tables} CREATE VIEW v AS SELECT * FROM t6")

    assert copy_of(source) == first


def test_database_that_the_server_holds_no_longer_is_not_used(
    source: PostgreSQLSession,
) -> None:
    first = copy_of(source)
    source.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{first}'"
    )
    source.execute(f'DROP DATABASE IF EXISTS "{first}" WITH (FORCE)')

    assert copy_of(source) != first


def test_catalogs_do_not_grow_from_copy_to_copy(source: PostgreSQLSession) -> None:
    tables = "".join(f"CREATE TABLE t{n} (a int, b text, c int);" for n in range(150))
    sizes = []
    for _ in range(5):
        with driver_of(source.database).copied(source, lambda _line: None) as copy:
            copy.execute(tables)
            ((size,),) = copy.fetch("SELECT pg_relation_size('pg_attribute')")
            sizes.append(size)

    assert sizes[-1] <= sizes[1]


def test_role_that_may_not_read_a_catalog_has_a_new_database_for_each_copy(
    source: PostgreSQLSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_databases, "_CATALOGS", "SELECT 'no_such_catalog'::text")

    assert copy_of(source) != copy_of(source)


def test_role_that_is_no_superuser_has_its_databases_used_again(
    project: Project, server: str
) -> None:
    role = "plain_maker"
    dsn = server.replace("user=postgres", f"user={role}")
    database = project.settings.databases[0]._replace(scratch=dsn)
    with connected(server) as execute:
        execute(f"CREATE ROLE {role} LOGIN CREATEDB")
        try:
            with driver_of(database).scratch(database, (), lambda _line: None) as made:
                assert isinstance(made, PostgreSQLSession)
                assert made.fetch("SELECT current_user::text") == [(role,)]
                assert copy_of(made, USUAL) == copy_of(made)
        finally:
            execute(f"DROP ROLE {role}")


def test_no_database_is_left_behind_the_session(project: Project, server: str) -> None:
    database = project.settings.databases[0]
    before = databases(server)
    with driver_of(database).scratch(database, (), lambda _line: None) as session:
        assert isinstance(session, PostgreSQLSession)
        copy_of(session)
        copied = driver_of(database).copied(session, lambda _line: None)
        with copied:
            copy_of(session)
        assert len(databases(server) - before) == 3

    assert databases(server) == before


def databases(dsn: str) -> set[str]:
    with connected(dsn) as execute:
        return {name for (name,) in execute("SELECT datname FROM pg_database")}
