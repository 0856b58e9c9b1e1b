"""Whatever a role or a database has set, commands read the same and say the same."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest

from conftest import Project, connected
from fault_injection import add
from sqlpair.databases.driver import driver_of
from sqlpair.errors import ConnectError
from sqlpair.ledger import tables

SETTINGS = {
    "German": {
        "datestyle": "German, DMY",
        "intervalstyle": "iso_8601",
        "bytea_output": "escape",
        "timezone": "<-0044>00:44",
        "standard_conforming_strings": "off",
        "backslash_quote": "off",
        "client_encoding": "LATIN1",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "row_security": "off",
        "quote_all_identifiers": "on",
        "extra_float_digits": "-15",
        "client_min_messages": "error",
        "session_replication_role": "replica",
    },
    "Postgres": {
        "datestyle": "Postgres, MDY",
        "intervalstyle": "sql_standard",
        "timezone": "Asia/Kathmandu",
        "default_transaction_deferrable": "on",
        "transform_null_equals": "on",
        "track_activities": "off",
        "lock_timeout": "1ms",
    },
}
PG = r"""
CREATE TABLE p (id integer PRIMARY KEY, day date DEFAULT '2024-03-04',
    at timestamptz DEFAULT '2024-03-04 05:06:07+00', ago date DEFAULT '0044-03-15 BC',
    span interval DEFAULT '1 day 2 hours', raw bytea DEFAULT '\xdeadbeef',
    word text DEFAULT 'naïve \ ☃');
INSERT INTO p (id) VALUES (1);
CREATE TABLE styles AS SELECT DATE '2024-03-04'::text AS style;
"""
LATER = "INSERT INTO styles SELECT DATE '2024-03-04'::text;\n"
ENDED = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_a_role_change_nothing_of_what_is_reported(
    project: Project, server: str, name: str, server_version: int
) -> None:
    project.add("postgres", "001_p", PG, "DROP TABLE styles, p;\n")
    project.add("sqlite", "002_s", "CREATE TABLE s (id);\n", "DROP TABLE s;\n")
    project.add("postgres", "003_q", LATER, "DELETE FROM styles WHERE false;\n")
    asserted = project.root / "sql/postgres/001_p_verify.sql"
    asserted.write_text("SELECT day, ago, span, raw, word FROM p;\n")
    ((database,),) = project.pg("SELECT current_database()")
    settings = dict(SETTINGS[name])
    if server_version >= 19_00_00:  # it knows no others
        settings.pop("standard_conforming_strings", None)
    for setting, value in settings.items():
        with connected(server) as execute:
            execute(f"ALTER DATABASE {database} SET {setting} = '{value}'")

    done = project.alembic("upgrade", "heads")
    assert "schema version 3" in done.stderr
    applied = json.loads(project.sqlpair("status", "--json").stdout)["databases"]
    for row in (*applied["postgres"]["applied"], *applied["sqlite"]["applied"]):
        assert TIME.match(row["applied_at"])
    times = TIME.findall(project.sqlpair("history").stdout)
    assert len(times) == 3
    assert times == sorted(times)
    told = project.sqlpair("verify", expect=1).stdout
    assert "1 problem." in told
    assert (
        "day: 2024-03-04, ago: 0044-03-15 BC, span: 1 day 02:00:00, raw: \\xdead"
        in (told)
    )
    assert "naïve \\ ☃" in told
    # Files run as they do by hand, in the role's own style, one as another.
    assert len(project.pg("SELECT DISTINCT style FROM styles")) == 1
    project.sqlpair("version")
    project.sqlpair("plan")
    project.sqlpair("rollback", "--allow-data-loss")
    assert "outcome=failed" not in project.log


def test_session_that_the_server_ends_while_it_idles_reads_on(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    database = project.settings.database("postgres")
    session = driver_of(database).connect(database, read_only=True, report=print)
    assert session is not None
    with closing(session):
        before = tables.read(session)
        project.pg(ENDED)

        assert tables.read(session) == before
        with session.snapshot():
            project.pg(ENDED)
            with pytest.raises(ConnectError):  # it would be another snapshot
                tables.read(session)


def test_a_file_outside_transactions_writes_whatever_the_role_may_do_by_default(
    project: Project, server: str
) -> None:
    alone = "-- no-transaction\nCREATE INDEX CONCURRENTLY day ON p (day);\n"
    project.add("postgres", "001_p", PG)
    project.add("postgres", "002_index", alone)
    ((database,),) = project.pg("SELECT current_database()")
    with connected(server) as execute:
        execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")

    project.sqlpair("migrate")

    assert project.applied("postgres") == ["001_p", "002_index"]


def test_a_file_that_makes_its_transaction_read_only_is_told_so(
    project: Project,
) -> None:
    project.add("postgres", "001_p", "SET transaction_read_only = on;\n" + PG)

    failure = project.sqlpair("migrate", expect=1)

    assert "001_p.sql:3: cannot execute CREATE TABLE" in failure.stderr
    assert "Take the SET that makes the transaction read only out" in failure.stderr
