"""SCHEMA_VERSION in .env follows the databases, and no other byte of it changes."""

from __future__ import annotations

import pytest

from conftest import Project
from sqlpair.errors import HistoryError

ENV = "# mine\r\nexport OTHER='a # b'\r\nSCHEMA_VERSION=\"0\"  # expected\r\nLAST=1"


@pytest.fixture
def two(project: Project) -> Project:
    """001 on PostgreSQL, 002 on SQLite."""
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n", "DROP TABLE t1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id);\n", "DROP TABLE t2;\n")
    return project


def test_version_follows_and_every_other_byte_stays(two: Project) -> None:
    env = two.root / ".env"
    env.write_text(ENV, newline="")
    env.chmod(0o640)

    for command, destination, version in [
        ("upgrade", "heads", 2),
        ("downgrade", "sqlite@-1", 1),
        ("stamp", "heads", 2),
        ("stamp", "base", 0),
    ]:
        two.alembic(command, destination)
        text = env.read_bytes().decode()
        assert text == ENV.replace('"0"', f'"{version}"'), command
    assert env.stat().st_mode & 0o777 == 0o640


def test_failed_run_leaves_the_version(two: Project) -> None:
    (two.root / ".env").write_text("SCHEMA_VERSION=0\n")
    two.add("sqlite", "003_bad", "SELECT nope;\n")

    two.alembic("upgrade", "heads", expect=1)

    assert (two.root / ".env").read_text() == "SCHEMA_VERSION=0\n"


def test_no_file_is_made(two: Project) -> None:
    two.upgrade()

    assert not list(two.root.glob(".env*"))


def test_staging_has_its_own_version(two: Project) -> None:
    (two.root / ".env").write_text("SCHEMA_VERSION=0\n")
    (two.root / ".env.staging").write_text("SQLITE_PATH=state/local.db\n")
    two.file.parent.mkdir()

    two.alembic("upgrade", "heads", APP_ENV="staging", BACKUP="0")

    assert (two.root / ".env").read_text() == "SCHEMA_VERSION=0\n"
    staging = (two.root / ".env.staging").read_text()
    assert staging == "SQLITE_PATH=state/local.db\nSCHEMA_VERSION=2\n"


def test_file_that_a_dead_run_left_behind_is_repaired(two: Project) -> None:
    two.upgrade()
    (two.root / ".env").write_text("SCHEMA_VERSION=1\n")

    two.upgrade()

    assert (two.root / ".env").read_text() == "SCHEMA_VERSION=2\n"


@pytest.mark.parametrize(
    ("value", "message"),
    [("9", "a version this checkout does not have"), ("two", "is not a valid version")],
)
def test_version_that_cannot_be_is_refused(
    two: Project, value: str, message: str
) -> None:
    (two.root / ".env").write_text(f"SCHEMA_VERSION={value}\n")

    with pytest.raises(HistoryError, match=message):
        two.upgrade()

    assert two.tables("postgres") == set()
    assert (two.root / ".env").read_text() == f"SCHEMA_VERSION={value}\n"
