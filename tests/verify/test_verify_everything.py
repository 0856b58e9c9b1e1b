"""Verify raises no false alarm: one of everything a schema can hold, come about by
migrations, by a restore, by hand, and on servers of two versions.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conftest import PROGRAMS, Project, connected
from sqlpair.databases import embedded
from sqlpair.verify import Problem, verify

HERE = Path(__file__).parents[1]
EVERYTHING = {
    name: (HERE / f"everything_{engine}.sql").read_text()
    for name, engine in (("postgres", "postgresql"), ("sqlite", "sqlite"))
}


def problems(project: Project) -> tuple[Problem, ...]:
    found = verify(project.settings, lambda _line: None)
    assert [verdict.head[:3] for verdict in found.databases] == ["001", "002"]
    return found.problems


@pytest.fixture
def everything(project: Project) -> Project:
    """One of everything, as a migration of each database; none applied."""
    for number, (database, sql) in enumerate(EVERYTHING.items(), start=1):
        project.add(database, f"{number:03}_everything", sql)
    return project


def test_migrated_databases_have_no_problem(everything: Project) -> None:
    everything.upgrade()

    assert problems(everything) == ()


def test_restored_databases_have_no_problem(
    everything: Project, new_database: Callable[[], str], tmp_path: Path
) -> None:
    everything.upgrade()
    folder = PROGRAMS or embedded.find_binaries()
    dump = subprocess.run(
        [folder / "pg_dump", "-d", everything.dsn], capture_output=True, check=True
    )
    restored = Project(tmp_path / "restored", new_database())
    subprocess.run(
        [folder / "psql", "-Xqd", restored.dsn, "-v", "ON_ERROR_STOP=1"],
        input=dump.stdout,
        capture_output=True,
        check=True,
    )
    restored.file.parent.mkdir()
    with (
        closing(sqlite3.connect(everything.file)) as old,
        closing(sqlite3.connect(restored.file)) as new,
    ):
        old.backup(new)
    for folder_name in ("sql", "alembic"):
        shutil.copytree(
            everything.root / folder_name,
            restored.root / folder_name,
            dirs_exist_ok=True,
        )

    assert problems(restored) == ()


def test_databases_run_by_hand_and_adopted_have_no_problem(everything: Project) -> None:
    with connected(everything.dsn) as execute:
        execute(EVERYTHING["postgres"])
    everything.file.parent.mkdir()
    subprocess.run(
        ["sqlite3", "-bail", everything.file],
        input=EVERYTHING["sqlite"],
        text=True,
        check=True,
    )
    everything.sqlpair("adopt", "--yes")

    assert problems(everything) == ()


@pytest.mark.parametrize("live", ["older", "newer"])
def test_a_server_and_a_scratch_server_of_two_versions_have_no_problem(
    everything: Project, older: str, live: str
) -> None:
    words = dict(word.split("=", 1) for word in older.split())
    address = (
        f"postgresql://{words['user']}@/{words['dbname']}"
        f"?host={words['host']}&port={words['port']}"
    )
    variable = "DATABASE_URL" if live == "older" else "SCRATCH_URL"
    everything.environ[variable] = address
    everything.upgrade()

    assert problems(everything) == ()
