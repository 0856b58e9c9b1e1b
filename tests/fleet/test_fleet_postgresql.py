"""Fleets on PostgreSQL: databases of their own, and schemas of one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from psycopg2.extensions import connection

from conftest import Project, connected, with_canary
from fleets import NUMBERED, declare
from proxy import Proxy
from sqlpair.databases import kept_open
from sqlpair.databases.postgresql import parameters
from sqlpair.fleet import members, work
from sqlpair.project.branches import Branch
from sqlpair.runner import scratch
from sqlpair.runner.built import ANY

KILLED = 40  # schemas, of which any may be at work when a kill comes
# What a description writes with the schema's name in it.
VIEW = """
CREATE VIEW v AS SELECT a.x, b.id FROM a JOIN b ON b.a = a.id;
CREATE FUNCTION f(a) RETURNS b LANGUAGE sql
    RETURN (SELECT b FROM b WHERE a = $1.id LIMIT 1);
CREATE FUNCTION g() RETURNS int LANGUAGE sql SET search_path = pg_catalog AS 'SELECT 1';
COMMENT ON VIEW v IS 'any';
"""


def schemas(
    project: Project, count: int = 4, singles: str = "sqlite", **section: str
) -> list[str]:
    """Let the project have a fleet of schemas, empty, with three migrations."""
    declare(
        project,
        singles,
        driver="postgresql",
        variable="DATABASE_URL",
        **{"schemas": "tenant_%", "scratch": "SCRATCH_URL"} | section,
    )
    for stem, (up, down) in NUMBERED.items():
        project.add("tenants", stem, up, down)
    names = [f"tenant_{number}" for number in range(count)]
    for name in names:
        project.pg(f"CREATE SCHEMA {name}")
    project.pg("CREATE SCHEMA tenantx")
    return names


def applied(project: Project, schema: str) -> list[str]:
    found = project.pg(f"SELECT migration_name FROM {schema}.schema_version ORDER BY 1")
    return [row[0] for row in found]


def made(project: Project) -> dict[str, set[str]]:
    """Return the tables of each schema, the engine's own left out."""
    found: dict[str, set[str]] = {}
    for schema, table in project.pg(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        " AND table_name NOT IN ('schema_version', 'schema_history',"
        " 'alembic_version')"
    ):
        found.setdefault(schema, set()).add(table)
    return found


def test_members_are_no_drift_of_the_database_that_they_are_in(
    project: Project,
) -> None:
    schemas(project, 2, singles="postgres", schemas="tenant_%%")
    project.pg('DROP SCHEMA tenantx; CREATE SCHEMA "tenant_A""b"')
    up = "CREATE TABLE tenant_0 (a int); CREATE SCHEMA tenant_demo;"
    project.add("postgres", "001_p", up, "DROP TABLE tenant_0;")
    project.sqlpair("migrate")

    project.sqlpair("verify", "postgres")
    project.pg("ALTER TABLE tenant_0 ADD a1 int; CREATE SCHEMA tenantx")
    found = project.sqlpair("verify", "postgres", expect=1).stdout

    assert "column tenant_0.a1 is not in the migrations" in found
    assert "schema tenantx is not in the migrations" in found
    assert "2 problems" in found


def test_each_schema_has_its_own_tables_and_its_own_ledger(project: Project) -> None:
    names = schemas(project)
    done = project.sqlpair("migrate")
    assert "4  at 004_b" in done.stdout
    assert made(project) == {name: {"a", "b"} for name in names}
    assert [applied(project, name) for name in names] == [[*NUMBERED]] * 4
    before = project.log
    project.sqlpair("migrate")
    assert project.log == before


def test_several_processes_move_the_schemas_of_one_database(project: Project) -> None:
    names = schemas(project, 45)
    project.sqlpair("migrate", "--jobs", "2")
    assert made(project) == {name: {"a", "b"} for name in names}


def test_a_schema_that_fails_leaves_the_others_alone(project: Project) -> None:
    names = schemas(project)
    project.pg("CREATE TABLE tenant_2.b (mine text)")
    failed = project.sqlpair("migrate", expect=1)
    assert "tenants/tenant_2 failed" in failed.stdout
    assert "004_b.sql:1" in failed.stdout
    found = made(project)
    assert found.pop("tenant_2") == {"b"}
    assert found == {name: {"a", "b"} for name in names if name != "tenant_2"}


def test_a_new_schema_is_made_with_its_first_migration(project: Project) -> None:
    schemas(project, 2)
    project.sqlpair("migrate", "--member", "tenant_new")
    assert made(project) == {"tenant_new": {"a", "b"}}
    refused = project.sqlpair("migrate", "--member", "other", expect=2)
    assert "no member is called other" in refused.stderr


def test_a_new_schema_goes_where_its_first_migration_fails(project: Project) -> None:
    schemas(project, 1)
    project.add("tenants", "005_bad", "SELECT nope;")
    project.sqlpair("migrate", "--member", "tenant_new", expect=1)
    assert not project.pg("SELECT FROM pg_namespace WHERE nspname = 'tenant_new'")


def test_a_table_of_public_is_out_of_reach_unless_it_is_shared(
    project: Project,
) -> None:
    schemas(project, 2)
    project.pg("CREATE TABLE public.plans (id integer PRIMARY KEY)")
    project.add(
        "tenants",
        "005_plan",
        "CREATE TABLE c (plan integer REFERENCES plans (id));",
        "DROP TABLE c;",
    )
    assert "plans" in project.sqlpair("migrate", expect=1).stdout
    project.configure("tenants", shared_schemas="public")
    project.sqlpair("migrate")
    assert made(project)["tenant_1"] == {"a", "b", "c"}


def test_verify_compares_a_schema_with_what_the_files_build_in_it(
    project: Project,
) -> None:
    schemas(project, 3)
    project.pg("CREATE TABLE public.tenant_1 (id integer PRIMARY KEY)")
    project.sqlpair("migrate")
    project.sqlpair("verify")
    project.pg("ALTER TABLE tenant_1.a ADD COLUMN mine text")
    found = project.sqlpair("verify", expect=1).stdout
    assert "tenants/tenant_1: column tenant_1.a.mine" in found
    assert "tenant_0" not in found


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The schema of each scratch database that files were run in."""
    found: list[str] = []
    opened = scratch.opened

    def noting(branch: Branch, *more: Any) -> AbstractContextManager[scratch.Scratch]:
        found.append(branch.database.ledger_schema)
        return opened(branch, *more)

    monkeypatch.setattr(scratch, "opened", noting)
    return found


def test_verify_builds_once_for_all_schemas_and_again_for_one_that_differs(
    project: Project, builds: list[str]
) -> None:
    schemas(project, 3)
    project.add("tenants", "005_v", VIEW, "DROP VIEW v; DROP FUNCTION f, g;")
    project.sqlpair("migrate")

    project.sqlpair("verify", "tenants")
    assert builds == [ANY]
    project.sqlpair("verify", "tenants")  # what was built is kept
    assert builds == [ANY]
    project.pg("DROP INDEX tenant_2.a_x")
    found = project.sqlpair("verify", "tenants", expect=1).stdout

    assert "tenants/tenant_2: index tenant_2.a_x is missing" in found
    assert "1 problem" in found
    assert builds == [ANY, "tenant_2"]


@pytest.mark.parametrize(
    "asking",
    [
        "CREATE TABLE c AS SELECT current_schema() AS s;",
        "SHOW search_path; CREATE TABLE c ();",
        "SET LOCAL search_path = DEFAULT;",
        "SET LOCAL search_path TO DEFAULT;",
        "DO $$ BEGIN IF EXISTS (SELECT FROM information_schema.tables WHERE"
        " table_schema = 'tenant_1') THEN CREATE TABLE c (); END IF; END $$;",
        "DO $$ BEGIN IF current_setting('search_path') ~ 'tenant_1' THEN"
        " CREATE TABLE c (); END IF; END $$;",
    ],
)
def test_verify_builds_for_each_schema_where_a_file_asks_which_it_is(
    project: Project, builds: list[str], asking: str
) -> None:
    names = schemas(project, 2)
    project.add("tenants", "005_c", asking, "DROP TABLE IF EXISTS c;")
    project.sqlpair("migrate")
    builds.clear()

    project.sqlpair("verify", "tenants")

    assert builds == names


def test_a_schema_whose_name_is_quoted_is_compared_too(
    project: Project, builds: list[str]
) -> None:
    schemas(project, 1)
    project.pg('CREATE SCHEMA "tenant_A""b"; CREATE SCHEMA "tenant_select"')
    project.sqlpair("migrate")
    project.sqlpair("verify", "tenants")
    project.pg('ALTER TABLE "tenant_A""b".a DROP COLUMN y')
    found = project.sqlpair("verify", "tenants", expect=1).stdout
    assert "1 problem" in found


def test_public_and_the_servers_own_schemas_are_no_members(project: Project) -> None:
    schemas(project, 0, schemas="p%%")
    project.pg("CREATE SCHEMA plants")
    project.sqlpair("migrate")
    assert made(project) == {"plants": {"a", "b"}}


def test_rollback_leaves_each_schema_as_it_was(project: Project) -> None:
    names = schemas(project, 3)
    project.sqlpair("migrate")
    project.pg("INSERT INTO tenant_1.a (id, y) VALUES (1, 'kept')")
    refused = project.sqlpair("rollback", "--to", "2", expect=1)
    assert "tenants/tenant_1 failed" in refused.stdout
    assert project.pg("SELECT y FROM tenant_1.a") == [("kept",)]
    assert applied(project, "tenant_0") == ["002_a"]
    project.sqlpair("rollback", "--to", "0", "--allow-data-loss")
    assert made(project) == {}
    assert [applied(project, name) for name in names] == [[]] * 3


def test_a_schema_without_records_is_adopted(project: Project) -> None:
    schemas(project, 2)
    for up, _ in [*NUMBERED.values()][:2]:
        project.pg(f"SET search_path = tenant_0; {up}")
    project.sqlpair("adopt", "--yes")
    assert applied(project, "tenant_0") == ["002_a", "003_y"]


def test_addresses_of_databases_come_from_a_variable(
    project: Project, new_database: Callable[[], str]
) -> None:
    dsns = [new_database() for _ in range(3)]
    declare(
        project,
        driver="postgresql",
        members="env:TENANT_URLS",
        scratch="SCRATCH_URL",
    )
    project.environ["TENANT_URLS"] = "\n".join(map(with_canary, dsns))
    for stem, (up, down) in NUMBERED.items():
        project.add("tenants", stem, up, down)

    done = project.sqlpair("migrate")

    assert "3  at 004_b" in done.stdout
    for dsn in dsns:
        with connected(dsn) as execute:
            assert execute("SELECT count(*) FROM schema_version") == [(3,)]
    name = dict(word.split("=", 1) for word in dsns[1].split())["dbname"]
    assert "Nothing to do" in project.sqlpair("migrate", "--member", name).stdout
    project.sqlpair("verify")


def test_a_table_of_another_database_names_the_members(
    project: Project, tmp_path: Any
) -> None:
    declare(
        project,
        singles="postgres",
        members_query="SELECT name, path AS address FROM tenants",
        members_from="postgres",
    )
    project.add(
        "postgres",
        "001_tenants",
        "CREATE TABLE tenants (name text PRIMARY KEY, path text NOT NULL);\n"
        "INSERT INTO tenants VALUES ('acme', 'state/tenants/1.db'),"
        " ('beta', 'state/tenants/2.db');",
        "DROP TABLE tenants;",
    )
    for stem, (up, down) in NUMBERED.items():
        project.add("tenants", stem, up, down)

    done = project.sqlpair("migrate")

    assert "tenants: 2 members, 6 migrations applied in 2" in done.stdout
    assert (project.root / "state" / "tenants" / "2.db").exists()
    project.sqlpair("verify", "--member", "acme")
    for command in (["verify"], ["adopt", "--yes"]):
        done = project.sqlpair(*command, "tenants")
        assert "tenants: 2 members" in done.stdout
    project.pg("ALTER TABLE tenants DROP COLUMN path CASCADE")
    refused = project.sqlpair("status", expect=1)
    assert "its members could not be asked for" in refused.stderr


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"members": "a", "schemas": "t_%"}, "both say where"),
        ({"members": "state/*.db"}, "is a pattern of files"),
        ({"schemas": "%"}, "schemas = %"),
        ({"schemas": "tenant"}, "schemas = tenant"),
        ({"schemas": "t_%", "ledger_schema": "x"}, "ledger_schema beside schemas"),
        ({"members": "env:TENANTS", "variable": "X"}, "variable beside members"),
        ({"members": "env:TENANTS"}, "TENANTS, which names the members, is not set"),
        ({"members": "env:a b"}, "not followed by a variable's name"),
        ({"members": "postgresql://u:secret@h/d"}, "members is an address"),
        ({"members": "x", "members_from": "sqlite"}, "nothing without members_query"),
        ({"members": "x", "shared_schemas": "y"}, "nothing without schemas"),
        ({"members_query": "SELECT 1"}, "which database answers"),
        ({"members_query": "DELETE FROM x", "members_from": "sqlite"}, "not a query"),
        ({"members_query": "SELECT 1", "members_from": "tenants"}, "members_from ="),
    ],
)
def test_a_fleet_that_makes_no_sense_is_refused(
    project: Project, section: dict[str, str], said: str
) -> None:
    declare(project, driver="postgresql", **section)
    refused = project.sqlpair("migrate", expect=1)
    assert said in refused.stderr
    assert "secret" not in refused.stderr


def test_a_schema_is_not_backed_up_by_itself(project: Project) -> None:
    schemas(project, 2, singles="")
    done = project.sqlpair("migrate", APP_ENV="staging")
    assert "schemas are not backed up one by one" in done.stderr
    refused = project.sqlpair("backup", expect=1)
    assert refused.stdout.count("no database to back up by itself") == 1
    assert "the same in tenant_1" in refused.stdout
    assert "pg_dump" in refused.stdout


def test_one_connection_goes_from_schema_to_schema_and_takes_nothing_along(
    project: Project,
) -> None:
    names = schemas(project)
    project.add(
        "tenants",
        "005_pid",
        "CREATE TABLE pid AS SELECT pg_backend_pid() AS pid;\n"
        # Refused where one of that name is there.
        "PREPARE left_behind AS SELECT 1;\n",
        "DROP TABLE pid;\n",
    )
    project.sqlpair("migrate", "--jobs", "1")
    assert [applied(project, name) for name in names] == [[*NUMBERED, "005_pid"]] * 4
    pids = {project.pg(f"SELECT pid FROM {name}.pid")[0][0] for name in names}
    assert len(pids) == 1


def test_a_schema_takes_nine_messages_besides_its_statements(project: Project) -> None:
    schemas(project)
    # In a process of its own: one that has imported Alembic asks more.
    command = [sys.executable, "-m", "sqlpair", "migrate", "--jobs", "1"]
    with Proxy(project.dsn, b"never said", "lost") as proxy:
        environ = project.environ | {"DATABASE_URL": proxy.url}
        subprocess.run(command, cwd=project.root, env=environ, check=True)
    first, last = (
        next(n for n, sent in enumerate(proxy.messages) if name in sent)
        for name in (b"tenant_2", b"tenant_3")
    )
    sent = [message[5:].rstrip(b"\0") for message in proxy.messages[first:last]]
    words = [message.decode().split(maxsplit=3)[:2] for message in sent]
    assert words == [
        ["SET", "TRANSACTION"],  # what is there, without a lock
        ["BEGIN", "ISOLATION"],  # the deployment's lock, and whether nobody is at work
        ["SET", "TRANSACTION"],  # what is there, under the lock
        ["BEGIN", "ISOLATION"],  # the work's lock, and the ledger's tables
        ["CREATE", "TABLE"],
        ["CREATE", "INDEX"],
        ["ALTER", "TABLE"],
        ["CREATE", "TABLE"],
        ["INSERT", "INTO"],  # the ledger's rows; then what a commit would refuse
        ["SELECT", "1"],  # the deployment's lock is still held
        ["COMMIT"],
        ["ROLLBACK"],  # the deployment's lock is free
        ["DISCARD", "ALL"],
    ]


@pytest.mark.parametrize("action", ["rollback", "migrate", "status", "verify", "adopt"])
def test_a_schema_that_is_renamed_while_others_are_at_work_is_not_at_base(
    project: Project, action: str
) -> None:
    schemas(project, 3)
    project.sqlpair("migrate", "--to", "3")
    settings = project.settings
    (tenants,) = settings.fleets
    with ExitStack() as resources:
        found = members.find(settings, tenants, print, resources)
    project.pg("ALTER SCHEMA tenant_1 RENAME TO moved")
    files = work.files_of(settings, "tenants")
    part = settings._replace(databases=(tenants,))
    job = work.Job(part, work.MemberAction(action), files, "", 1)

    with kept_open.to_the_end():
        first, renamed, last = work.work(job, found)

    assert (first.error, last.error) == ("", "")
    assert renamed.number is None
    assert renamed.error
    if action != "migrate":
        assert "its schema is gone since it was found\n  tenant_1" in renamed.error
    assert applied(project, "moved") == ["002_a", "003_y"]


def test_after_random_kills_each_migration_is_in_each_schema_once(
    project: Project, kills: int
) -> None:
    names = schemas(project, KILLED)
    chance = random.Random(17)
    for number in range(kills):
        before = begun(project)
        if before == len(names):  # all over again
            for name in names:
                project.pg(f"DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}")
            before = 0
        jobs = "1" if number % 2 else "2"
        running = subprocess.Popen(
            [sys.executable, "-m", "sqlpair", "migrate", "--jobs", jobs],
            cwd=project.root,
            env=project.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        goal = before + chance.randint(0, (len(names) - before) // 2)
        while running.poll() is None and begun(project) <= goal:
            time.sleep(0.001)
        time.sleep(chance.random() / 50)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    project.sqlpair("migrate")
    assert [applied(project, name) for name in names] == [[*NUMBERED]] * KILLED
    assert made(project) == {name: {"a", "b"} for name in names}
    assert project.pg("SELECT gid FROM pg_prepared_xacts") == []


def begun(project: Project) -> int:
    """Return how many schemas have been moved; each has all or nothing."""
    found = project.pg(
        "SELECT count(*), string_agg(DISTINCT relname, ' ' ORDER BY relname)"
        " FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text"
        r" LIKE 'tenant\_%' GROUP BY relnamespace"
    )
    whole = "a alembic_version b schema_history schema_version"
    assert {tables for _, tables in found} <= {whole}
    return len(found)


def test_a_session_that_ends_before_its_first_statement_is_named_and_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = schemas(project, 3)
    asked = parameters._has_check_interval

    def ended(raw: connection) -> bool:
        monkeypatch.undo()
        project.pg(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 9000)")
        return asked(raw)

    monkeypatch.setattr(parameters, "_has_check_interval", ended)

    failed = project.sqlpair("migrate", "--jobs", "1", expect=1).stdout

    assert "! tenants/tenant_0 failed" in failed
    assert "server closed the connection" in failed
    assert "Error" not in failed
    assert [applied(project, name) for name in names[1:]] == [[*NUMBERED]] * 2
