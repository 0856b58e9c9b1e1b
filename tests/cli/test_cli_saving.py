"""What backup and restore say, and what they ask."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Project, connected
from saving import drop_kept, fill


@pytest.fixture
def filled(project: Project) -> Iterator[Project]:
    """One migration and some rows on each database."""
    fill(project)
    yield project
    drop_kept(project)


def test_backup_says_what_was_saved_and_where(filled: Project) -> None:
    done = filled.sqlpair("backup")

    *_, version, folder = done.stdout.splitlines()
    assert version == "Backed up: schema version 2."
    assert (Path(folder) / "manifest.json").is_file()
    assert "sqlite" in done.stdout
    assert "sqlite.db" in done.stdout


def test_restore_asks_first(filled: Project) -> None:
    folder = filled.sqlpair("backup").stdout.splitlines()[-1]
    filled.lite("DELETE FROM trades")

    done = filled.sqlpair("restore", folder, expect=2)

    assert "this asks first" in done.stderr
    assert "schema version 2" in done.stderr
    assert filled.lite("SELECT count(*) FROM trades") == [(0,)]


def test_restore_says_what_it_kept_and_how_to_remove_it(filled: Project) -> None:
    folder = filled.sqlpair("backup").stdout.splitlines()[-1]
    filled.pg("DELETE FROM users")
    filled.lite("DELETE FROM trades")

    done = filled.sqlpair("restore", "--yes", folder)

    assert filled.pg("SELECT count(*) FROM users") == [(100,)]
    assert filled.lite("SELECT count(*) FROM trades") == [(3,)]
    *said, drop, remove = [line.strip() for line in done.stdout.splitlines()]
    assert said[0].startswith("Restored: postgres and sqlite, schema version 2")
    assert drop.startswith("DROP DATABASE ")
    (old,) = filled.file.parent.glob("*.before-*")
    assert shlex.split(remove) == ["rm", str(old)]
    with connected(filled.dsn) as execute:
        execute(drop)


def test_unknown_backup_exits_with_two_and_lists_those_there_are(
    filled: Project,
) -> None:
    folder = Path(filled.sqlpair("backup").stdout.splitlines()[-1])

    done = filled.sqlpair("restore", "--yes", "nonsense", expect=2)

    assert "there is no backup 'nonsense'" in done.stderr
    assert f"{folder.name}: version 2" in done.stderr


def test_hint_to_remove_the_kept_file_can_be_pasted_whatever_the_folder_is_called(
    filled: Project,
) -> None:
    folder = filled.root / "it's $HOME; here"
    folder.mkdir()
    filled.file.rename(folder / "local.db")
    filled.environ["SQLITE_PATH"] = str(folder / "local.db")
    saved = filled.sqlpair("backup").stdout.splitlines()[-1]

    done = filled.sqlpair("restore", "--yes", saved)

    (old,) = folder.glob("*.before-*")
    subprocess.run(done.stdout.splitlines()[-1], shell=True, check=True)
    assert not old.exists()
    assert (folder / "local.db").exists()
