"""The hook that .pre-commit-hooks.yaml offers to other projects."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return found


def test_the_hook_installs_what_lint_needs(hook: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert hook["language"] == "python"
    needed = project["optional-dependencies"]["lint"]
    assert hook["additional_dependencies"] == needed


def test_the_hook_runs_for_what_lint_reads(hook: dict[str, Any]) -> None:
    for path in ("sql/postgres/001_a.sql", "sql/x/001_a_rollback.sql", "alembic.ini"):
        assert re.search(hook["files"], path)
    for path in ("README.md", "docs/sql/a.sql", "src/alembic.ini.py"):
        assert not re.search(hook["files"], path)


def test_the_hook_fails_a_commit_with_findings_and_no_other(
    hook: dict[str, Any], project: Project
) -> None:
    assert hook["pass_filenames"] is False
    name, *arguments = shlex.split(hook["entry"])
    assert name == "sqlpair"
    header = "-- Make t.\n-- Why: a.\n-- Locks: none.\n-- Rollback loses: all.\n"
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY);\n"
    project.add("sqlite", "001_t", header + table, "DROP TABLE t;\n")
    project.sqlpair(*arguments)

    project.add("sqlite", "002_u", f"{header}CREATE TABLE u (a UUID);\n")
    assert "sqlite-affinity" in project.sqlpair(*arguments, expect=1).stdout
