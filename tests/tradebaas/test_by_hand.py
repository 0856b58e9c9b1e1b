"""``alembic upgrade heads`` makes just what the files make when they are run by hand.

Compared is what ``pg_dump`` and SQLite itself say of every object, so that nothing
goes unseen which the engine's own description might leave out.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project
from pg_dump import comparable
from sqlpair.databases.embedded import find_binaries
from sqlpair.project.ledger_tables import NAMES
from sqlpair.project.migrations import find
from sqlpair.schema.model import difference

ROOT = Path(__file__).parents[2]


class ByHand:
    """The same project's databases, to which its files went without the engine."""

    def __init__(self, project: Project):
        self.project = project
        programs = find_binaries()
        for item in find(ROOT / "sql" / "postgres", "postgres"):
            run(
                *(str(programs / "psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"),
                *("-f", str(item.up), project.dsn),
            )
        project.file.parent.mkdir(exist_ok=True)
        for item in find(ROOT / "sql" / "sqlite", "sqlite"):
            run("sqlite3", "-bail", str(project.file), given=item.up.read_text())


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(project: Project) -> list[str]:
    """Return what pg_dump and SQLite say of every object but the bookkeeping's."""
    left_out = [f"--exclude-table=public.{name}*" for name in NAMES]
    dump = comparable(project.dsn, "--schema-only", *left_out)
    own = " AND ".join(f"tbl_name <> '{name}'" for name in NAMES)
    stored = project.lite(
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '')"
        f" FROM sqlite_schema WHERE {own} AND name <> 'sqlite_sequence' ORDER BY 1"
    )
    return dump + [row[0] for row in stored]


@pytest.fixture
def both(
    tmp_path: Path, new_database: Callable[[], str], tradebaas: Project
) -> tuple[Project, Project]:
    """Return the project of this repository, migrated by Alembic; and by hand."""
    tradebaas.alembic("upgrade", "heads")
    other = Project(tmp_path / "hand", new_database(), ROOT)
    return tradebaas, ByHand(other).project


def test_schema_after_upgrade_heads_is_what_the_files_make_by_hand(
    both: tuple[Project, Project],
) -> None:
    migrated, by_hand = both

    told = objects(migrated)

    assert told == objects(by_hand)
    for name in ("users", "user_credentials", "user_strategies"):
        assert f"CREATE TABLE public.{name} (" in told
    assert any("idx_trades_user" in line for line in told)
    for database in ("postgres", "sqlite"):
        assert difference(migrated.schema(database), by_hand.schema(database)) == ()


@pytest.mark.parametrize(
    ("database", "change"),
    [
        ("postgres", "ALTER TABLE users ALTER is_active SET DEFAULT false"),
        ("postgres", "ALTER TABLE user_strategies DISABLE TRIGGER ALL"),
        ("postgres", "DROP INDEX idx_users_active"),
        ("postgres", "COMMENT ON TABLE users IS 'who'"),
        ("postgres", "GRANT SELECT ON users TO PUBLIC"),
        ("sqlite", "DROP INDEX idx_trades_user"),
        ("sqlite", "ALTER TABLE trades ADD COLUMN more text"),
        ("sqlite", "CREATE VIEW v AS SELECT id FROM trades"),
    ],
)
def test_any_deviation_is_seen(
    both: tuple[Project, Project], database: str, change: str
) -> None:
    migrated, by_hand = both
    (by_hand.pg if database == "postgres" else by_hand.lite)(change)

    assert objects(migrated) != objects(by_hand)
