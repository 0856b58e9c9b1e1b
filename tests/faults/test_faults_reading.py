"""Commands that only read name what was interrupted, what it moved and what ends it."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any
from unittest import mock

import pytest

from conftest import Project
from fault_injection import (
    add,
    assert_at,
    become_nobody,
    deploy,
    dying,
    forked_to_the_end,
)
from saving import drop_kept, fill, make, stop_at
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.deploy import deployment
from sqlpair.ledger import tables
from sqlpair.project.branches import branches
from sqlpair.runner import applied_files
from sqlpair.verify import interrupted

IN_DOUBT = "a transaction of an interrupted deployment is in doubt"
HALF_DONE = "has reached postgres, but not sqlite: it was interrupted"


@pytest.fixture(autouse=True)
def at_once() -> Any:
    with mock.patch.object(interrupted, "PAUSE", 0):
        yield


def halfway(project: Project) -> Project:
    """One migration applied in each database, one pending in each."""
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    return project


def told(project: Project, *, plans: int) -> dict[str, str]:
    """Return what each reading command prints; ``plans`` is the exit code of plan."""
    codes = {
        "status": 1,
        "status --exit-code": 1,
        "version": 1,
        "verify": 1,
        "verify postgres": 1,
        "verify sqlite": 1,
        "plan": plans,
        "history": 0,
        "alembic current": 0,
        "alembic history -i": 0,
    }
    said = {}
    for command, code in codes.items():
        program, *words = f"sqlpair {command}".replace("sqlpair alembic", "al").split()
        run = project.alembic if program == "al" else project.sqlpair
        done = run(*words, expect=code)
        said[command] = done.stdout + done.stderr
    return said


def follow(project: Project, command: str) -> None:
    """Run what a message says, and find that nothing is left to be said."""
    program, *words = command.split()
    (project.alembic if program == "alembic" else project.sqlpair)(*words)
    assert json.loads(project.sqlpair("status", "--json").stdout)["problems"] == []


@pytest.mark.parametrize(
    ("arguments", "when", "moved", "command"),
    [
        ((), "before", "no other database has committed it", "sqlpair migrate"),
        (
            (),
            "after",
            "postgres is at 001_t1, and was to be at 003_t3",
            "sqlpair migrate",
        ),
        (
            ("-1", "downgrade"),
            "after",
            "postgres is at 001_t1, and was to be at base",
            "sqlpair rollback --to 0",
        ),
    ],
)
def test_every_reading_command_names_what_is_in_doubt(
    project: Project, arguments: tuple[str, ...], when: str, moved: str, command: str
) -> None:
    halfway(project)
    dying(project, SQLiteSession, "commit", when, *arguments)

    for name, said in told(project, plans=1).items():
        assert IN_DOUBT in said, name
        assert moved in said, name
        assert f"this ends it: {command}\n" in said, name

    assert project.pg("SELECT count(*) FROM pg_prepared_xacts") == [(1,)]
    follow(project, command)


@pytest.mark.parametrize(
    ("arguments", "moved", "command"),
    [
        (
            (),
            "sqlite is at 002_t2, and was to be at 004_t4",
            "sqlpair migrate",
        ),
        (
            ("-1", "downgrade"),
            "sqlite is at 002_t2, and was to be at base",
            "sqlpair rollback --to 0",
        ),
    ],
)
def test_every_reading_command_names_what_is_half_done(
    unpreparing: Project, arguments: tuple[str, ...], moved: str, command: str
) -> None:
    halfway(unpreparing)
    dying(unpreparing, PostgreSQLSession, "commit", "after", *arguments)

    for name, said in told(unpreparing, plans=0).items():
        assert HALF_DONE in said, name
        assert r"\n" not in said, name
        assert moved in said, name
        assert f"this finishes it: {command}\n" in said, name

    follow(unpreparing, command)


def test_history_for_programs_ends_with_what_is_half_done(unpreparing: Project) -> None:
    halfway(unpreparing)
    dying(unpreparing, PostgreSQLSession, "commit", "after")

    *_, last = json.loads(unpreparing.sqlpair("history", "--json").stdout)

    assert last["action"] == "interrupted"
    assert HALF_DONE in last["note"]
    assert "this finishes it: sqlpair migrate" in last["note"]


def test_what_finishes_a_step_of_one_goes_no_further(unpreparing: Project) -> None:
    halfway(unpreparing)
    add(unpreparing, 5, 6)
    dying(unpreparing, PostgreSQLSession, "commit", "after", "+1")

    said = unpreparing.sqlpair("status", expect=1).stdout

    assert "this finishes it: sqlpair migrate --to 4\n" in said
    follow(unpreparing, "sqlpair migrate --to 4")
    assert_at(unpreparing, 4)


def test_what_finishes_a_downgrade_moves_no_other_database(
    unpreparing: Project,
) -> None:
    add(unpreparing, 2, 4, 5, 7)
    unpreparing.upgrade()
    dying(unpreparing, PostgreSQLSession, "commit", "after", "-1", "downgrade")

    said = unpreparing.sqlpair("verify", expect=1).stdout

    # Version 5 would leave 004 where it is, and version 2 take 005 away.
    assert "this finishes it: alembic downgrade sqlite@sqlite_002\n" in said
    follow(unpreparing, "alembic downgrade sqlite@sqlite_002")
    assert unpreparing.applied("postgres") == ["005_t5"]
    assert unpreparing.applied("sqlite") == ["002_t2"]


def test_half_a_stamp_is_finished_by_a_stamp(unpreparing: Project) -> None:
    halfway(unpreparing)
    force = partial(unpreparing.sqlpair, "force-version", "4", "--yes")
    dying(unpreparing, PostgreSQLSession, "commit", "after", action=force)

    said = unpreparing.sqlpair("verify", expect=1).stdout

    assert "sqlite is at 002_t2, and was to be at 004_t4" in said
    assert "this finishes it: alembic stamp sqlite@sqlite_004\n" in said
    follow(unpreparing, "alembic stamp sqlite@sqlite_004")
    assert unpreparing.applied("sqlite") == ["002_t2", "004_t4"]


def test_a_deployment_that_commits_between_two_reads_is_not_interrupted(
    project: Project,
) -> None:
    halfway(project)
    read = tables.read
    calls = []

    def late(session: Any) -> tables.Records:
        found = read(session)
        calls.append(session.database.name)
        if len(calls) == 1:  # PostgreSQL as it was before, SQLite after
            with mock.patch.object(tables, "read", read):
                deploy(project)
        return found

    for command in ("status", "verify", "history", "plan"):
        calls.clear()
        with mock.patch.object(tables, "read", late):
            done = project.sqlpair(command)
        assert "interrupted" not in done.stdout + done.stderr, command
        project.downgrade("-1")


@pytest.mark.parametrize("command", ["status", "version", "verify"])
def test_an_interrupted_restore_is_named(project: Project, command: str) -> None:
    fill(project)
    stop_at(project, make(project), "Putting the copy of postgres")

    said = project.sqlpair(command, expect=1).stdout

    assert re.search(r"restore \S+ was interrupted, or is at work", said)
    assert "If it is not at work any more, this ends it: sqlpair migrate" in said
    follow(project, "sqlpair migrate")
    drop_kept(project)


def test_restores_in_a_closed_folder_are_not_none(project: Project) -> None:
    add(project, 1, 2)
    project.upgrade()
    folder = project.settings.backups.folder
    folder.mkdir(parents=True)
    folder.chmod(0)

    def look() -> None:
        become_nobody(project.root)
        (problem,) = interrupted.interruptions(project.settings, {}, print)
        assert problem.what == "it cannot be told whether a restore was interrupted"
        assert problem.evidence == (f"{folder}: Permission denied",)
        with pytest.raises(PermissionError):
            deployment.finish_restores(project.settings, print)

    forked_to_the_end(look)
    folder.chmod(0o700)


def test_a_rollback_that_cannot_be_read_is_not_recorded_as_none(
    project: Project,
) -> None:
    add(project, 1, 2)
    (branch, *_) = branches(project.settings)
    (migration,) = branch.migrations
    migration.down.chmod(0)

    def look() -> None:
        become_nobody(project.root)
        with pytest.raises(PermissionError):
            applied_files.present(branch, migration)

    forked_to_the_end(look)


def test_the_tenth_stage_comes_after_the_ninth(project: Project) -> None:
    marked = "-- no-transaction\nCREATE TABLE n{0} (id int);\n"
    for number in range(1, 16, 3):
        add(project, number)
        add(project, number + 1)
        project.add("postgres", f"{number + 2:03}_n", marked.format(number))
    project.upgrade()

    assert "/10'" in str(project.pg("SELECT transaction_id FROM schema_history"))
    assert json.loads(project.sqlpair("status", "--json").stdout)["problems"] == []
