"""A restore takes a backup of this project, and refuses one of another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Project, connected
from saving import bring_back, databases, drop_kept, fill, live_name, make
from sqlpair.backup import manifest, restore
from sqlpair.errors import BackupError


@pytest.fixture
def filled(project: Project) -> Iterator[Project]:
    """One migration and some rows on each database."""
    fill(project)
    yield project
    drop_kept(project)


@pytest.fixture
def other(tmp_path: Path, new_database: Callable[[], str]) -> Project:
    """Another project: the same databases and numbers, other SQL."""
    made = Project(tmp_path / "other", new_database())
    made.add("postgres", "001_users", "CREATE TABLE users (name text);\n")
    made.add("sqlite", "002_orders", "CREATE TABLE orders (id int);\n")
    made.upgrade()
    return made


def unchanged(project: Project) -> None:
    assert project.pg("SELECT count(*) FROM users") == [(100,)]
    assert project.lite("SELECT count(*) FROM trades") == [(3,)]
    assert databases(project) == [live_name(project)]
    assert not list(project.settings.backups.folder.glob(".*"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as another version would have written it."""
    path, sums = folder / "manifest.json", folder / "SHA256SUMS"
    was = manifest.checksum(path)
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said, indent=2) + "\n")
    sums.write_text(sums.read_text().replace(was, manifest.checksum(path)))


def as_older(folder: Path) -> None:
    """Write a manifest as the version before did: numbers, no project."""

    def change(said: dict[str, Any]) -> None:
        said["format"] = 1
        del said["project"], said["interrupted"]
        for copy in said["databases"]:
            del copy["proven"]
            copy["applied"] = [row["number"] for row in copy["applied"]]

    rewrite(folder, change)


def test_backup_of_another_project_is_refused_naming_what_differs(
    filled: Project, other: Project
) -> None:
    folder = make(other)

    with pytest.raises(BackupError, match="is of another project, of other") as failure:
        bring_back(filled, folder)

    said = str(failure.value)
    assert "postgres 001_users: applied from other SQL" in said
    assert "sqlite 002_orders: here 002 is 002_trades" in said
    assert "Nothing was changed" in said
    unchanged(filled)


def test_backup_of_another_project_is_refused_by_empty_databases_too(
    filled: Project, other: Project, new_database: Callable[[], str]
) -> None:
    folder = make(other)
    filled.file.unlink()
    empty = new_database()
    filled.environ["DATABASE_URL"] = empty

    with pytest.raises(BackupError, match="another project"):
        bring_back(filled, folder)

    with connected(empty) as pg:
        assert pg("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [
            (0,)
        ]


def test_live_databases_of_another_project_are_not_overwritten(
    filled: Project, other: Project
) -> None:
    folder = make(filled)
    filled.environ["SQLITE_PATH"] = str(other.file)

    with pytest.raises(BackupError, match="live database sqlite is of another"):
        bring_back(filled, folder)

    assert other.tables("sqlite") == {"orders"}


def test_backup_of_the_older_format_is_restored_and_what_it_cannot_say_is_told(
    filled: Project,
) -> None:
    folder = make(filled)
    as_older(folder)
    filled.lite("DELETE FROM trades")
    said: list[str] = []

    restore.restore(filled.settings, str(folder), said.append)

    assert filled.lite("SELECT count(*) FROM trades") == [(3,)]
    assert any("older format, which names no migrations" in line for line in said)


def test_backup_of_a_project_in_the_root_folder_is_not_of_the_older_format(
    filled: Project,
) -> None:
    folder = make(filled)
    # As in a container: the folder / has no name.
    rewrite(folder, lambda said: said.update(project=""))
    filled.lite("DELETE FROM trades")
    said: list[str] = []

    restore.restore(filled.settings, str(folder), said.append)

    assert filled.lite("SELECT count(*) FROM trades") == [(3,)]
    assert not any("older format" in line for line in said)


def test_backup_of_the_older_format_of_another_project_is_refused_before_the_swap(
    filled: Project, other: Project
) -> None:
    folder = make(other)
    as_older(folder)

    with pytest.raises(BackupError, match="is of another project") as failure:
        bring_back(filled, folder)

    assert "sqlite 002_orders: here 002 is 002_trades" in str(failure.value)
    unchanged(filled)


def test_backup_of_an_older_version_of_the_same_project_is_restored(
    filled: Project,
) -> None:
    folder = make(filled)
    filled.add("postgres", "003_more", "ALTER TABLE users ADD COLUMN email text;\n")
    filled.upgrade()

    bring_back(filled, folder)

    assert filled.applied("postgres") == ["001_users"]


def test_backup_from_before_a_file_was_edited_and_repaired_is_restored(
    filled: Project,
) -> None:
    folder = make(filled)
    file = filled.root / "sql" / "postgres" / "001_users.sql"
    file.write_text("-- The people.\n" + file.read_text())
    filled.sqlpair("repair", "--yes")
    newer = make(filled)

    bring_back(filled, folder)
    bring_back(filled, newer)

    assert filled.pg("SELECT count(*) FROM users") == [(100,)]


def test_backup_ahead_of_this_checkout_is_refused_by_empty_databases(
    filled: Project, new_database: Callable[[], str]
) -> None:
    filled.add("sqlite", "004_more", "ALTER TABLE trades ADD COLUMN pnl real;\n")
    filled.upgrade()
    folder = make(filled)
    forget(filled)
    filled.file.unlink()
    filled.environ["DATABASE_URL"] = new_database()

    with pytest.raises(BackupError, match="ahead of this checkout") as failure:
        bring_back(filled, folder)

    assert "sqlite 004_more: there is no such file here" in str(failure.value)
    assert "Update the checkout" in str(failure.value)


def test_backup_that_only_the_live_databases_know_is_restored_and_said_to_be_ahead(
    filled: Project,
) -> None:
    filled.add("sqlite", "004_more", "ALTER TABLE trades ADD COLUMN pnl real;\n")
    filled.upgrade()
    folder = make(filled)
    forget(filled)
    said: list[str] = []

    restore.restore(filled.settings, str(folder), said.append)

    assert filled.applied("sqlite") == ["002_trades", "004_more"]
    assert any("ahead of this checkout, by sqlite 004_more" in line for line in said)


def forget(project: Project) -> None:
    """Take the newest migration out of the checkout."""
    for path in project.root.rglob("004_more*"):
        if path.is_file():
            path.unlink()


def test_migration_undone_once_does_not_let_other_sql_of_its_name_in(
    filled: Project,
) -> None:
    filled.add("sqlite", "004_more", "CREATE TABLE more (id int);\n", "DROP TABLE more")
    filled.upgrade()
    folder = make(filled)
    filled.downgrade("sqlite@-1")
    file = filled.root / "sql" / "sqlite" / "004_more.sql"
    file.write_text("CREATE TABLE more (other text);\n")
    filled.lite("DELETE FROM schema_history WHERE action = 'upgrade'")

    with pytest.raises(BackupError, match="applied from other SQL"):
        bring_back(filled, folder)
