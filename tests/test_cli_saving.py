"""What backup and restore say, and what they ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Project, connected


@pytest.fixture
def filled(project: Project) -> Project:
    """One migration and a row on each database."""
    project.add("postgres", "001_users", "CREATE TABLE users (id int PRIMARY KEY);\n")
    project.add("sqlite", "002_trades", "CREATE TABLE trades (id int PRIMARY KEY);\n")
    project.upgrade()
    project.pg("INSERT INTO users VALUES (1)")
    project.lite("INSERT INTO trades VALUES (1)")
    return project


def test_backup_says_what_was_saved_and_where(filled: Project) -> None:
    done = filled.sqlpair("backup")

    *_, version, folder = done.stdout.splitlines()
    assert version == "Backed up: schema version 2."
    assert (Path(folder) / "manifest.json").is_file()
    assert "sqlite" in done.stdout
    assert "sqlite.db" in done.stdout


def test_restore_asks_first(filled: Project) -> None:
    folder = filled.sqlpair("backup").stdout.splitlines()[-1]
    filled.lite("DELETE FROM trades")

    done = filled.sqlpair("restore", folder, expect=2)

    assert "this asks first" in done.stderr
    assert "schema version 2" in done.stderr
    assert filled.lite("SELECT count(*) FROM trades") == [(0,)]


def test_restore_says_what_it_kept_and_how_to_remove_it(filled: Project) -> None:
    folder = filled.sqlpair("backup").stdout.splitlines()[-1]
    filled.pg("DELETE FROM users")
    filled.lite("DELETE FROM trades")

    done = filled.sqlpair("restore", "--yes", folder)

    assert filled.pg("SELECT count(*) FROM users") == [(1,)]
    assert filled.lite("SELECT count(*) FROM trades") == [(1,)]
    *said, drop, remove = [line.strip() for line in done.stdout.splitlines()]
    assert said[0].startswith("Restored: postgres and sqlite, schema version 2")
    assert drop.startswith("DROP DATABASE ")
    assert remove.startswith("rm '")
    with connected(filled.dsn) as execute:
        execute(drop)


def test_unknown_backup_exits_with_two_and_lists_those_there_are(
    filled: Project,
) -> None:
    folder = Path(filled.sqlpair("backup").stdout.splitlines()[-1])

    done = filled.sqlpair("restore", "--yes", "nonsense", expect=2)

    assert "there is no backup 'nonsense'" in done.stderr
    assert f"{folder.name}: version 2" in done.stderr
