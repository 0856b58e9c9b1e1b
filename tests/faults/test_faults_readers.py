"""Commands that read a database in which tables are locked: bounded, with the holder.

Readers wait for one mode alone, ACCESS EXCLUSIVE: LOCK TABLE takes it, and most kinds
of ALTER TABLE; a prepared transaction holds it for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from conftest import Project, connected

EVERY_TABLE = "LOCK TABLE p, schema_version, alembic_version, schema_history"
READING = (
    ["verify"],
    ["status"],
    ["version"],
    ["history"],
    ["plan"],
    ["backup"],
    ["adopt", "--yes"],
)


@pytest.fixture
def held(project: Project) -> Project:
    """Two databases at head, with a short lock_timeout."""
    project.add(
        "postgres", "001_p", "CREATE TABLE p (id int PRIMARY KEY, note text);\n"
    )
    project.add("postgres", "003_v", "CREATE VIEW v AS SELECT note FROM p;\n")
    project.add("sqlite", "002_t", "CREATE TABLE t (id int);\n")
    project.upgrade()
    project.configure("postgres", lock_timeout="0.3")
    return project


@contextmanager
def locking(project: Project, sql: str) -> Iterator[int]:
    """Hold what ``sql`` locks; yields the holder's process id."""
    raw = psycopg2.connect(project.dsn, application_name="night job")
    try:
        with raw.cursor() as cursor:
            cursor.execute(sql)
        yield raw.info.backend_pid
    finally:
        raw.close()


@contextmanager
def prepared(project: Project, sql: str, gid: str = "left 'over'") -> Iterator[None]:
    """Hold what ``sql`` locks by a prepared transaction."""
    quoted = gid.replace("'", "''")
    with connected(project.dsn) as execute:
        execute(f"BEGIN; {sql}; PREPARE TRANSACTION '{quoted}'")
        try:
            yield
        finally:
            execute(f"ROLLBACK PREPARED '{quoted}'")


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_reading_command_names_the_session_that_locks_what_it_reads(
    held: Project, command: list[str]
) -> None:
    with locking(held, EVERY_TABLE) as pid:
        failed = held.sqlpair(*command, expect=1)

    assert f"blocked by pid {pid} (night job, " in failed.stderr
    assert "idle in transaction" in failed.stderr
    assert "which locks alembic_version, p, schema_history and 1 more" in failed.stderr
    assert f"its last query was: {EVERY_TABLE}" in failed.stderr


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_reading_command_names_the_prepared_transaction_that_locks_what_it_reads(
    held: Project, command: list[str]
) -> None:
    with prepared(held, EVERY_TABLE):
        failed = held.sqlpair(*command, expect=1)

    assert "blocked by prepared transaction 'left ''over''' of postgres (" in (
        failed.stderr
    )
    assert " seconds ago, 20" in failed.stderr
    assert "COMMIT PREPARED 'left ''over''' or ROLLBACK PREPARED" in failed.stderr


def test_alembic_current_names_who_locks_the_version_table(held: Project) -> None:
    with locking(held, "LOCK TABLE alembic_version") as pid:
        failed = held.alembic("current", expect=1)

    assert f"blocked by pid {pid} (night job, " in failed.stderr


@pytest.mark.parametrize("sql", ["LOCK TABLE p", "ALTER TABLE p ADD COLUMN c int"])
@pytest.mark.parametrize("command", ["verify", "backup"])
def test_one_table_that_a_prepared_transaction_locks_is_named(
    held: Project, command: str, sql: str
) -> None:
    with prepared(held, sql):
        failed = held.sqlpair(command, expect=1)

    assert "blocked by prepared transaction 'left ''over'''" in failed.stderr
    assert "which locks p;" in failed.stderr


def test_an_interrupted_deployment_of_ones_own_is_ended_by_migrate(
    held: Project,
) -> None:
    name = held.pg("SELECT current_database()")[0][0]
    gid = f"sqlpair:{name}.public:20260101T000000.000Z-abcdef/1"

    with prepared(held, "LOCK TABLE schema_version", gid):
        failed = held.sqlpair("status", expect=1)

    assert "this resolves it: sqlpair migrate" in failed.stderr
    assert "ROLLBACK PREPARED" not in failed.stderr


def test_an_assertion_about_a_locked_table_names_who_locks_it(held: Project) -> None:
    (held.root / "sql" / "postgres" / "001_p_verify.sql").write_text(
        "SELECT * FROM other;\n"
    )
    held.pg("CREATE TABLE other (id int)")
    (held.root / "pyproject.toml").write_text(
        '[tool.sqlpair]\nignore = ["table other"]\n'
    )

    with locking(held, "LOCK TABLE other") as pid:
        found = held.sqlpair("verify", expect=1)

    assert "001_p_verify.sql:1" in found.stdout
    assert f"blocked by pid {pid} (night job, " in found.stdout


def test_a_migration_that_waits_names_the_prepared_transaction(held: Project) -> None:
    held.add("postgres", "005_more", "ALTER TABLE p ADD COLUMN more int;\n")

    with prepared(held, "ALTER TABLE p ADD COLUMN c int"):
        failed = held.sqlpair("migrate", expect=1)

    assert "blocked by prepared transaction 'left ''over''' of postgres (" in (
        failed.stderr
    )


def test_what_locks_no_reader_out_is_in_no_readers_way(held: Project) -> None:
    with locking(held, "LOCK TABLE p, schema_version IN SHARE ROW EXCLUSIVE MODE"):
        held.sqlpair("verify")
        held.sqlpair("backup")
