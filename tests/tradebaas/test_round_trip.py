"""Every migration of this project goes up, down and up, and leaves no trace.

On tables that hold rows: what a rollback keeps, it keeps value by value. A migration
that is added is tested as soon as its files are there.
"""

from __future__ import annotations

from pathlib import Path

from conftest import Project
from sqlpair.project.migrations import find
from sqlpair.prove.proof import prove
from sqlpair.schema.model import difference

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted(
    (item for folder in (ROOT / "sql").iterdir() for item in find(folder, folder.name)),
    key=lambda item: (item.number, item.database),
)


def nobody(_line: object) -> None:
    pass


def test_every_migration_is_proved(tradebaas: Project) -> None:
    verdicts = prove(tradebaas.settings, [], nobody, nobody)

    assert [verdict for verdict in verdicts if not verdict.proved] == []
    # A baseline's rollback takes no table that has rows.
    refusing = {(v.database, v.migration) for v in verdicts if v.notes}
    assert refusing == {("postgres", "000_baseline"), ("sqlite", "000_baseline")}


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
