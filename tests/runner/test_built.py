"""What the files build is kept, and made again where anything it rests on differs."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from sqlpair.databases.driver import driver_of
from sqlpair.project.branches import Branch, branches
from sqlpair.runner import built, scratch
from sqlpair.runner.scratch import Scratch
from sqlpair.verify import Verified, verify


def nobody(_line: str) -> None:
    pass


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases whose files were run, in order."""
    found: list[str] = []
    opened = scratch.opened

    @contextmanager
    def counted(branch: Branch, *more: Any) -> Iterator[Scratch]:
        found.append(branch.name)
        with opened(branch, *more) as made:
            yield made

    monkeypatch.setattr(scratch, "opened", counted)
    return found


@pytest.fixture
def applied(project: Project) -> Project:
    project.add("postgres", "001_a", "CREATE TABLE a (x text);", "DROP TABLE a;")
    project.add("sqlite", "002_b", "CREATE TABLE b (x text);", "DROP TABLE b;")
    project.upgrade()
    (project.root / "state").mkdir(exist_ok=True)
    assert looked(project).problems == ()
    return project


def looked(project: Project) -> Verified:
    return verify(project.settings, nobody)


def test_what_was_built_is_not_built_again(applied: Project, builds: list[str]) -> None:
    assert looked(applied).problems == ()
    assert builds == []


def test_drift_is_found_in_what_is_kept(applied: Project, builds: list[str]) -> None:
    applied.pg("ALTER TABLE a ADD COLUMN y integer")
    with closing(sqlite3.connect(applied.file)) as raw:
        raw.execute("CREATE INDEX i ON b (x)")

    told = [problem.what for problem in looked(applied).problems]

    assert told == [
        "postgres: column a.y is not in the migrations",
        "sqlite: index i is not in the migrations",
    ]
    assert builds == []


def edit(name: str, text: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        path = project.root / name
        path.write_text(path.read_text() + text)

    return change


def role_setting(project: Project) -> None:
    project.pg("CREATE SCHEMA other")
    (name,) = project.pg("SELECT current_database()")[0]
    project.pg(f"ALTER DATABASE {name} SET search_path = other, public")


def engine(project: Project) -> None:
    os.utime(scratch.__file__)
    built.engine.cache_clear()  # as in another process


def later(project: Project) -> None:
    project.add("postgres", "003_c", "CREATE TABLE c (x text);", "DROP TABLE c;")
    project.upgrade()


def schema(project: Project) -> None:
    project.pg("CREATE SCHEMA ledger")
    for table in ("alembic_version", "schema_version", "schema_history"):
        project.pg(f"ALTER TABLE {table} SET SCHEMA ledger")
    project.configure("postgres", ledger_schema="ledger")


def privileges(project: Project) -> None:
    with (project.root / "pyproject.toml").open("a") as file:
        file.write("[tool.sqlpair]\nprivileges = true\n")


@pytest.mark.parametrize(
    "change",
    [
        edit("sql/postgres/001_a.sql", "\n"),
        edit("sql/postgres/001_a.sql", "CREATE TABLE more (x text);\n"),
        edit("alembic/versions/postgres/001_a.py", "\n# read again\n"),
        role_setting,
        engine,
        later,
        schema,
        privileges,
    ],
    ids=lambda change: change.__name__,
)
def test_what_differs_is_built_again(
    applied: Project, builds: list[str], change: Callable[[Project], None]
) -> None:
    change(applied)

    looked(applied)

    assert "postgres" in builds


def test_a_module_that_does_more_keeps_nothing(
    applied: Project, builds: list[str]
) -> None:
    more = "\nits = upgrade\n\n\ndef upgrade() -> None:\n    its()\n"
    edit("alembic/versions/sqlite/002_b.py", more)(applied)

    looked(applied)
    looked(applied)

    assert builds == ["sqlite", "sqlite"]


@pytest.mark.parametrize("damage", ["", "{}", '[[["table", "a"]], []]'])
def test_what_was_damaged_is_built_again(
    applied: Project, builds: list[str], damage: str
) -> None:
    path = applied.root / "state" / "built.postgres"
    key = path.read_text().partition("\n")[0]
    path.write_text(f"{key}\n{damage}")

    assert looked(applied).problems == ()
    assert builds == ["postgres"]
    assert json.loads(path.read_text().partition("\n")[2])


def test_without_its_folder_nothing_is_asked_for_what_would_be_kept(
    applied: Project, builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (branch, _) = branches(applied.settings)
    monkeypatch.delattr(driver_of(branch.database).scratch, "identity")
    folder = applied.root / "nowhere"

    built.built(branch, 1, (), folder, nobody, None, privileges=False)

    assert builds == ["postgres"]
    assert not folder.exists()


def test_nothing_is_kept_where_nothing_can_be_written(
    applied: Project, builds: list[str]
) -> None:
    for kept in (applied.root / "state").glob("built.*"):
        kept.unlink()
        Path(kept).mkdir()

    assert looked(applied).problems == ()
    assert builds == ["postgres", "sqlite"]


def test_what_is_kept_is_of_the_files_as_they_were_looked_at(
    applied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (applied.root / "state" / "built.postgres").unlink()
    path = applied.root / "sql" / "postgres" / "001_a.sql"
    before = path.read_text()
    opened = scratch.opened

    def edited_meanwhile(branch: Branch, *more: Any) -> Any:
        path.write_text(f"{before}CREATE TABLE more (x text);\n")
        return opened(branch, *more)

    with monkeypatch.context() as patched:
        patched.setattr(scratch, "opened", edited_meanwhile)
        assert looked(applied).problems == ()
    path.write_text(before)

    assert looked(applied).problems == ()


def test_the_server_is_asked_again_before_anything_is_kept(
    applied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = applied.root / "state" / "built.postgres"
    kept.unlink()
    driver = driver_of(applied.settings.database("postgres"))
    numbers = itertools.count()
    monkeypatch.setattr(driver.scratch, "identity", lambda _self: [next(numbers)])

    assert looked(applied).problems == ()

    assert next(numbers) == 2
    assert not kept.exists()
