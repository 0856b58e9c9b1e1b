"""PostgreSQL and SQLite land on the same side, whatever ends the run between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project
from fault_injection import add, assert_at, deploy, dying
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.errors import HistoryError, SqlpairError

BASE, BEFORE, AFTER = 0, 2, 4


@pytest.fixture
def halfway(project: Project) -> Project:
    """One migration applied in each database, one pending in each."""
    add(project, 1, 2)
    project.upgrade()
    add(project, 3, 4)
    return project


def resolve(project: Project) -> str:
    """Run a changing command that has nothing of its own to change."""
    return deploy(project, "base", "upgrade")[1]


KILLS = [
    # owner, method, when, which call, where it must end, whether that is said
    (PostgreSQLSession, "run", "after", 1, BEFORE, False),
    (SQLiteSession, "run", "after", 1, BEFORE, False),
    (PostgreSQLSession, "prepare", "before", 1, BEFORE, False),
    (PostgreSQLSession, "prepare", "after", 1, BEFORE, True),
    (SQLiteSession, "commit", "before", 1, BEFORE, True),
    (SQLiteSession, "commit", "after", 1, AFTER, True),
    (PostgreSQLSession, "decide", "before", 1, AFTER, True),
    (PostgreSQLSession, "decide", "after", 1, AFTER, False),
]


@pytest.mark.parametrize(("owner", "method", "when", "call", "end", "said"), KILLS)
def test_after_a_kill_the_next_command_resolves_both_to_one_side_and_says_so(
    halfway: Project,
    owner: type,
    method: str,
    when: str,
    call: int,
    end: int,
    said: bool,
) -> None:
    dying(halfway, owner, method, when, call=call)

    words = resolve(halfway)

    assert_at(halfway, end)
    assert ("was interrupted" in words) == said
    deploy(halfway)
    assert_at(halfway, AFTER)
    assert "Nothing to do" in halfway.alembic("upgrade", "heads").stderr


@pytest.mark.parametrize("when", ["before", "after"])
def test_transaction_in_doubt_of_another_role_is_told_with_its_owner(
    halfway: Project, when: str
) -> None:
    dying(halfway, SQLiteSession, "commit", when)
    ((gid,),) = halfway.pg("SELECT gid FROM pg_prepared_xacts")
    halfway.pg("CREATE ROLE other LOGIN")
    halfway.pg("GRANT ALL ON ALL TABLES IN SCHEMA public TO other")
    halfway.pg("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO other")
    try:
        url = halfway.dsn.replace("user=postgres", "user=other")
        failure = halfway.sqlpair("migrate", expect=1, DATABASE_URL=url)
    finally:
        halfway.pg("DROP OWNED BY other")
        halfway.pg("DROP ROLE other")

    assert "in doubt is of the role postgres, and other may not end it" in (
        failure.stderr
    )
    assert "Run the command as postgres or as a superuser" in failure.stderr
    verb = "COMMIT" if when == "after" else "ROLLBACK"
    assert f"{verb} PREPARED '{gid}';" in failure.stderr
    assert "Grant" not in failure.stderr
    resolve(halfway)
    assert_at(halfway, AFTER if when == "after" else BEFORE)


def test_the_recovery_is_in_the_log(halfway: Project) -> None:
    dying(halfway, SQLiteSession, "commit", "after")

    resolve(halfway)

    assert re.search(r"outcome=settled .*postgres.* is committed now", halfway.log)


def test_killed_downgrade_is_finished_and_repeating_it_goes_no_step_further(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, SQLiteSession, "commit", "after", "-1", "downgrade")

    failure = halfway.alembic("downgrade", "-1", expect=1)

    assert "an interrupted deployment was finished first" in failure.stderr
    assert "postgres is at 001_t1" in failure.stderr
    assert "run the command again" in failure.stderr
    assert_at(halfway, BEFORE)
    halfway.alembic("downgrade", "-1")
    assert_at(halfway, BASE)


def test_killed_downgrade_that_is_taken_back_can_simply_be_repeated(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, SQLiteSession, "commit", "before", "-1", "downgrade")

    done = halfway.alembic("downgrade", "-1")

    assert "was interrupted; its part here is rolled back now" in done.stderr
    assert_at(halfway, BEFORE)


def test_killed_rollback_is_finished_and_not_followed_by_another(
    halfway: Project,
) -> None:
    deploy(halfway)
    dying(halfway, SQLiteSession, "commit", "after", "-1", "downgrade")

    halfway.sqlpair("rollback", expect=1)

    assert_at(halfway, BEFORE)


def test_another_projects_prepared_transaction_is_never_decided_here(
    halfway: Project,
) -> None:
    foreign = [
        "sqlpair:{0}.other:20260101T000000.000Z-abcdef/1",
        "sqlpair:{0}.public:x:20260101T000000.000Z-abcdef/1",
        "20260101T000000.000Z-abcdef/1",
        "theirs",
    ]
    [(name,)] = halfway.pg("SELECT current_database()")
    gids = sorted(gid.format(name) for gid in foreign)
    for number, gid in enumerate(gids):
        halfway.pg(f"BEGIN; CREATE TABLE f{number} (); PREPARE TRANSACTION '{gid}'")

    words = resolve(halfway)
    deploy(halfway)

    left = sorted(gid for (gid,) in halfway.pg("SELECT gid FROM pg_prepared_xacts"))
    assert left == gids
    assert "interrupted" not in words
    for gid in gids:
        halfway.pg(f"ROLLBACK PREPARED '{gid}'")
    assert_at(halfway, AFTER)


@pytest.mark.parametrize(
    "statement",
    ["CREATE TEMP TABLE scrap (x int);", "LISTEN news;", "NOTIFY news;"],
)
def test_what_cannot_be_prepared_is_run_again_and_committed_without(
    halfway: Project, statement: str
) -> None:
    halfway.add("postgres", "005_t5", f"CREATE TABLE t5 ();\n{statement}\n")

    words = deploy(halfway)[1]

    assert "cannot PREPARE a transaction that has" in words
    assert "Running it again, to commit without preparing" in words
    assert halfway.applied("postgres") == ["001_t1", "003_t3", "005_t5"]
    assert halfway.applied("sqlite") == ["002_t2", "004_t4"]


def test_failure_in_either_database_leaves_both_as_they_were(halfway: Project) -> None:
    for database, number in (("postgres", 5), ("sqlite", 6)):
        stem = f"00{number}_broken"
        halfway.add(database, stem, "CREATE TABLE half (id int);\nSELECT nope;\n")

        with pytest.raises(SqlpairError, match=rf"{database} {stem}\.sql:2") as failure:
            deploy(halfway)

        assert "rolled back: nothing was changed" in str(failure.value)
        assert_at(halfway, BEFORE)
        for path in halfway.root.glob(f"*/**/{stem}*"):
            path.unlink()


def test_with_a_transaction_for_each_migration_a_rerun_resumes(
    halfway: Project,
) -> None:
    halfway.configure("alembic", transaction="migration")
    halfway.add("postgres", "005_t5", "CREATE TABLE t5 ();\nSELECT 1 / 0;\n")

    failure = halfway.alembic("upgrade", "heads", expect=1)

    assert "postgres 005_t5.sql:2: division by zero" in failure.stderr
    assert "committed before it: postgres 003_t3, sqlite 004_t4\n" in failure.stderr
    assert_at(halfway, AFTER)
    halfway.add("postgres", "005_t5", "CREATE TABLE t5 ();\n")
    done = halfway.alembic("upgrade", "heads")
    assert re.findall(r"^\w+ (\d+)_\w+: upgrade done", done.stderr, re.M) == ["005"]


def test_env_that_is_behind_because_a_run_died_is_repaired(halfway: Project) -> None:
    env = halfway.root / ".env"
    env.write_text("SCHEMA_VERSION=2\n")
    import sqlpair.ledger.version

    dying(halfway, sqlpair.ledger.version, "write", "before")  # type: ignore[arg-type]
    assert env.read_text() == "SCHEMA_VERSION=2\n"

    done = halfway.alembic("upgrade", "heads")

    assert "Nothing to do" in done.stderr
    assert env.read_text() == "SCHEMA_VERSION=4\n"
    assert_at(halfway, AFTER)


def test_relative_step_after_a_recovery_that_moved_nothing_is_taken(
    halfway: Project,
) -> None:
    dying(halfway, SQLiteSession, "commit", "before", "+1")

    deploy(halfway, "+1")

    assert_at(halfway, AFTER)


def test_relative_step_after_a_recovery_that_moved_is_refused(
    halfway: Project,
) -> None:
    add(halfway, 5, 6)
    dying(halfway, SQLiteSession, "commit", "after", "+1")

    with pytest.raises(HistoryError, match="was finished first"):
        deploy(halfway, "+1")

    assert_at(halfway, AFTER)


FOUR = ("postgres", "more_postgres", "sqlite", "more_sqlite")


@pytest.fixture
def four(halfway: Project, new_database: Callable[[], str]) -> Project:
    """Two databases of each engine; the two PostgreSQL ones share a server."""
    halfway.environ |= {"MORE_URL": new_database(), "MORE_PATH": "state/more.db"}
    versions = (f"%(here)s/alembic/versions/{name}" for name in FOUR)
    halfway.configure("alembic", databases=", ".join(FOUR))
    halfway.configure("alembic", version_locations="\n".join(("", *versions)))
    halfway.configure("more_postgres", driver="postgresql", variable="MORE_URL")
    halfway.configure("more_sqlite", driver="sqlite", variable="MORE_PATH")
    for number, database in enumerate(FOUR, start=5):
        (halfway.root / "sql" / database).mkdir(exist_ok=True)
        halfway.add(database, f"{number:03}_last", "CREATE TABLE last (id int);\n")
    return halfway


def last_steps(project: Project) -> dict[str, bool]:
    """Say of each of the four databases whether its last migration is applied."""
    statuses = {status: deploy(project, "base")[0].statuses[status] for status in FOUR}
    return {name: status.head.endswith("_last") for name, status in statuses.items()}


@pytest.mark.parametrize(
    ("owner", "method", "when", "call", "end"),
    [
        (PostgreSQLSession, "prepare", "after", 1, False),
        (PostgreSQLSession, "prepare", "after", 2, False),
        (SQLiteSession, "commit", "before", 1, False),
        (SQLiteSession, "commit", "after", 2, True),
        (PostgreSQLSession, "decide", "after", 1, True),
    ],
)
def test_four_databases_are_resolved_to_one_side(
    four: Project, owner: type, method: str, when: str, call: int, end: bool
) -> None:
    dying(four, owner, method, when, call=call)

    assert last_steps(four) == dict.fromkeys(FOUR, end)
    deploy(four)
    assert last_steps(four) == dict.fromkeys(FOUR, True)
    assert four.pg("SELECT gid FROM pg_prepared_xacts") == []


def test_second_of_two_databases_that_cannot_promise_is_finished_by_the_next_run(
    four: Project,
) -> None:
    dying(four, SQLiteSession, "commit", "after", call=1)

    words = deploy(four)[1]

    assert "but not more_sqlite: it was interrupted between their commits" in words
    assert last_steps(four) == dict.fromkeys(FOUR, True)


def test_new_address_for_one_database_alone_is_told_as_what_it_may_be(
    project: Project, tmp_path: Path
) -> None:
    for database, number in (("postgres", 1), ("sqlite", 2)):
        project.add(database, f"00{number}_t", "CREATE TABLE t (id int);\n")
    project.upgrade()
    project.environ["SQLITE_PATH"] = str(tmp_path / "another.db")

    done = project.alembic("upgrade", "heads")

    assert "or it went to another sqlite" in done.stderr
    assert "sqlite 002_t: upgrade done" in done.stderr
    assert "postgres 001_t: upgrade" not in done.stderr
