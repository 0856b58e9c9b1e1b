"""Plain Alembic commands mean what its manual says, on each database."""

from __future__ import annotations

import pytest

from conftest import Project


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


def test_upgrade_heads_applies_everything_in_number_order(two_each: Project) -> None:
    done = two_each.alembic("upgrade", "heads")

    assert two_each.tables("postgres") == {"t1", "t3"}
    assert two_each.tables("sqlite") == {"t2", "t4"}
    assert two_each.applied("postgres") == ["001_t1", "003_t3"]
    assert two_each.heads("sqlite") == ["sqlite_004"]
    lines = [line.split()[:2] for line in done.stderr.splitlines()[:4]]
    assert lines == [
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


def test_downgrade_one_step_is_one_step_on_each_database(two_each: Project) -> None:
    two_each.upgrade()

    two_each.alembic("downgrade", "-1")

    assert two_each.applied("postgres") == ["001_t1"]
    assert two_each.applied("sqlite") == ["002_t2"]
    assert two_each.heads("postgres") == ["postgres_001"]


def test_failed_migration_leaves_both_databases_untouched(two_each: Project) -> None:
    two_each.upgrade()
    two_each.add("postgres", "005_more", "CREATE TABLE more (id int);\n")
    two_each.add("sqlite", "006_broken", "CREATE TABLE half (id int);\nSELECT nope;\n")

    failure = two_each.alembic("upgrade", "heads", expect=1)

    assert "sqlite 006_broken.sql:2: no such column: nope" in failure.stderr
    assert two_each.tables("postgres") == {"t1", "t3"}
    assert two_each.tables("sqlite") == {"t2", "t4"}
    assert two_each.applied("postgres") == ["001_t1", "003_t3"]
    assert two_each.heads("postgres") == ["postgres_003"]
