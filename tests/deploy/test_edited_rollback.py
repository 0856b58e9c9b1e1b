"""A rollback, or a revision module, that was edited after its migration was applied."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from conftest import Project

KEPT = "SELECT rollback_checksum, module_checksum, rollback FROM schema_version"


@pytest.fixture
def two(project: Project) -> Project:
    """One table in each database, applied in one deployment."""
    project.add("postgres", "001_a", "CREATE TABLE a (x text);\n", "DROP TABLE a;\n")
    project.add("sqlite", "002_b", "CREATE TABLE b (x text);\n", "DROP TABLE b;\n")
    project.upgrade()
    return project


def rollback_of(project: Project, database: str = "postgres") -> Path:
    return next((project.root / "sql" / database).glob("*_rollback.sql"))


def module_of(project: Project, database: str = "postgres") -> Path:
    folder = project.root / "alembic" / "versions" / database
    return next(folder.glob("0*.py"))


def execute_in(module: Path, direction: str, sql: str) -> None:
    text = module.read_text().replace(
        "from sqlpair.revision import pair",
        "from alembic import op\nfrom sqlpair.revision import pair",
    )
    module.write_text(
        f"{text}\nof_pair = {direction}\n\n\ndef {direction}():\n"
        f"    of_pair()\n    op.execute({sql!r})\n"
    )


def problems(project: Project, command: str) -> list[str]:
    found = json.loads(project.sqlpair(command, "--json", expect=1).stdout)
    return [problem["what"] for problem in found["problems"]]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_an_edited_rollback_is_told_and_runs_only_once_it_is_accepted(
    two: Project, database: str
) -> None:
    file = rollback_of(two, database)
    file.write_text(f"{file.read_text()}SELECT 1;\n")
    stem = file.name.removesuffix("_rollback.sql")
    said = (
        f"{database} {stem}: the rollback file was edited after the migration was"
        " applied"
    )

    assert problems(two, "verify") == problems(two, "status") == [said]
    assert f"{stem} rollback edited" in two.sqlpair("status", expect=1).stdout
    for command in (two.sqlpair, two.alembic):
        words = ["rollback"] if command == two.sqlpair else ["downgrade", "-1"]
        refused = command(*words, expect=1).stderr
        assert said in refused
        assert "sqlpair repair" in refused
        assert "sqlpair rollback --recorded" in refused
    assert (two.tables("postgres"), two.tables("sqlite")) == ({"a"}, {"b"})

    assert f"{stem}" in two.sqlpair("repair", "--yes").stdout

    two.sqlpair("verify")
    two.sqlpair("rollback")
    assert two.tables("postgres") == two.tables("sqlite") == set()


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_a_module_that_was_given_a_statement_is_told_and_undoes_nothing_unaccepted(
    two: Project, direction: str
) -> None:
    execute_in(module_of(two), direction, "SELECT 1")
    said = (
        "postgres 001_a: the revision module was edited after the migration was applied"
    )

    assert problems(two, "verify") == problems(two, "status") == [said]
    assert "001_a module edited" in two.sqlpair("status", expect=1).stdout
    assert said in two.sqlpair("rollback", expect=1).stderr

    two.sqlpair("repair", "--yes")

    two.sqlpair("rollback")
    assert two.tables("postgres") == two.tables("sqlite") == set()


def test_a_rollback_that_is_gone_is_told_and_no_repair_forgets_it(two: Project) -> None:
    before = two.lite(KEPT)
    rollback_of(two, "sqlite").unlink()

    assert problems(two, "verify") == ["sqlite 002_b: the rollback file is gone"]
    refused = two.sqlpair("rollback", expect=1).stderr
    assert "sqlite 002_b: the rollback file is gone" in refused
    assert "sqlpair rollback --recorded" in refused
    assert "Nothing to repair" in two.sqlpair("repair", "--yes").stdout
    sql = two.root / "sql" / "sqlite" / "002_b.sql"
    sql.write_text(f"-- a comment\n{sql.read_text()}")
    assert "002_b" in two.sqlpair("repair", "--yes").stdout
    assert two.lite(KEPT) == before


def test_an_edited_rollback_keeps_nobody_from_going_up(two: Project) -> None:
    file = rollback_of(two)
    file.write_text(f"-- corrected\n{file.read_text()}")
    two.add("sqlite", "003_c", "CREATE TABLE c (x text);\n", "DROP TABLE c;\n")

    two.sqlpair("migrate")

    assert two.tables("sqlite") == {"b", "c"}
    two.sqlpair("rollback")  # which concerns 003 alone
    assert two.tables("sqlite") == {"b"}


def test_line_ends_of_a_rollback_are_no_edit(two: Project) -> None:
    for file in (rollback_of(two), module_of(two)):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    two.sqlpair("verify")
    two.sqlpair("rollback")


def test_every_way_to_record_a_migration_keeps_its_rollback(two: Project) -> None:
    def kept() -> list[tuple[str | None, ...]]:
        return two.pg(KEPT) + two.lite(KEPT)

    applied = kept()
    rollback = rollback_of(two).read_bytes()
    assert applied[0][0] == sha256(rollback).hexdigest()
    assert applied[0][1] == sha256(module_of(two).read_bytes()).hexdigest()
    assert all(value for row in applied for value in row)

    two.pg("DELETE FROM schema_version")
    two.sqlpair("force-version", "2", "--yes")
    assert kept() == applied
    two.pg("DELETE FROM schema_version")
    two.alembic("stamp", "--purge", "heads")
    assert kept() == applied
    for query in (two.pg, two.lite):
        for table in ("schema_version", "alembic_version"):
            query(f"DELETE FROM {table}")
    two.pg("DROP TABLE schema_version, alembic_version, schema_history")
    two.sqlpair("adopt", "--yes", "postgres")
    two.sqlpair("force-version", "2", "--yes")
    assert kept() == applied
    file = rollback_of(two)
    file.write_text(f"-- corrected\n{file.read_text()}")
    two.sqlpair("repair", "--yes")
    assert kept()[0][0] == sha256(file.read_bytes()).hexdigest()
    assert kept()[0][2] != applied[0][2]
    assert kept()[1] == applied[1]
