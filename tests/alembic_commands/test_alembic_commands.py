"""Alembic's changing commands mean what its manual says, on each database."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from conftest import Project
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import HistoryError
from sqlpair.runner.steps import BranchStatuses

LEDGER = "SELECT version, migration_name, checksum IS NOT NULL FROM schema_version"


@pytest.fixture
def two_each(project: Project) -> Project:
    """Migrations 001 and 003 on PostgreSQL, 002 and 004 on SQLite."""
    for number, database in enumerate(["postgres", "sqlite"] * 2, start=1):
        project.add(
            database,
            f"{number:03}_t{number}",
            f"CREATE TABLE t{number} (id integer PRIMARY KEY);\n",
            f"DROP TABLE t{number};\n",
        )
    return project


def positions(project: Project) -> tuple[int, int]:
    """How many migrations are applied; tables, ledger and version table agree."""
    counts = []
    for database in ("postgres", "sqlite"):
        if database == "sqlite" and not project.file.exists():
            counts.append(0)
            continue
        applied = project.applied(database)
        assert project.tables(database) == {stem.partition("_")[2] for stem in applied}
        head = [f"{database}_{stem[:3]}" for stem in applied[-1:]]
        assert project.heads(database) == head
        counts.append(len(applied))
    return counts[0], counts[1]


def test_upgrade_heads_applies_everything_in_number_order(two_each: Project) -> None:
    done = two_each.alembic("upgrade", "heads")

    assert positions(two_each) == (2, 2)
    begun = [line for line in done.stderr.splitlines() if " begins, " in line]
    assert [line.partition(":")[0].split() for line in begun] == [
        ["postgres", "001_t1"],
        ["sqlite", "002_t2"],
        ["postgres", "003_t3"],
        ["sqlite", "004_t4"],
    ]


def test_second_upgrade_changes_nothing_and_says_so(two_each: Project) -> None:
    two_each.upgrade()
    log = two_each.log

    done = two_each.alembic("upgrade", "heads")

    assert "Nothing to do" in done.stderr
    assert two_each.log == log


def test_upgrade_goes_as_far_as_it_is_told(two_each: Project) -> None:
    for destination, expected in [
        ("+1", (1, 1)),
        ("postgres@+1", (2, 1)),
        ("sqlite_002", (2, 1)),
        ("sqlite@head", (2, 2)),
    ]:
        two_each.alembic("upgrade", destination)

        assert positions(two_each) == expected, destination


def test_downgrade_goes_as_far_as_it_is_told(two_each: Project) -> None:
    two_each.upgrade()
    for destination, expected in [
        ("-1", (1, 1)),
        ("sqlite@-1", (1, 0)),
        ("postgres@base", (0, 0)),
    ]:
        two_each.alembic("downgrade", destination)

        assert positions(two_each) == expected, destination

    two_each.upgrade()
    two_each.downgrade("postgres_001")
    assert positions(two_each) == (1, 2)
    two_each.downgrade("base")
    assert positions(two_each) == (0, 0)


def test_downgrade_skips_a_database_at_base_aloud(two_each: Project) -> None:
    two_each.upgrade("postgres@head")

    done = two_each.alembic("downgrade", "-1")

    assert "sqlite: at base already, skipped" in done.stderr
    assert positions(two_each) == (1, 0)
    assert not two_each.file.exists()


def test_downgrade_with_every_database_at_base_is_an_error(two_each: Project) -> None:
    two_each.upgrade()
    two_each.downgrade("base")
    log = two_each.log

    for destination in ("-1", "sqlite@-1"):
        failure = two_each.alembic("downgrade", destination, expect=1)
        assert "at base already" in failure.stderr
    refusals = two_each.log.removeprefix(log).splitlines()
    assert ["outcome=failed" in line for line in refusals] == [True, True]


def test_downgrade_by_more_than_is_applied_undoes_nothing(two_each: Project) -> None:
    two_each.add("postgres", "005_t5", "CREATE TABLE t5 ();\n", "DROP TABLE t5;\n")
    two_each.upgrade()

    # -3 would do for PostgreSQL alone.
    for destination, applied in [("-5", 3), ("-3", 2), ("sqlite@-3", 2)]:
        failure = two_each.alembic("downgrade", destination, expect=1)
        assert f"{applied} of {applied} migrations are applied" in failure.stderr
        assert "Nothing was changed" in failure.stderr
    assert positions(two_each) == (3, 2)


class Overtaken(Destination):
    """A destination of which another run is at the same one before it has its locks."""

    def __init__(self, project: Project, destination: str, command: str):
        super().__init__((destination,), command, print)
        self.project: Project | None = project

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        found = super().__call__(statuses)
        if self.project is not None:
            project, self.project = self.project, None
            other = Destination((self.addresses[0].text,), self.command, print)
            deployment.deploy(project.settings, other, print)
        return found


@pytest.mark.parametrize(
    ("command", "destination", "at"),
    [
        ("downgrade", "postgres@-1", (1, 2)),
        ("downgrade", "-1", (1, 1)),
        ("upgrade", "+1", (1, 1)),
    ],
)
def test_two_runs_of_one_step_at_once_go_one_step(
    two_each: Project, command: str, destination: str, at: tuple[int, int]
) -> None:
    if command == "downgrade":
        two_each.upgrade()
    target = Overtaken(two_each, destination, command)

    with pytest.raises(HistoryError) as refused:
        deployment.deploy(two_each.settings, target, print)

    said = str(refused.value)
    assert "another deployment ended while this one waited for its locks" in said
    name = destination.partition("@")[0] if "@" in destination else "postgres"
    assert f"{name} is at 00" in said
    assert "run the command again" in said
    assert positions(two_each) == at


def test_a_run_that_waited_for_another_of_the_last_step_says_so(
    two_each: Project,
) -> None:
    two_each.upgrade("+1")
    target = Overtaken(two_each, "-1", "downgrade")

    with pytest.raises(HistoryError) as refused:
        deployment.deploy(two_each.settings, target, print)

    assert "postgres is at base, and was at 001_t1" in str(refused.value)


def test_a_run_to_a_revision_that_waited_for_another_finds_it_done(
    two_each: Project,
) -> None:
    target = Overtaken(two_each, "heads", "upgrade")

    assert not deployment.deploy(two_each.settings, target, print).done
    assert positions(two_each) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upgrade", "mysql@head"), "no database is called 'mysql'"),
        (("downgrade", "postgres_009"), "no revision is called 'postgres_009'"),
        (("stamp", "postgres_00"), "2 revisions start with 'postgres_00'"),
    ],
)
def test_what_is_not_there_is_named(
    two_each: Project, arguments: tuple[str, ...], message: str
) -> None:
    failure = two_each.raw("alembic", *arguments)

    assert failure.returncode in (1, 2)
    assert message in failure.stderr
    assert "Traceback" not in failure.stderr
    assert not two_each.file.exists()
    assert two_each.tables("postgres") == set()


def test_failed_migration_leaves_both_databases_untouched(two_each: Project) -> None:
    two_each.upgrade()
    two_each.add("postgres", "005_more", "CREATE TABLE more (id int);\n")
    two_each.add("sqlite", "006_broken", "CREATE TABLE half (id int);\nSELECT nope;\n")

    failure = two_each.alembic("upgrade", "heads", expect=1)

    assert "sqlite 006_broken.sql:2: no such column: nope" in failure.stderr
    assert positions(two_each) == (2, 2)


def test_stamp_writes_version_table_and_ledger_and_runs_nothing(
    two_each: Project,
) -> None:
    for arguments, postgres, sqlite in [
        (("heads",), ["001_t1", "003_t3"], ["002_t2", "004_t4"]),
        (("postgres_001", "sqlite_002"), ["001_t1"], ["002_t2"]),
        (("sqlite@base",), ["001_t1"], []),
        (("postgres@head",), ["001_t1", "003_t3"], []),
        (("--purge", "base"), [], []),
        (("--purge", "heads"), ["001_t1", "003_t3"], ["002_t2", "004_t4"]),
    ]:
        two_each.alembic("stamp", *arguments)

        assert two_each.applied("postgres") == postgres, arguments
        assert two_each.applied("sqlite") == sqlite, arguments
        for database, applied in (("postgres", postgres), ("sqlite", sqlite)):
            head = [f"{database}_{stem[:3]}" for stem in applied[-1:]]
            assert two_each.heads(database) == head
            assert two_each.tables(database) == set()
    assert two_each.pg(LEDGER) == [(1, "001_t1", True), (3, "003_t3", True)]


def test_stamp_leaves_rows_that_are_right_as_they_are(two_each: Project) -> None:
    two_each.upgrade()
    rows = "SELECT * FROM schema_version WHERE version < 3 ORDER BY id"
    before = two_each.pg(rows), two_each.lite(rows)

    two_each.alembic("stamp", "postgres_001", "sqlite_002")
    two_each.alembic("stamp", "heads")

    assert (two_each.pg(rows), two_each.lite(rows)) == before
    assert two_each.applied("postgres") == ["001_t1", "003_t3"]


def test_stamp_purge_takes_over_from_an_unknown_revision(two_each: Project) -> None:
    two_each.upgrade()
    two_each.pg("UPDATE alembic_version SET version_num = 'postgres_099'")
    two_each.lite("INSERT INTO alembic_version VALUES ('f00dcafe')")

    failure = two_each.alembic("stamp", "heads", expect=1)
    assert "alembic_version says postgres_099" in failure.stderr
    two_each.alembic("stamp", "--purge", "heads")

    assert positions(two_each) == (2, 2)


def test_a_file_without_a_module_is_named_by_what_reads(two_each: Project) -> None:
    """To Alembic there is no such migration: it would say that all is at head."""
    two_each.upgrade()
    sql = two_each.root / "sql" / "sqlite"
    (sql / "009_new.sql").write_text("SELECT 1;\n")
    (sql / "009_new_rollback.sql").write_text("SELECT 1;\n")

    for command in (["current"], ["current", "--check-heads"], ["check"]):
        failure = two_each.alembic(*command, expect=1)
        assert (
            "sqlite 009_new: the SQL file has no revision module\n"
            "  1 of 3 have none\n"
            "  Run: sqlpair revisions\n"
        ) in failure.stderr
    two_each.sqlpair("revisions")
    two_each.alembic("current")


@pytest.mark.parametrize("given", ["member=a", "member=", "member"])
def test_a_member_is_refused_where_no_database_has_any(
    two_each: Project, given: str
) -> None:
    for command in (["upgrade", "heads"], ["downgrade", "-1"], ["current"]):
        failure = two_each.alembic("-x", given, *command, expect=2)
        assert "member" in failure.stderr

    assert two_each.tables("postgres") | two_each.tables("sqlite") == set()


def test_upgrade_refuses_a_database_that_is_ahead_of_the_checkout(
    two_each: Project,
) -> None:
    two_each.upgrade()
    two_each.pg(
        "UPDATE alembic_version SET version_num = 'postgres_099';"
        "INSERT INTO schema_version (version, migration_name) VALUES (99, '099_x')"
    )

    for command in (["upgrade", "heads"], ["downgrade", "-1"], ["current"]):
        failure = two_each.alembic(*command, expect=1)
        assert "postgres: the database is ahead of this checkout" in failure.stderr
        assert "postgres_099" in failure.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("merge", "heads"),
        ("ensure_version",),
        ("revision", "--autogenerate", "-m", "x"),
        ("-n", "other", "upgrade", "heads"),
    ],
)
def test_what_has_no_meaning_here_is_refused(
    two_each: Project, arguments: tuple[str, ...]
) -> None:
    ini = two_each.root / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[other]\nscript_location = alembic\n")
    files = sorted(two_each.root.rglob("*.*"))

    failure = two_each.alembic(*arguments, expect=2)

    assert failure.stderr
    assert [
        path for path in sorted(two_each.root.rglob("*.*")) if path not in files
    ] == [*two_each.root.glob("alembic/__pycache__/*")]
    assert two_each.tables("postgres") == set()


THREADS = """
import sys, threading
from alembic import command
from alembic.config import Config
said, together = [], threading.Barrier(4)
def upgrade():
    together.wait()
    try:
        command.upgrade(Config("alembic.ini"), sys.argv[1])
    except BaseException as error:
        said.append(repr(error))
threads = [threading.Thread(target=upgrade) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(said)
"""


def test_threads_that_upgrade_at_once_take_turns(project: Project) -> None:
    project.add("postgres", "001_a", "CREATE TABLE a (x text);\n")
    project.add("sqlite", "002_b", "CREATE TABLE b (x text);\n")

    assert project.run("-c", THREADS, "heads").stdout == "[]\n"

    assert project.applied("postgres") == ["001_a"]
    assert project.applied("sqlite") == ["002_b"]
