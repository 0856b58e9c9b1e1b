"""Paths, SQL and output in any encoding: what cannot be encoded is escaped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Commands
from conftest import Project

LOCALES: dict[str, dict[str, str]] = {
    "ascii output": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C"},
    "C, nothing coerced": {
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
    },
}  # fmt: skip
TRIED = [
    *("alembic heads -v", "alembic current", "sqlpair plan", "sqlpair plan --json"),
    *("alembic upgrade heads --sql", "alembic upgrade heads", "alembic current -v"),
    *("alembic history -i -v", "sqlpair status", "sqlpair verify", "sqlpair lint"),
    *("sqlpair history", "sqlpair snapshot", "sqlpair prove", "sqlpair backup"),
    *("sqlpair new sqlite more", "alembic downgrade -1", "sqlpair migrate"),
]


@pytest.fixture(scope="module", params=LOCALES)
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    return LOCALES[request.param]


@pytest.fixture(scope="module")
def commands(environ: dict[str, str]) -> Iterator[Commands]:
    """What runs commands that have begun in that locale."""
    begun = Commands(os.environ | environ)
    yield begun
    begun.close()


@pytest.mark.parametrize("folder", ["100%s of é", "%(here)s"])
def test_every_command_works_in_any_folder_and_locale(
    tmp_path: Path, commands: Commands, environ: dict[str, str], folder: str
) -> None:
    project = Project(tmp_path / folder, "")
    project.configure("alembic", databases="sqlite")
    project.add("sqlite", "001_e", "CREATE TABLE é (x int);\n", "DROP TABLE é;\n")

    for command in TRIED:
        done = commands.run(
            *command.split(), cwd=project.root, env=project.environ | environ
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert done.returncode == (command == "sqlpair lint"), said
        if "--json" in command:
            assert "CREATE TABLE é (x int)" in str(json.loads(done.stdout))
        if "--sql" in command:
            assert "CREATE TABLE é (x int);" in done.stdout


def test_a_folder_whose_name_is_not_utf8_is_one_like_any_other(tmp_path: Path) -> None:
    project = Project(tmp_path / os.fsdecode(b"l\xf6"), "")
    project.configure("alembic", databases="sqlite")
    project.add("sqlite", "001_a", "CREATE TABLE a (x int);\n")

    assert "001_a" in project.run("-m", "sqlpair", "migrate").stdout
    project.run("-m", "sqlpair", "backup")
    project.run("-m", "alembic", "current")
    failure = project.run("-m", "sqlpair", "migrate", expect=1, SQLITE_PATH="no/x.db")
    assert "the folder of the database is not there" in failure.stderr
