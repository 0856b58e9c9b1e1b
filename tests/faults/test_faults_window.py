"""Where PostgreSQL prepares nothing: two commits, and what a death between them leaves.

The server here has ``max_prepared_transactions = 0``, which is PostgreSQL's default.
"""

from __future__ import annotations

import pytest

from conftest import Project
from fault_injection import add, assert_at, deploy, dying
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.errors import HistoryError


@pytest.fixture
def halfway(unpreparing: Project) -> Project:
    """One migration applied in each database, one pending in each."""
    add(unpreparing, 1, 2)
    unpreparing.upgrade()
    add(unpreparing, 3, 4)
    return unpreparing


@pytest.mark.parametrize(
    ("owner", "when"),
    [
        (PostgreSQLSession, "before"),
        (PostgreSQLSession, "after"),
        (SQLiteSession, "before"),
        (SQLiteSession, "after"),
    ],
)
def test_upgrade_that_died_at_a_commit_is_finished_by_the_next_one(
    halfway: Project, owner: type, when: str
) -> None:
    dying(halfway, owner, "commit", when)

    words = deploy(halfway)[1]

    assert_at(halfway, 4)
    between = (owner, when) in ((PostgreSQLSession, "after"), (SQLiteSession, "before"))
    said = "has reached postgres, but not sqlite: it was interrupted between" in words
    assert said == between
    assert deploy(halfway)[1] == ""


def test_repeated_downgrade_finishes_the_one_that_died_and_goes_no_step_further(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, PostgreSQLSession, "commit", "after", "-1", "downgrade")
    assert halfway.applied("postgres") == ["001_t1"]
    assert halfway.applied("sqlite") == ["002_t2", "004_t4"]

    words = deploy(halfway, "-1", "downgrade")[1]

    assert "finishing it on sqlite, and nothing more" in words
    assert_at(halfway, 2)
    assert "finishing it" not in deploy(halfway, "-1", "downgrade")[1]
    assert_at(halfway, 0)


def test_another_command_that_counts_steps_is_refused_between_the_sides(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, PostgreSQLSession, "commit", "after", "-1", "downgrade")

    with pytest.raises(HistoryError) as refusal:
        deploy(halfway, "+1")

    assert "and was to be at 002_t2" in str(refusal.value)
    assert halfway.applied("postgres") == ["001_t1"]
    assert halfway.applied("sqlite") == ["002_t2", "004_t4"]


def test_command_that_names_its_goal_goes_there_from_between_the_sides(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, PostgreSQLSession, "commit", "after", "-1", "downgrade")

    words = deploy(halfway)[1]

    assert "has reached postgres, but not sqlite" in words
    assert_at(halfway, 4)
    assert deploy(halfway)[1] == ""
