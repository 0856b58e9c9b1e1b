"""A connection that is lost, above all while it commits: the state is read back."""

from __future__ import annotations

import re
import threading

import pytest

from conftest import Project
from fault_injection import add, assert_at, at_rest, deploy, until
from proxy import Proxy
from sqlpair.errors import CommitError, SqlpairError

BEFORE, AFTER = 2, 4
PREPARE, KEEP, COMMIT = b"PREPARE TRANSACTION", b"COMMIT PREPARED", b"COMMIT\0"
LOST = "server closed the connection unexpectedly"


@pytest.fixture
def halfway(project: Project) -> Project:
    """One migration applied in each database, one pending in each."""
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    return project


def through(project: Project, word: bytes, what: str) -> str:
    """Deploy through a proxy at which ``what`` happens; return what was said."""
    direct = project.environ["DATABASE_URL"]
    with Proxy(project.dsn, word, what) as proxy:
        project.environ["DATABASE_URL"] = proxy.url
        try:
            return deploy(project)[1]
        finally:
            project.environ["DATABASE_URL"] = direct
            assert proxy.happened.is_set()


def test_process_that_is_terminated_in_a_statement_shows_that_error_and_no_other(
    halfway: Project,
) -> None:
    halfway.add("postgres", "003_t3", "CREATE TABLE t3 ();\nSELECT pg_sleep(600);\n")

    def terminate() -> None:
        until(
            lambda: halfway.pg(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE '%pg_sleep(600)%' AND state = 'active'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            ),
            "the statement runs",
        )

    administrator = threading.Thread(target=terminate)
    administrator.start()
    with pytest.raises(SqlpairError) as failure:
        deploy(halfway)
    administrator.join()

    assert failure.value.what.startswith("postgres 003_t3.sql:2: ")
    assert LOST in str(failure.value)
    assert "rolled back: nothing was changed" in failure.value.evidence
    assert "Run the command again once the server is there" in failure.value.remedy
    assert LOST in halfway.log.splitlines()[-1]
    assert_at(halfway, BEFORE)


@pytest.mark.parametrize("what", ["lost", "unanswered", "terminated"])
def test_connection_lost_while_preparing_is_rolled_back_in_both_databases(
    halfway: Project, what: str
) -> None:
    with pytest.raises(SqlpairError) as failure:
        through(halfway, PREPARE, what)

    assert failure.value.what == f"postgres: PREPARE TRANSACTION: {LOST}"
    assert "rolled back: nothing was changed" in failure.value.evidence
    assert_at(halfway, BEFORE)
    deploy(halfway)
    assert_at(halfway, AFTER)


@pytest.mark.parametrize("what", ["lost", "unanswered", "terminated"])
def test_connection_lost_after_the_decision_is_made_again_and_both_are_committed(
    halfway: Project, what: str
) -> None:
    through(halfway, KEEP, what)

    assert_at(halfway, AFTER)
    assert (halfway.root / ".env").read_text() == "SCHEMA_VERSION=4\n"
    assert "outcome=committed" in halfway.log.splitlines()[-1]


@pytest.mark.parametrize(
    ("word", "end", "decided"),
    [(PREPARE, BEFORE, "rolled back"), (KEEP, AFTER, "committed")],
)
def test_server_that_is_gone_at_the_commit_leaves_what_the_next_run_resolves(
    halfway: Project, word: bytes, end: int, decided: str
) -> None:
    with pytest.raises(SqlpairError) as failure:
        through(halfway, word, "gone")

    words = str(failure.value)
    again = "left open; the next command that changes something ends it"
    if word == PREPARE:
        assert f"PREPARE TRANSACTION: {LOST}" in words
        assert f"postgres: {again}" in words
    else:
        assert isinstance(failure.value, CommitError)
        assert "sqlite: committed" in words
    said = deploy(halfway, "base")[1]
    if word == PREPARE:
        assert f"its part here is {decided} now" in said
    assert_at(halfway, end)
    deploy(halfway)
    assert_at(halfway, AFTER)


@pytest.fixture
def unpreparable(halfway: Project) -> Project:
    """What is pending cannot be prepared: PostgreSQL commits first, and decides."""
    halfway.add("postgres", "003_t3", "CREATE TABLE t3 ();\nLISTEN news;\n")
    return halfway


@pytest.mark.parametrize("what", ["lost", "terminated"])
def test_connection_lost_before_the_commit_arrived_is_rolled_back_in_both_databases(
    unpreparable: Project, what: str
) -> None:
    with pytest.raises(SqlpairError) as failure:
        through(unpreparable, COMMIT, what)

    assert failure.value.what == f"postgres: COMMIT: {LOST}"
    assert "rolled back: nothing was changed" in failure.value.evidence
    assert_at(unpreparable, BEFORE)
    deploy(unpreparable)
    assert_at(unpreparable, AFTER)


def test_commit_whose_answer_is_lost_is_read_back_and_reported(
    unpreparable: Project,
) -> None:
    with pytest.raises(CommitError) as failure:
        through(unpreparable, COMMIT, "unanswered")

    assert failure.value.what == f"postgres: COMMIT: {LOST}"
    assert failure.value.evidence[-2:] == ("postgres: committed", "sqlite: committed")
    assert failure.value.exit_code == 1
    assert_at(unpreparable, AFTER)
    deploy(unpreparable)
    assert (unpreparable.root / ".env").read_text() == "SCHEMA_VERSION=4\n"


def test_commit_that_cannot_be_asked_about_is_said_to_be_unknown_and_finished_later(
    unpreparable: Project,
) -> None:
    with pytest.raises(CommitError) as failure:
        through(unpreparable, COMMIT, "gone")

    assert failure.value.what == f"postgres: COMMIT: {LOST}"
    words = str(failure.value)
    assert "postgres: not known to be committed: it could not be asked" in words
    assert "sqlite: rolled back" in words
    assert "Run the command again: it finishes what is not finished." in words
    assert unpreparable.applied("sqlite") == ["002_t2"]
    said = deploy(unpreparable)[1]
    assert "has reached postgres, but not sqlite" in said
    assert_at(unpreparable, AFTER)


def test_connection_lost_outside_transactions_says_what_was_done(
    halfway: Project,
) -> None:
    halfway.add(
        "postgres",
        "003_t3",
        "-- no-transaction\nCREATE TABLE a ();\nCREATE TABLE t3 ();\n",
    )

    with pytest.raises(SqlpairError) as failure:
        through(halfway, b"CREATE TABLE t3", "lost")

    assert failure.value.what == f"postgres 003_t3.sql:3: {LOST}"
    assert "done before it, and kept: 1 statement (line 2)" in failure.value.evidence
    assert halfway.applied("postgres") == ["001_t1"]
    at_rest(halfway)
    assert not re.search(r"outcome=committed deployment=\S+ version=4", halfway.log)
