"""Every migration of this project goes up, down and up, and leaves no trace.

On tables that hold rows: what a rollback keeps, it keeps value by value. A migration
that is added is tested as soon as its files are there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from sqlpair.migration import Migration, find
from sqlpair.rollback import rollback
from sqlpair.schema import difference

ROOT = Path(__file__).parents[1]
MIGRATIONS = sorted(
    (item for folder in (ROOT / "sql").iterdir() for item in find(folder, folder.name)),
    key=lambda item: (item.number, item.database),
)
USER = "11111111-0000-4000-8000-000000000000"
# Where each of these tables is there, it gets rows before a migration is tried.
ROWS = {
    "users": f"(id, email, password_hash) VALUES ('{USER}', 'a@example.org', 'x')",
    "user_credentials": "(user_id, broker, environment, api_key_encrypted,"
    " api_secret_encrypted, encryption_iv, encryption_salt)"
    f" VALUES ('{USER}', 'one', 'testnet', 'k', 's', 'i', 'a')",
    "user_strategies": "(user_id, strategy_name, instrument, broker, environment)"
    f" VALUES ('{USER}', 'trend', 'BTC', 'one', 'testnet')",
    "trades": "(id, strategyName, instrument, side, entryOrderId, entryPrice, amount,"
    " stopLoss, takeProfit, entryTime, status, metadata) VALUES"
    " ('1', 'trend', 'BTC', 'buy', 'o1', 1.5, 2, 1, 3, 1760000000000, 'open',"
    " '{\"a\":1}'), ('2', 'trend', 'BTC', 'sell', 'o2', 2, 1, 3, 1, 1760000000001,"
    " 'closed', NULL)",
}


def query(project: Project, database: str, sql: str) -> list[tuple[Any, ...]]:
    return project.lite(sql) if database == "sqlite" else project.pg(sql)


def fill(project: Project, database: str) -> None:
    for table, values in ROWS.items():
        there = table in project.tables(database)
        if there and not query(project, database, f"SELECT 1 FROM {table}"):
            query(project, database, f"INSERT INTO {table} {values}")


def contents(project: Project, database: str) -> dict[str, Any]:
    """Return every row of every table, as its columns are named."""
    found = {}
    for table in project.tables(database):
        if database == "sqlite":
            names = [row[1] for row in project.lite(f"PRAGMA table_info({table})")]
            rows = project.lite(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = [dict(zip(names, row, strict=True)) for row in rows]
        else:
            (names,) = project.pg(f"SELECT json_agg(t ORDER BY 1) FROM {table} t")
            found[table] = names[0] or []
    return found


def up_to(item: Migration) -> str:
    return f"{item.database}@{item.revision}"


@pytest.mark.parametrize("item", MIGRATIONS, ids=lambda m: f"{m.database}-{m.stem}")
def test_migration_goes_up_down_and_up_without_a_trace(
    tradebaas: Project, item: Migration
) -> None:
    database = item.database
    for migration in MIGRATIONS:
        if migration.number < item.number:
            tradebaas.upgrade(up_to(migration))
    fill(tradebaas, database)
    tables_before = tradebaas.tables(database)
    schema_before = tradebaas.schema(database)
    rows_before = contents(tradebaas, database)

    tradebaas.upgrade(up_to(item))
    schema_above = tradebaas.schema(database)
    fill(tradebaas, database)
    for table in tradebaas.tables(database) - tables_before:
        # A baseline's rollback takes no table that has rows.
        query(tradebaas, database, f"DELETE FROM {table}")

    rollback(tradebaas.settings, print, allow_data_loss=True)
    assert difference(schema_before, tradebaas.schema(database)) == ()
    assert contents(tradebaas, database) == rows_before

    tradebaas.upgrade(up_to(item))
    assert difference(schema_above, tradebaas.schema(database)) == ()


def test_all_migrations_go_down_to_base_and_up_again(tradebaas: Project) -> None:
    tradebaas.upgrade()
    above = {name: tradebaas.schema(name) for name in ("postgres", "sqlite")}

    tradebaas.downgrade("base")
    assert tradebaas.tables("postgres") == tradebaas.tables("sqlite") == set()

    tradebaas.upgrade()
    for name, schema in above.items():
        assert difference(schema, tradebaas.schema(name)) == ()


def test_every_migration_says_what_it_locks_and_what_its_rollback_loses() -> None:
    for item in MIGRATIONS:
        header = item.up.read_text().partition("\n\n")[0]
        for word in ("-- Why:", "-- Locks:", "-- Rollback loses:"):
            assert word in header, f"{item.up} has no {word}"
