"""PostgreSQL's SQL files, run by hand with psql as the documents promise.

On the PostgreSQL of the wheel, and on each one that the machine has.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import make_dsn

from sqlpair.databases import embedded

FILES = Path(__file__).parents[2] / "sql" / "postgres"
MACHINES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NUMBERS = itertools.count()

# Each way in which people run a file.
BY_HAND = {"psql": [], "psql -1": ["-1", "-v", "ON_ERROR_STOP=1"]}

any_way = pytest.mark.parametrize("options", BY_HAND.values(), ids=BY_HAND)

NOBODY = "00000000-0000-0000-0000-000000000000"
USER = "INSERT INTO users (email, password_hash) VALUES (%s, 'x') RETURNING id"
CREDENTIALS = (
    "INSERT INTO user_credentials (user_id, broker, environment, api_key_encrypted,"
    " api_secret_encrypted, encryption_iv, encryption_salt)"
    " VALUES (%s, 'a broker', 'live', 'k', 's', 'i', 's')"
)
STRATEGY = (
    "INSERT INTO user_strategies (user_id, strategy_name, instrument, broker,"
    " environment) VALUES (%s, 'trend', 'BTC', 'a broker', %s) RETURNING id"
)


class Database:
    """One database, with psql for the files and a connection for questions."""

    def __init__(self, server: embedded.Server, name: str, template: str):
        self.server, self.name = server, name
        self._outside(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        self.dsn = make_dsn(server.dsn, dbname=name)
        self.connection = psycopg2.connect(self.dsn)
        self.connection.autocommit = True

    def drop(self) -> None:
        self.connection.close()
        self._outside(f"DROP DATABASE {self.name}")

    def _outside(self, statement: str) -> None:
        with closing(psycopg2.connect(self.server.dsn)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def psql(self, file: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = self.server.binaries / "psql"
        return subprocess.run(
            [program, "-X", "-q", *options, "-f", FILES / file, self.dsn],
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *files: str) -> None:
        for file in files:
            done = self.psql(file, "-v", "ON_ERROR_STOP=1")
            assert done.returncode == 0, done.stderr

    def ask(self, statement: str, *values: object) -> list[Any]:
        """Rows; of a single column, its values."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall() if cursor.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    def add_user(self, email: str = "a@example.com") -> str:
        return str(self.ask(USER, email)[0])

    def dump(self) -> list[str]:
        """Everything in it: schema and rows."""
        done = subprocess.run(
            [self.server.binaries / "pg_dump", self.dsn],
            capture_output=True,
            text=True,
            check=True,
        )
        # Newer ones put a random word around the dump.
        return [x for x in done.stdout.splitlines() if "restrict " not in x]

    def problems(self, file: str) -> list[str]:
        """What each query of a verify file finds, in the file's order."""
        text = "\n".join(
            line
            for line in (FILES / file).read_text().splitlines()
            if not line.startswith("--")
        )
        queries = [query for query in text.split(";") if query.strip()]
        return [problem for query in queries for _, problem in self.ask(query)]


@pytest.fixture(
    scope="module",
    params=[None, *MACHINES],
    ids=lambda place: place.parent.name if place else "wheel",
)
def server(request: pytest.FixtureRequest) -> Iterator[embedded.Server]:
    """A server with a database as it is before, between and after 000 and 001."""
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        data = Path(stack.enter_context(folder), "data")
        server = stack.enter_context(embedded.server(data, binaries=request.param))
        template = "template0"
        for name, file in [
            ("fresh", None),
            ("baseline", "000_baseline.sql"),
            ("migrated", "001_create_user_strategies.sql"),
        ]:
            database = Database(server, name, template)
            if file:
                database.run(file)
            database.connection.close()
            template = name
        yield server


def copy_of(template: str) -> Callable[[embedded.Server], Iterator[Database]]:
    def database(server: embedded.Server) -> Iterator[Database]:
        copy = Database(server, f"copy_{next(NUMBERS)}", template)
        yield copy
        copy.drop()

    return database


fresh = pytest.fixture(copy_of("fresh"))
baseline = pytest.fixture(copy_of("baseline"))
migrated = pytest.fixture(copy_of("migrated"))


COLUMNS = {
    "users": """
        id uuid NOT NULL gen_random_uuid()
        email varchar(255) NOT NULL
        password_hash varchar(255) NOT NULL
        full_name varchar(255)
        created_at timestamptz now()
        last_login timestamptz
        is_active bool true
    """,
    "user_credentials": """
        id uuid NOT NULL gen_random_uuid()
        user_id uuid NOT NULL
        broker varchar(50) NOT NULL
        environment varchar(20) NOT NULL
        api_key_encrypted text NOT NULL
        api_secret_encrypted text NOT NULL
        encryption_iv text NOT NULL
        encryption_salt text NOT NULL
        created_at timestamptz now()
        last_used timestamptz
        is_active bool true
    """,
    "user_strategies": """
        id uuid NOT NULL gen_random_uuid()
        user_id uuid NOT NULL
        strategy_name varchar(100) NOT NULL
        instrument varchar(100) NOT NULL
        broker varchar(50) NOT NULL
        environment varchar(20) NOT NULL
        config jsonb NOT NULL '{}'::jsonb
        status varchar(50) NOT NULL 'stopped'::character varying
        last_action varchar(50)
        auto_reconnect bool true
        connected_at timestamptz
        disconnected_at timestamptz
        last_heartbeat timestamptz
        error_message text
        error_count int4 0
        created_at timestamptz now()
        updated_at timestamptz now()
    """,
}

INDEXES = {
    "idx_users_email": "users (email)",
    "idx_users_active": "users (is_active)",
    "idx_user_credentials_user": "user_credentials (user_id)",
    "idx_user_credentials_broker": "user_credentials (broker)",
    "idx_user_credentials_active": "user_credentials (is_active)",
    "unique_user_broker_env": "user_credentials (user_id, broker, environment)",
    "idx_user_strategies_user": "user_strategies (user_id)",
    "idx_user_strategies_status": "user_strategies (status)",
    "idx_user_strategies_broker": "user_strategies (broker)",
    "idx_user_strategies_environment": "user_strategies (environment)",
    "idx_user_strategies_created_at": "user_strategies (created_at)",
    "idx_user_strategies_updated": "user_strategies (updated_at DESC)",
    "idx_user_strategies_auto_reconnect": "user_strategies (auto_reconnect)",
    "idx_user_strategies_user_status": "user_strategies (user_id, status)",
    "unique_user_strategy": (
        "user_strategies (user_id, strategy_name, instrument, environment)"
    ),
}


def test_columns_are_the_documented_ones(migrated: Database) -> None:
    found = migrated.ask(
        "SELECT table_name, concat_ws(' ', column_name,"
        " udt_name || '(' || character_maximum_length || ')',"
        " CASE WHEN character_maximum_length IS NULL THEN udt_name END,"
        " CASE is_nullable WHEN 'NO' THEN 'NOT NULL' END, column_default)"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " ORDER BY table_name, ordinal_position"
    )

    assert found == [
        (table, line.strip())
        for table, lines in sorted(COLUMNS.items())
        for line in lines.strip().splitlines()
    ]


def test_indexes_are_the_documented_ones(migrated: Database) -> None:
    found = dict(
        migrated.ask(
            "SELECT indexname, replace(substring(indexdef from 'public[.](.*)'),"
            " 'USING btree ', '') FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname NOT LIKE '%%_pkey' AND indexname <> 'users_email_key'"
        )
    )

    assert found == INDEXES


@any_way
def test_baseline_is_harmless_where_the_backend_made_the_tables(
    fresh: Database, options: list[str]
) -> None:
    fresh.run("000_baseline.sql")
    fresh.ask(CREDENTIALS, fresh.add_user())
    fresh.ask("ALTER TABLE users ADD COLUMN locale text")
    before = fresh.dump()

    assert fresh.psql("000_baseline.sql", *options).returncode == 0

    assert fresh.dump() == before


def test_baseline_adds_an_index_that_production_lacks(baseline: Database) -> None:
    before = baseline.dump()
    baseline.ask("DROP INDEX idx_users_active")

    baseline.run("000_baseline.sql")

    assert baseline.dump() == before


@any_way
def test_baseline_refuses_other_tables_of_its_names(
    fresh: Database, options: list[str]
) -> None:
    fresh.ask("CREATE TABLE users (id uuid PRIMARY KEY, email text, is_active bool)")
    before = fresh.dump()

    failure = fresh.psql("000_baseline.sql", *options)

    assert 'column "password_hash" does not exist' in failure.stderr
    assert fresh.dump() == before


@any_way
def test_baseline_rollback_refuses_rows_and_changes_nothing(
    baseline: Database, options: list[str]
) -> None:
    baseline.add_user("b@example.com")
    baseline.ask(CREDENTIALS, baseline.add_user())
    before = baseline.dump()

    failure = baseline.psql("000_baseline_rollback.sql", *options)

    assert (
        "not dropped: users has 2 row(s), user_credentials has 1 row(s)"
        in failure.stderr
    )
    assert baseline.dump() == before


def test_baseline_rollback_sees_rows_that_a_policy_hides(baseline: Database) -> None:
    baseline.add_user()
    baseline.ask("CREATE ROLE app LOGIN")
    try:
        baseline.ask("GRANT ALL ON SCHEMA public TO app")
        baseline.ask("ALTER TABLE users OWNER TO app")
        baseline.ask("ALTER TABLE user_credentials OWNER TO app")
        baseline.ask("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
        baseline.ask("ALTER TABLE users FORCE ROW LEVEL SECURITY")
        as_app = make_dsn(baseline.dsn, user="app")
        baseline.dsn, as_root = as_app, baseline.dsn

        failure = baseline.psql("000_baseline_rollback.sql")

        assert "row-level security" in failure.stderr
        assert baseline.ask("SELECT email FROM users") == ["a@example.com"]
    finally:
        baseline.dsn = as_root
        baseline.ask("DROP OWNED BY app CASCADE")
        baseline.ask("DROP ROLE app")


def test_baseline_rollback_waits_for_a_row_on_its_way(baseline: Database) -> None:
    with closing(psycopg2.connect(baseline.dsn)) as backend:
        backend.cursor().execute(USER, ["late@example.com"])
        rollback = subprocess.Popen(
            [
                *(baseline.server.binaries / "psql", "-X", "-q"),
                *("-f", FILES / "000_baseline_rollback.sql", baseline.dsn),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        while not baseline.ask("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert rollback.poll() is None
            time.sleep(0.01)
        backend.commit()
        _, said = rollback.communicate()

    assert "not dropped: users has 1 row(s)" in said
    assert baseline.ask("SELECT email FROM users") == ["late@example.com"]


def test_baseline_rollback_takes_no_table_that_others_refer_to(
    migrated: Database,
) -> None:
    before = migrated.dump()

    failure = migrated.psql("000_baseline_rollback.sql")

    assert "other objects depend on it" in failure.stderr
    assert migrated.dump() == before


def test_rollbacks_leave_no_trace(fresh: Database) -> None:
    empty = fresh.dump()
    fresh.run("000_baseline.sql")
    baseline = fresh.dump()
    fresh.run("001_create_user_strategies.sql")
    fresh.ask(STRATEGY, fresh.add_user(), "live")

    fresh.run("001_create_user_strategies_rollback.sql")
    fresh.ask("DELETE FROM users")
    assert fresh.dump() == baseline

    fresh.run("000_baseline_rollback.sql")
    assert fresh.dump() == empty


@any_way
def test_a_file_that_fails_by_hand_changes_nothing(
    baseline: Database, options: list[str]
) -> None:
    baseline.ask("CREATE TABLE idx_user_strategies_updated ()")
    before = baseline.dump()

    failure = baseline.psql("001_create_user_strategies.sql", *options)

    assert '"idx_user_strategies_updated" already exists' in failure.stderr
    assert baseline.dump() == before


def test_an_existing_user_strategies_is_not_taken_for_ours(
    migrated: Database,
) -> None:
    before = migrated.dump()

    failure = migrated.psql("001_create_user_strategies.sql")

    assert 'ERROR:  relation "user_strategies" already exists' in failure.stderr
    assert migrated.dump() == before


def test_one_user_has_a_strategy_once_for_each_instrument_and_environment(
    migrated: Database,
) -> None:
    user, other = migrated.add_user(), migrated.add_user("b@example.com")
    migrated.ask(STRATEGY, user, "live")
    migrated.ask(STRATEGY, user, "testnet")
    migrated.ask(STRATEGY, other, "live")

    with pytest.raises(errors.UniqueViolation):
        migrated.ask(STRATEGY, user, "live")


def test_one_user_has_credentials_once_for_each_broker_and_environment(
    baseline: Database,
) -> None:
    user = baseline.add_user()
    baseline.ask(CREDENTIALS, user)

    with pytest.raises(errors.UniqueViolation):
        baseline.ask(CREDENTIALS, user)
    with pytest.raises(errors.UniqueViolation):
        baseline.add_user()


def test_status_and_environment_are_of_the_listed_values(migrated: Database) -> None:
    user = migrated.add_user()
    migrated.ask(STRATEGY, user, "live")
    for status in ("active", "stopped", "paused", "error"):
        migrated.ask("UPDATE user_strategies SET status = %s", status)

    with pytest.raises(errors.CheckViolation):
        migrated.ask("UPDATE user_strategies SET status = 'Active'")
    with pytest.raises(errors.CheckViolation):
        migrated.ask(STRATEGY, user, "production")


def test_a_deleted_user_takes_strategies_and_credentials_along(
    migrated: Database,
) -> None:
    user, other = migrated.add_user(), migrated.add_user("b@example.com")
    for owner in (user, other):
        migrated.ask(STRATEGY, owner, "live")
        migrated.ask(CREDENTIALS, owner)

    migrated.ask("DELETE FROM users WHERE id = %s", user)

    assert migrated.ask("SELECT user_id::text FROM user_strategies") == [other]
    assert migrated.ask("SELECT user_id::text FROM user_credentials") == [other]


def test_a_strategy_of_nobody_is_refused(migrated: Database) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        migrated.ask(STRATEGY, NOBODY, "live")
    with pytest.raises(errors.ForeignKeyViolation):
        migrated.ask(CREDENTIALS, NOBODY)


def test_updated_at_moves_with_each_update(migrated: Database) -> None:
    migrated.ask(STRATEGY, migrated.add_user(), "live")
    update = "UPDATE user_strategies SET error_count = 1 RETURNING updated_at"
    (made,) = migrated.ask("SELECT created_at FROM user_strategies")

    migrated.ask("BEGIN")
    (once,), (twice,) = migrated.ask(update), migrated.ask(update)
    migrated.ask("COMMIT")

    assert made < once < twice


def test_updated_at_is_never_before_created_at_in_a_slow_transaction(
    migrated: Database,
) -> None:
    user = migrated.add_user()
    with closing(psycopg2.connect(migrated.dsn)) as slow:
        cursor = slow.cursor()
        cursor.execute("SELECT now()")
        migrated.ask(STRATEGY, user, "live")
        cursor.execute("UPDATE user_strategies SET status = 'active'")
        slow.commit()

    assert migrated.ask("SELECT updated_at > created_at FROM user_strategies") == [True]


def test_no_search_path_puts_another_function_into_the_trigger(
    migrated: Database,
) -> None:
    migrated.ask(STRATEGY, migrated.add_user(), "live")
    migrated.ask("CREATE SCHEMA evil")
    migrated.ask(
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT timestamptz 'epoch' $$"
    )
    migrated.ask("SET search_path = evil, public, pg_catalog")

    migrated.ask("UPDATE user_strategies SET status = 'active'")

    assert migrated.ask("SELECT updated_at > created_at FROM user_strategies") == [True]


def test_filters_find_their_index(migrated: Database) -> None:
    migrated.ask("SET enable_seqscan = off")
    for table, index, condition in [
        ("user_strategies", "user", f"user_id = '{NOBODY}'"),
        ("user_strategies", "status", "status = 'active'"),
        ("user_strategies", "broker", "broker = 'a broker'"),
        ("user_strategies", "environment", "environment = 'live'"),
        ("user_strategies", "created_at", "created_at > now()"),
        ("user_strategies", "updated", "updated_at > now()"),
        ("user_credentials", "broker", "broker = 'a broker'"),
        ("user_credentials", "active", "is_active"),
        ("users", "active", "is_active"),
    ]:
        plan = migrated.ask(f"EXPLAIN SELECT * FROM {table} WHERE {condition}")

        assert f"idx_{table}_{index}" in "\n".join(plan)


def test_newest_first_needs_no_sorting(migrated: Database) -> None:
    migrated.ask("SET enable_seqscan = off")
    for column, scan in (
        ("created_at", "Scan Backward using idx_user_strategies_created_at"),
        ("updated_at", "Scan using idx_user_strategies_updated"),
    ):
        plan = migrated.ask(
            f"EXPLAIN SELECT * FROM user_strategies ORDER BY {column} DESC"
        )

        assert scan in plan[0]


def test_verify_finds_nothing_in_sound_rows(migrated: Database) -> None:
    for email in ("a@example.com", "b@example.com"):
        user = migrated.add_user(email)
        migrated.ask(STRATEGY, user, "live")
        migrated.ask(CREDENTIALS, user)
    migrated.ask("UPDATE user_strategies SET status = 'active', error_count = NULL")

    assert migrated.problems("000_baseline_verify.sql") == []
    assert migrated.problems("001_create_user_strategies_verify.sql") == []


def test_verify_finds_each_problem_of_the_baseline(baseline: Database) -> None:
    baseline.add_user("A@example.com")
    baseline.ask(CREDENTIALS, baseline.add_user())
    baseline.ask("UPDATE user_credentials SET encryption_iv = ''")

    assert baseline.problems("000_baseline_verify.sql") == [
        "another account has this email in other capitals",
        "another account has this email in other capitals",
        "a key, secret, iv or salt is empty and cannot be decrypted",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("config = '[]'", "config is a JSON array, not an object"),
        ("instrument = ' '", "strategy_name, instrument or broker is blank"),
        ("error_count = -1", "error_count is -1"),
        ("created_at = now() + interval '2 min'", "before it was created at"),
    ],
)
def test_verify_finds_each_problem_of_strategies(
    migrated: Database, change: str, problem: str
) -> None:
    migrated.ask(STRATEGY, migrated.add_user(), "live")
    migrated.ask(f"UPDATE user_strategies SET {change}")

    (found,) = migrated.problems("001_create_user_strategies_verify.sql")

    assert problem in found
