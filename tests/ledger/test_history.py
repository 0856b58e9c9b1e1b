"""History: who did what when, in the databases and in the log."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import resource
from typing import Any
from unittest import mock

import pytest

from conftest import Project
from fault_injection import add, become_nobody, deploy, dying, forked_to_the_end
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.errors import SettingsError, SqlpairError
from sqlpair.ledger import log, tables
from sqlpair.ledger.history import ENDLESS, FORGOTTEN, HistoryEvent, history


def nothing(_line: str) -> None:
    pass


def events(project: Project) -> tuple[HistoryEvent, ...]:
    return history(project.settings, nothing)


def told(project: Project) -> list[tuple[str, str, str]]:
    """What was done: to which database, what, to which migration."""
    return [
        (event.database, event.action, event.migration) for event in events(project)
    ]


@pytest.fixture
def pair(project: Project) -> Project:
    """001 on PostgreSQL, 002 on SQLite, applied by one deployment."""
    add(project, 1, 2)
    project.upgrade()
    return project


UP = [("postgres", "upgrade", "001_t1"), ("sqlite", "upgrade", "002_t2")]


def test_upgrades_and_downgrades_of_both_databases_are_told_in_order(
    pair: Project,
) -> None:
    first = pair.upgrade("heads").deployment
    pair.downgrade("-1")

    found = events(pair)

    assert first == ""  # nothing to do is nothing done
    assert told(pair) == [
        *UP,
        ("sqlite", "downgrade", "002_t2"),
        ("postgres", "downgrade", "001_t1"),
    ]
    assert len({event.deployment for event in found}) == 2
    assert {event.by for event in found} == {tables.who()}
    assert all(event.milliseconds is not None for event in found)
    assert [event.at for event in found] == sorted(event.at for event in found)
    assert {event.note for event in found} == {""}


def test_what_moves_no_migration_is_told_too(pair: Project) -> None:
    pair.alembic("stamp", "postgres@base")
    pair.sqlpair("force-version", "2", "--yes")
    path = pair.root / "sql" / "sqlite" / "002_t2.sql"
    path.write_text(path.read_text() + "-- edited\n")
    pair.sqlpair("repair", "--yes")
    for table in ("alembic_version", "schema_version"):
        pair.lite(f"DROP TABLE {table}")
    pair.sqlpair("adopt", "sqlite", "--yes")

    assert told(pair) == [
        *UP,
        ("postgres", "stamp", "base"),
        ("postgres", "force", "001_t1"),
        ("sqlite", "force", "002_t2"),
        ("sqlite", "repair", "002_t2"),
        ("sqlite", "adopt", "002_t2"),
    ]


def test_a_failed_run_is_told_with_its_error_and_who_it_was(pair: Project) -> None:
    pair.add("postgres", "003_broken", 'SELECT "no ""such""" FROM t1;\n')
    with pytest.raises(SqlpairError) as failure:
        deploy(pair)

    *before, last = events(pair)

    assert [(e.database, e.action, e.migration) for e in before] == UP
    assert (last.database, last.action, last.migration) == ("", "failed", "")
    assert last.note == str(failure.value)
    assert 'column "no "such"" does not exist' in last.note
    assert last.by == tables.who()
    assert last.deployment > before[-1].deployment


def test_a_run_that_was_refused_is_told_without_a_deployment(pair: Project) -> None:
    pair.downgrade("base")
    with pytest.raises(SqlpairError):
        deploy(pair, "-1", "downgrade")

    last = events(pair)[-1]

    assert (last.action, last.deployment) == ("failed", "")
    assert "at base already" in last.note


def test_a_killed_run_is_told_as_one_without_an_end(pair: Project) -> None:
    add(pair, 3, 4)
    dying(pair, SQLiteSession, "commit", "before")

    killed = events(pair)[-1]
    deploy(pair)

    assert (killed.action, killed.note) == ("started", ENDLESS)
    assert told(pair)[2:] == [
        ("", "started", ""),
        ("", "settled", ""),
        ("postgres", "upgrade", "003_t3"),
        ("sqlite", "upgrade", "004_t4"),
    ]


def test_what_a_database_has_forgotten_is_told_from_the_log(pair: Project) -> None:
    for table in ("t2", "alembic_version", "schema_version", "schema_history"):
        pair.lite(f"DROP TABLE {table}")
    pair.upgrade()

    found = events(pair)

    assert told(pair) == [*UP, UP[1]]
    assert [event.note for event in found] == ["", FORGOTTEN, ""]
    assert [event.version for event in found] == [1, 2, 2]
    assert found[1].by == tables.who()


def test_the_log_of_another_environment_is_not_told(pair: Project) -> None:
    pair.add("sqlite", "003_broken", "SELECT nope;\n")
    pair.sqlpair(
        "migrate", expect=1, APP_ENV="staging", TRADES_DB="other.db", SQLITE_PATH="o.db"
    )

    assert told(pair) == UP
    assert "environment=staging" in pair.log


def test_history_creates_nothing(project: Project) -> None:
    add(project, 1, 2)
    before = sorted(project.root.rglob("*"))

    assert project.sqlpair("history").stdout == "Nothing was done yet.\n"
    assert project.sqlpair("history", "--json").stdout == "[]\n"
    assert sorted(project.root.rglob("*")) == before


def test_the_command_prints_a_table(pair: Project) -> None:
    pair.add("sqlite", "003_broken", "SELECT nope;\n")
    pair.sqlpair("migrate", expect=1)

    head, *rows = pair.sqlpair("history").stdout.splitlines()

    assert head.split() == (
        ["when", "(UTC)", "database", "what", "migration", "took", "by", "deployment"]
    )
    assert " postgres  upgrade  001_t1 " in rows[0]
    assert f" {tables.who()} " in rows[0]
    assert " failed " in rows[2]
    assert "sqlite 003_broken.sql:1: no such column: nope" in rows[2]
    assert len(rows) == 3


def test_the_command_prints_json_for_a_program(pair: Project) -> None:
    found: list[dict[str, Any]] = json.loads(pair.sqlpair("history", "--json").stdout)

    assert [event["migration"] for event in found] == ["001_t1", "002_t2"]
    assert list(found[0]) == [
        "at",
        "database",
        "action",
        "version",
        "migration",
        "by",
        "milliseconds",
        "deployment",
        "note",
    ]


def test_older_logs_are_read_and_broken_lines_passed_over(pair: Project) -> None:
    pair.add("sqlite", "003_broken", "SELECT nope;\n")
    pair.sqlpair("migrate", expect=1)
    path = pair.root / "logs" / "migration.log"
    path.rename(path.with_name("migration.log.1"))
    path.write_bytes(
        b"2026-01-01T00:00:00Z\n\nno line\n\xff\xfe\n2026-01-01T00:00:01Z outcome=\n"
        b'2026-01-01T00:00:02Z outcome=failed error="cut sho'
    )

    assert [event.action for event in events(pair)] == ["upgrade", "upgrade", "failed"]
    assert [line["outcome"] for line in log.lines(path)][:2] == ["started", "ran"]


def test_log_that_cannot_be_read_is_said(pair: Project) -> None:
    path = pair.root / "logs" / "migration.log"
    path.chmod(0)

    def read() -> None:
        become_nobody(path)
        with pytest.raises(SettingsError, match="the log cannot be read"):
            list(log.lines(path))

    forked_to_the_end(read)
    path.chmod(0o600)  # the fixture reads it, when the test has passed


def test_full_log_is_set_aside_and_the_last_five_stay(project: Project) -> None:
    with mock.patch.object(log, "MAXIMUM_BYTES", 300):
        for number in range(1, 9):
            project.add("sqlite", f"00{number}_t", f"CREATE TABLE t{number} (id);\n")
            project.upgrade()

    logs = sorted(path.name for path in (project.root / "logs").iterdir())

    old = [f"migration.log.{number}" for number in range(1, 6)]
    assert logs == ["migration.log", *old]
    newest = (project.root / "logs" / old[0]).read_text() + project.log
    assert "migration=008_t direction=upgrade" in newest


def test_full_log_is_set_aside_once_by_runs_at_one_time(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id);\n")
    project.upgrade()
    path = project.root / "logs" / "migration.log"
    full = project.log
    lock, waited = fcntl.flock, []

    def waiting_for_another(file: io.FileIO, kind: int) -> None:
        waited.append(kind)
        path.rename(path.with_name("migration.log.1"))
        path.touch()
        lock(file, kind)

    project.add("sqlite", "002_t", "CREATE TABLE t2 (id);\n")
    with (
        mock.patch.object(log, "MAXIMUM_BYTES", 300),
        mock.patch.object(fcntl, "flock", waiting_for_another),
        contextlib.closing(log.MigrationLog(project.settings, "x", print)) as late,
    ):
        late.line("started")
        assert waited == [fcntl.LOCK_EX]

    logs = sorted(file.name for file in path.parent.iterdir())
    assert logs == ["migration.log", "migration.log.1"]
    assert path.with_name("migration.log.1").read_text() == full
    assert "outcome=started deployment=x" in project.log


def test_line_that_a_full_disk_cut_is_finished_by_the_next(project: Project) -> None:
    said = ["started", "ran", "failed"]
    with contextlib.closing(log.MigrationLog(project.settings, "x", print)) as journal:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Python ignores SIGXFSZ, so that the write is an error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            journal.line(said[0])
            journal.line(said[1])
            assert len(project.log) == 100
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        journal.line(said[2])

    written = log.lines(project.root / "logs" / "migration.log")
    assert [line["outcome"] for line in written] == said
