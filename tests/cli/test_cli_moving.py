"""What migrate, rollback, force-version and repair do, and what a person reads."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

from conftest import Project
from sqlpair.deploy import repair as repairing
from sqlpair.deploy.rollback import LastDeployment
from sqlpair.errors import HistoryError
from sqlpair.project.branches import branches
from sqlpair.project.ledger_tables import NAMES
from sqlpair.runner.survey import survey


@pytest.fixture
def four(project: Project) -> Project:
    """Migrations 001 and 003 on PostgreSQL, 002 and 004 on SQLite; none applied."""
    for number, database in enumerate(["postgres", "sqlite"] * 2, start=1):
        add(project, database, number)
    return project


def add(project: Project, database: str, number: int) -> None:
    table = f"t{number}"
    project.add(
        database,
        f"{number:03}_{table}",
        f"CREATE TABLE {table} (id integer PRIMARY KEY);\n",
        f"DROP TABLE {table};\n",
    )


def ledger(project: Project, column: str) -> dict[int, str]:
    query = f"SELECT version, {column} FROM schema_version"
    return dict(project.pg(query) + project.lite(query))


# -- migrate -----------------------------------------------------------------------


def test_migrate_says_what_ran_where_and_where_the_databases_are(four: Project) -> None:
    done = four.sqlpair("migrate")

    words = [line.split()[:3] for line in done.stdout.splitlines()]
    assert words[:4] == [
        ["+", "postgres", "001_t1"],
        ["+", "sqlite", "002_t2"],
        ["+", "postgres", "003_t3"],
        ["+", "sqlite", "004_t4"],
    ]
    assert "Migrated: 4 migrations applied in 2 databases" in done.stdout
    assert "postgres  is at  003_t3\n" in done.stdout
    assert "sqlite    is at  004_t4\n" in done.stdout
    assert done.stdout.endswith("Schema version 4.\n")


def test_second_migrate_says_that_there_is_nothing_to_do(four: Project) -> None:
    four.sqlpair("migrate")
    log = four.log

    done = four.sqlpair("migrate")

    assert "Nothing to do: every migration is applied." in done.stdout
    assert four.log == log


def test_failed_migrate_leaves_both_databases_and_prints_no_summary(
    four: Project,
) -> None:
    four.add("sqlite", "005_broken", "CREATE TABLE half (id int);\nSELECT nope;\n")

    failure = four.sqlpair("migrate", expect=1)

    assert "sqlite 005_broken.sql:2: no such column: nope" in failure.stderr
    assert failure.stdout == ""
    assert four.tables("postgres") == four.tables("sqlite") == set()


def test_debug_adds_the_traceback(four: Project) -> None:
    four.add("sqlite", "005_broken", "SELECT nope;\n")

    for command in ("sqlpair migrate", "alembic upgrade heads"):
        failure = four.raw(*command.split(), SQLPAIR_DEBUG="1")
        assert failure.returncode == 1
        assert "Traceback" in failure.stderr
        assert "sqlite 005_broken.sql:1: no such column: nope" in failure.stderr


# -- rollback ----------------------------------------------------------------------


def test_rollback_undoes_the_last_deployment_in_both_databases(four: Project) -> None:
    four.upgrade()
    add(four, "postgres", 5)
    add(four, "sqlite", 6)
    add(four, "postgres", 7)
    four.upgrade()

    done = four.sqlpair("rollback")

    words = [line.split()[:3] for line in done.stdout.splitlines()[:3]]
    assert words == [
        ["-", "postgres", "007_t7"],
        ["-", "sqlite", "006_t6"],
        ["-", "postgres", "005_t5"],
    ]
    assert "Rolled back: 3 migrations undone in 2 databases" in done.stdout
    assert four.tables("postgres") == {"t1", "t3"}
    assert four.tables("sqlite") == {"t2", "t4"}
    assert four.heads("postgres") == ["postgres_003"]


def test_rollback_leaves_a_database_that_the_last_deployment_did_not_touch(
    four: Project,
) -> None:
    four.upgrade()
    add(four, "postgres", 5)
    four.upgrade()

    four.sqlpair("rollback")

    assert four.applied("postgres") == ["001_t1", "003_t3"]
    assert four.applied("sqlite") == ["002_t2", "004_t4"]


def test_second_rollback_undoes_the_deployment_before(four: Project) -> None:
    four.upgrade()
    add(four, "sqlite", 5)
    four.upgrade()

    four.sqlpair("rollback")
    four.sqlpair("rollback")

    assert four.tables("postgres") == four.tables("sqlite") == set()


def test_rollback_at_base_is_an_error(four: Project) -> None:
    failure = four.sqlpair("rollback", expect=1)

    assert "nothing is applied, so there is nothing to roll back" in failure.stderr


@pytest.mark.parametrize(
    ("command", "how"),
    [("alembic stamp heads", "stamped"), ("sqlpair force-version 4 --yes", "forced")],
)
def test_rollback_refuses_what_was_recorded_without_running(
    four: Project, command: str, how: str
) -> None:
    program, *arguments = command.split()
    four.run("-m", program, *arguments)

    failure = four.sqlpair("rollback", expect=1)

    assert f"sqlite 004_t4: {how} on " in failure.stderr
    assert "sqlpair rollback --to N" in failure.stderr
    assert four.applied("sqlite") == ["002_t2", "004_t4"]


def test_rollback_refuses_where_another_program_wrote_the_newest_row(
    four: Project,
) -> None:
    four.upgrade()
    add(four, "postgres", 5)
    four.pg("INSERT INTO schema_version (version, migration_name) VALUES (5, '005_t5')")
    four.pg("UPDATE alembic_version SET version_num = 'postgres_005'")

    failure = four.sqlpair("rollback", expect=1)

    assert "postgres 005_t5: recorded by another program on " in failure.stderr
    assert four.applied("sqlite") == ["002_t2", "004_t4"]


def test_rollback_refuses_when_an_older_deployments_migration_lies_above(
    four: Project,
) -> None:
    four.upgrade()
    four.pg(
        "UPDATE schema_version SET deployment = '20200101T000000.000Z-000000',"
        " applied_at = '2020-01-01' WHERE version = 3"
    )

    failure = four.sqlpair("rollback", expect=1)

    assert "postgres: migrations lie above what the last deployment did" in (
        failure.stderr
    )
    assert "above it: 003_t3" in failure.stderr
    assert four.tables("sqlite") == {"t2", "t4"}


def test_rollback_undoes_what_was_done_last_where_another_clock_was_ahead(
    four: Project,
) -> None:
    four.upgrade()
    add(four, "postgres", 5)
    four.sqlpair("migrate")
    four.pg(
        "UPDATE schema_version SET deployment = '20991231T235959.999Z-ffffff',"
        " applied_at = '2099-12-31' WHERE version = 5"
    )
    add(four, "sqlite", 6)
    four.sqlpair("migrate")

    four.sqlpair("rollback")

    assert four.applied("postgres")[-1] == "005_t5"
    assert four.applied("sqlite")[-1] == "004_t4"


def test_rollback_that_would_lose_rows_is_refused_unless_allowed(four: Project) -> None:
    four.upgrade()
    four.lite("INSERT INTO t4 VALUES (1)")

    refused = four.sqlpair("rollback", expect=1)
    assert "sqlpair rollback --allow-data-loss" in refused.stderr
    assert four.tables("postgres") == {"t1", "t3"}

    four.sqlpair("rollback", "--allow-data-loss")
    assert four.tables("sqlite") == set()


def test_rollback_that_fails_halfway_undoes_nothing(four: Project) -> None:
    four.upgrade()
    four.add("sqlite", "005_one_way", "SELECT 1;\n", "SELECT nope;\n")
    add(four, "postgres", 6)
    four.upgrade()

    failure = four.sqlpair("rollback", expect=1)

    assert "005_one_way_rollback.sql:1: no such column: nope" in failure.stderr
    assert four.applied("postgres") == ["001_t1", "003_t3", "006_t6"]
    assert four.tables("postgres") == {"t1", "t3", "t6"}


def test_rollback_that_waited_undoes_no_other_deployment(four: Project) -> None:
    four.upgrade("+1")
    targets = LastDeployment()
    with ExitStack() as resources:
        targets(survey(branches(four.settings), print, resources))
    four.upgrade("+1")  # by somebody else, who had the locks

    with ExitStack() as resources, pytest.raises(HistoryError) as refused:
        targets(survey(branches(four.settings), print, resources))

    assert "another deployment ended while this one waited" in str(refused.value)


def test_rollback_of_a_deployment_that_reached_one_database_undoes_that_half(
    four: Project,
) -> None:
    """What a death between two commits leaves where PostgreSQL cannot prepare."""
    four.upgrade("+1")
    before = {
        table: four.pg(f"SELECT * FROM {table}")
        for table in (NAMES.version, NAMES.ledger, NAMES.history)
    }
    four.upgrade("+1")
    four.pg("DROP TABLE t3")
    for table, rows in before.items():
        four.pg(f"DELETE FROM {table}")
        for row in rows:
            values = ", ".join("NULL" if v is None else f"'{v}'" for v in row)
            four.pg(f"INSERT INTO {table} VALUES ({values})")

    four.sqlpair("rollback")

    assert four.applied("sqlite") == ["002_t2"]
    assert four.applied("postgres") == ["001_t1"]


def test_rollback_to_a_version_takes_every_database_there(four: Project) -> None:
    four.upgrade("+1")
    four.upgrade("+1")

    done = four.sqlpair("rollback", "--to", "2")

    assert four.applied("postgres") == ["001_t1"]
    assert four.applied("sqlite") == ["002_t2"]
    assert done.stdout.endswith("Schema version 2.\n")


def test_rollback_to_zero_goes_to_the_bottom(four: Project) -> None:
    four.upgrade()

    four.sqlpair("rollback", "--to", "0")

    assert four.tables("postgres") == four.tables("sqlite") == set()


def test_rollback_to_where_the_databases_are_has_nothing_to_do(four: Project) -> None:
    four.upgrade()

    done = four.sqlpair("rollback", "--to", "4")

    assert "Nothing to do" in done.stdout


def test_rollback_does_not_go_up(four: Project) -> None:
    failure = four.sqlpair("rollback", "--to", "4", expect=1)

    assert "version 4 lies above, and a rollback goes down" in failure.stderr
    assert not four.file.exists()


@pytest.mark.parametrize("version", ["9", "-1", "two", "1.5", "", "²"])
def test_rollback_to_what_is_no_version_is_misuse(four: Project, version: str) -> None:
    four.upgrade()

    failure = four.sqlpair("rollback", f"--to={version}", expect=2)

    assert (
        "not a valid version" in failure.stderr or "no migration has" in failure.stderr
    )
    assert four.tables("sqlite") == {"t2", "t4"}


# -- force-version -----------------------------------------------------------------


def test_force_version_writes_ledger_version_table_and_env_together(
    four: Project,
) -> None:
    env = four.root / ".env"
    env.write_text("SCHEMA_VERSION=0\n")

    done = four.sqlpair("force-version", "3", "--yes")

    assert "No SQL runs" in done.stderr
    assert four.applied("postgres") == ["001_t1", "003_t3"]
    assert four.applied("sqlite") == ["002_t2"]
    assert four.heads("postgres") == ["postgres_003"]
    assert four.heads("sqlite") == ["sqlite_002"]
    assert four.tables("postgres") == four.tables("sqlite") == set()
    assert env.read_text() == "SCHEMA_VERSION=3\n"
    assert set(ledger(four, "method").values()) == {"force"}
    assert "direction=force" in four.log


def test_force_version_down_keeps_the_rows_below_as_they_were(four: Project) -> None:
    four.upgrade()

    four.sqlpair("force-version", "1", "--yes")

    assert ledger(four, "method") == {1: "upgrade"}
    assert four.heads("sqlite") == []
    assert four.tables("sqlite") == {"t2", "t4"}


def test_force_version_shows_what_it_will_write(four: Project) -> None:
    four.upgrade("+1")

    done = four.sqlpair("force-version", "3", "--yes")

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "postgres postgres_001 -> postgres_003 + 003_t3" in lines
    assert "sqlite sqlite_002 -> sqlite_002 as it is" in lines


def test_force_version_resolves_tables_that_disagree(four: Project) -> None:
    four.upgrade()
    four.pg("DELETE FROM schema_version WHERE version = 1")
    four.lite("DELETE FROM alembic_version")
    four.sqlpair("migrate", expect=1)

    four.sqlpair("force-version", "4", "--yes")

    assert "Nothing to do" in four.sqlpair("migrate").stdout


def test_force_version_needs_somebody_to_ask(four: Project) -> None:
    refused = four.sqlpair("force-version", "3", expect=2)

    assert "no terminal to answer at" in refused.stderr
    assert not four.file.exists()


@pytest.mark.parametrize(
    "version", ["9", "-1", "two", "1.5", "", "²", "99999999999999999999"]
)
def test_force_version_refuses_what_is_no_version(four: Project, version: str) -> None:
    failure = four.sqlpair("force-version", "--yes", "--", version, expect=2)

    assert (
        "not a valid version" in failure.stderr or "no migration has" in failure.stderr
    )
    assert not four.file.exists()


def test_force_version_refuses_a_database_ahead_of_this_checkout(four: Project) -> None:
    four.upgrade()
    four.lite("INSERT INTO schema_version (version, migration_name) VALUES (9, '9_x')")

    failure = four.sqlpair("force-version", "4", "--yes", expect=1)

    assert "sqlite: the database is ahead of this checkout" in failure.stderr
    assert 9 in ledger(four, "method")


# -- repair ------------------------------------------------------------------------


def test_repair_records_the_checksums_of_edited_files(four: Project) -> None:
    four.upgrade()
    before = ledger(four, "checksum")
    file = four.root / "sql" / "postgres" / "001_t1.sql"
    file.write_text(f"-- edited\n{file.read_text()}")
    assert "edited after it was applied" in _edited(four)

    done = four.sqlpair("repair", "--yes")

    after = ledger(four, "checksum")
    assert before[1][:12] in done.stdout
    assert after[1][:12] in done.stdout
    assert {number for number in after if after[number] != before[number]} == {1}
    assert "Nothing to do" in four.sqlpair("migrate").stdout
    history = four.pg("SELECT action, version, checksum FROM schema_history")
    assert history[-1] == ("repair", 1, after[1])


def _edited(project: Project) -> str:
    add(project, "postgres", 5)
    message = project.sqlpair("migrate", expect=1).stderr
    for path in [
        *project.root.glob("sql/postgres/005*"),
        *project.root.glob("alembic/versions/postgres/005*"),
    ]:
        path.unlink()
    return message


def test_repair_without_edits_has_nothing_to_do(four: Project) -> None:
    four.upgrade()

    assert "Nothing to repair" in four.sqlpair("repair").stdout


def test_repair_records_nothing_but_what_was_agreed_to(four: Project) -> None:
    four.upgrade()
    before = ledger(four, "checksum")
    file = four.root / "sql" / "sqlite" / "002_t2.sql"
    file.write_text("-- shown\n")
    agreed = repairing.repairs(four.settings, print)
    file.write_text("-- saved while the question stood\n")

    with pytest.raises(HistoryError, match="changed while you were asked"):
        repairing.repair(four.settings, agreed, print)

    assert ledger(four, "checksum") == before


def test_repair_needs_somebody_to_ask(four: Project) -> None:
    four.upgrade()
    before = ledger(four, "checksum")
    (four.root / "sql" / "sqlite" / "002_t2.sql").write_text("-- other\n")

    refused = four.sqlpair("repair", expect=2)

    assert "no terminal to answer at" in refused.stderr
    assert ledger(four, "checksum") == before


def test_nothing_to_do_is_found_without_what_only_a_run_needs(
    project: Project,
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id integer);\n")
    project.upgrade()

    done = project.run("-X", "importtime", "-m", "sqlpair", "migrate")

    assert done.stdout.startswith("Nothing to do: every migration is applied.\n")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "sqlpair.deploy.nothing_to_do" in imported
    needless = {"sqlpair.deploy.run", "click", "rich", "alembic", "sqlalchemy"}
    assert not needless & imported


def test_an_edited_file_is_named_though_nothing_is_pending(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id integer);\n")
    project.upgrade()
    project.add("sqlite", "001_t", "CREATE TABLE t (id integer, more text);\n")

    for failure in (
        project.sqlpair("migrate", expect=1),
        project.alembic("upgrade", "heads", expect=1),
    ):
        assert "sqlite 001_t: the SQL file was edited after it was" in failure.stderr


def test_only_the_last_of_very_many_migrations_are_shown(project: Project) -> None:
    for number in range(1, 61):
        path = project.root / "sql" / "sqlite" / f"{number:03}_s.sql"
        path.write_text("SELECT 1;\n")
        path.with_name(f"{number:03}_s_rollback.sql").write_text("SELECT 1;\n")
    project.sqlpair("revisions")

    shown = project.sqlpair("migrate").stdout

    assert "10 more before these" in shown
    assert "010_s" not in shown
    assert shown.count("_s ") == 50
    assert "Migrated: 60 migrations applied in 1 database" in shown


@pytest.mark.parametrize(
    "streams",
    [">/dev/full", "2>/dev/full", ">&-", "2>&-", "<&-", "<&- >&- 2>&-"],
)
@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}], ids=["pipe", "colour"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_are_closed_or_full_change_no_outcome(
    four: Project, streams: str, environ: dict[str, str], unbuffered: str
) -> None:
    environ = {"PYTHONUNBUFFERED": unbuffered, **environ}

    moved, again, undone = (
        redirected(four, command, streams, **environ)
        for command in ("migrate", "migrate", "rollback")
    )

    for done in (moved, again, undone):
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if streams == ">/dev/full":
        assert "004_t4" in moved.stderr
        assert "Schema version 4." in again.stderr
        assert "Schema version 0." in undone.stderr
    assert four.applied("postgres") == four.applied("sqlite") == []
    assert four.log.count("outcome=committed") == 2


def test_result_for_a_program_that_cannot_be_written_is_a_failure(
    four: Project,
) -> None:
    done = redirected(four, "status --json", ">/dev/full")

    assert done.returncode == 1
    assert done.stderr.endswith("the result could not be written\n")
    assert "Traceback" not in done.stderr


def redirected(
    project: Project, command: str, streams: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"{sys.executable} -m sqlpair {command} {streams}",
        shell=True,
        cwd=project.root,
        env=project.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
