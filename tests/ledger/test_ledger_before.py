"""A ledger made before rollbacks were recorded is taken over without a word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Project
from saving import drop_kept

HERE = Path(__file__).parents[1]
KEPT = (
    "SELECT version, rollback_checksum, module_checksum, rollback FROM schema_version"
)


@pytest.fixture
def before(project: Project) -> Iterator[Project]:
    """Both databases as another version left them, everything applied."""
    for database, stem in [
        ("postgres", "001_a"),
        ("sqlite", "002_b"),
        ("postgres", "003_c"),
        ("sqlite", "004_d"),
    ]:
        add(project, database, stem)
    project.pg((HERE / "ledger_before_postgres.sql").read_text())
    project.file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(project.file)) as connection:
        connection.executescript((HERE / "ledger_before_sqlite.sql").read_text())
    yield project
    drop_kept(project)


def add(project: Project, database: str, stem: str) -> None:
    name = stem[-1]
    up, down = f"CREATE TABLE {name} (x text);\n", f"DROP TABLE {name};\n"
    project.add(database, stem, up, down)


def at(project: Project) -> tuple[list[str], list[str]]:
    return project.applied("postgres"), project.applied("sqlite")


ALL = (["001_a", "003_c"], ["002_b", "004_d"])


def test_it_is_read_without_a_word(before: Project) -> None:
    for command in ("verify", "status", "version", "history", "repair"):
        before.sqlpair(command)

    assert "Nothing to do" in before.sqlpair("migrate").stdout
    assert "rollback" not in str(
        before.lite("SELECT sql FROM sqlite_master WHERE name = 'schema_version'")
    )


def test_it_is_rolled_back_without_a_word(before: Project) -> None:
    before.sqlpair("rollback")
    assert at(before) == (["001_a"], ["002_b"])
    before.sqlpair("rollback")
    assert at(before) == ([], [])
    before.sqlpair("migrate")
    before.sqlpair("verify")


def test_it_is_migrated_and_records_from_then_on(before: Project) -> None:
    add(before, "postgres", "005_e")
    add(before, "sqlite", "006_f")

    before.sqlpair("migrate")

    for rows in (before.pg(KEPT), before.lite(KEPT)):
        assert [all(row[1:]) for row in sorted(rows)] == [False, False, True]
        assert {value for row in sorted(rows)[:2] for value in row[1:]} == {None}
    before.sqlpair("verify")
    # What is not recorded cannot have been edited.
    file = before.root / "sql" / "postgres" / "001_a_rollback.sql"
    file.write_text("DROP TABLE a; -- otherwise\n")
    before.sqlpair("verify")
    before.sqlpair("rollback", "--to", "0")
    assert at(before) == ([], [])


def test_it_is_backed_up_and_restored_without_a_word(before: Project) -> None:
    before.sqlpair("backup")
    folder = next(before.settings.backups.folder.glob("2*"))
    add(before, "sqlite", "005_e")
    before.sqlpair("migrate")

    before.sqlpair("restore", "--yes", str(folder))

    assert at(before) == ALL
    (before.root / "sql" / "sqlite" / "005_e.sql").unlink()
    (before.root / "sql" / "sqlite" / "005_e_rollback.sql").unlink()
    (before.root / "alembic" / "versions" / "sqlite" / "005_e.py").unlink()
    before.sqlpair("verify")
    before.sqlpair("rollback")
    before.sqlpair("migrate")
    before.sqlpair("verify")
    assert at(before) == ALL


def test_its_rows_are_repaired_and_forced_as_any(before: Project) -> None:
    sql = before.root / "sql" / "sqlite" / "002_b.sql"
    sql.write_text(f"-- a comment\n{sql.read_text()}")

    before.sqlpair("repair", "--yes")

    assert all(before.lite(f"{KEPT} WHERE version = 2")[0])  # as they are now
    before.sqlpair("force-version", "3", "--yes")
    before.sqlpair("force-version", "4", "--yes")
    assert all(before.lite(f"{KEPT} WHERE version = 4")[0])
    assert before.pg(f"{KEPT} WHERE version = 3") == [(3, None, None, None)]
    before.sqlpair("verify")
