"""Two users share the migrated databases, and what is one's own stays one's own."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import psycopg2
import pytest

from conftest import connected, with_canary
from sqlpair.testing import DatabaseCopies

ALICE = "aaaaaaaa-0000-4000-8000-000000000000"
BOB = "bbbbbbbb-0000-4000-8000-000000000000"


class Both:
    """Both databases of this project, at head, and what is asked of them."""

    def __init__(self, copies: DatabaseCopies):
        self._copies = copies

    def pg(self, sql: str) -> list[tuple[Any, ...]]:
        with connected(self._copies.url("postgres")) as execute:
            return execute(sql)

    def lite(self, sql: str) -> list[tuple[Any, ...]]:
        with self._copies.connect("sqlite") as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def shared(
    sqlpair_databases: DatabaseCopies, server: str, monkeypatch: pytest.MonkeyPatch
) -> Both:
    """Both users run the same strategy on the same instrument, and trade with it."""
    monkeypatch.setenv("SCRATCH_URL", with_canary(server))
    both = Both(sqlpair_databases)
    for user, name in ((ALICE, "alice"), (BOB, "bob")):
        both.pg(
            "INSERT INTO users (id, email, password_hash)"
            f" VALUES ('{user}', '{name}@example.org', 'x')"
        )
        strategy(both, user)
        credentials(both, user)
        for number in range(3):
            trade(both, f"{name}-{number}", user, 1_760_000_000_000 + number)
    trade(both, "old", None, 1_750_000_000_000)
    return both


def strategy(
    project: Both,
    user: str,
    *,
    name: str = "trend",
    environment: str = "testnet",
    status: str = "stopped",
) -> None:
    config = json.dumps({"of": user})
    project.pg(
        "INSERT INTO user_strategies (user_id, strategy_name, instrument, broker,"
        f" environment, status, config) VALUES ('{user}', '{name}', 'BTC-PERPETUAL',"
        f" 'one', '{environment}', '{status}', '{config}')"
    )


def credentials(project: Both, user: str) -> None:
    project.pg(
        "INSERT INTO user_credentials (user_id, broker, environment,"
        " api_key_encrypted, api_secret_encrypted, encryption_iv, encryption_salt)"
        f" VALUES ('{user}', 'one', 'testnet', 'k', 's', 'i', 'a')"
    )


def trade(project: Both, key: str, user: str | None, at: int) -> None:
    owner = "NULL" if user is None else f"'{user}'"
    project.lite(
        "INSERT INTO trades (id, strategyName, instrument, side, entryOrderId,"
        " entryPrice, amount, stopLoss, takeProfit, entryTime, status, user_id) VALUES"
        f" ('{key}', 'trend', 'BTC', 'buy', '{key}', 1, 1, 1, 1, {at}, 'open', {owner})"
    )


def test_each_user_reads_only_their_own_strategies(shared: Both) -> None:
    for user in (ALICE, BOB):
        rows = shared.pg(
            f"SELECT config ->> 'of' FROM user_strategies WHERE user_id = '{user}'"
        )
        assert rows == [(user,)]


def test_each_user_reads_only_their_own_trades_newest_first(shared: Both) -> None:
    for user, name in ((ALICE, "alice"), (BOB, "bob")):
        rows = shared.lite(
            f"SELECT id FROM trades WHERE user_id = '{user}'"
            " AND strategyName = 'trend' ORDER BY entryTime DESC"
        )
        assert rows == [(f"{name}-{number}",) for number in (2, 1, 0)]


def test_trades_from_before_there_were_users_belong_to_nobody(
    shared: Both,
) -> None:
    assert shared.lite("SELECT id FROM trades WHERE user_id IS NULL") == [("old",)]


def test_one_users_change_does_not_reach_the_other(shared: Both) -> None:
    shared.pg(
        "UPDATE user_strategies SET status = 'active', last_action = 'start'"
        f" WHERE user_id = '{ALICE}'"
    )
    shared.lite(f"UPDATE trades SET status = 'closed' WHERE user_id = '{ALICE}'")

    assert shared.pg(
        f"SELECT status, last_action FROM user_strategies WHERE user_id = '{BOB}'"
    ) == [("stopped", None)]
    assert shared.lite(
        f"SELECT DISTINCT status FROM trades WHERE user_id = '{BOB}'"
    ) == [("open",)]


def test_one_user_has_a_strategy_once_for_each_environment(shared: Both) -> None:
    strategy(shared, ALICE, environment="live")

    with pytest.raises(psycopg2.errors.UniqueViolation):
        strategy(shared, ALICE)


@pytest.mark.parametrize(("column", "value"), [("environment", "demo"), ("status", "")])
def test_a_value_that_is_not_listed_is_refused(
    shared: Both, column: str, value: str
) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        strategy(shared, ALICE, name="other", **{column: value})


def test_a_strategy_of_nobody_is_refused(shared: Both) -> None:
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        strategy(shared, "cccccccc-0000-4000-8000-000000000000")


def test_a_trade_is_one_users_only(shared: Both) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        trade(shared, "alice-0", BOB, 1_760_000_000_000)


def test_a_deleted_user_takes_their_own_along_and_nothing_else(
    shared: Both,
) -> None:
    shared.pg(f"DELETE FROM users WHERE id = '{ALICE}'")

    for table in ("user_strategies", "user_credentials"):
        assert shared.pg(f"SELECT user_id FROM {table}") == [(BOB,)]
    assert shared.lite("SELECT count(*) FROM trades WHERE user_id IS NOT NULL") == [
        (6,)
    ]
