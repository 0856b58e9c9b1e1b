"""A project of SQL files alone: lint opens no database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sqlpair.authoring import scaffold
from sqlpair.lint import Finding, lint
from sqlpair.project.settings import load

HEADER = "-- Do it.\n-- Why: a test.\n-- Locks: none.\n-- Rollback loses: nothing.\n"
Linted = Callable[..., list[Finding]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of an empty project."""
    scaffold.init(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.sqlpair.lint]\nenumerated = ["side"]\n'
    )
    return tmp_path


@pytest.fixture
def linted(root: Path) -> Linted:
    """Write files by their paths below sql/ and lint; pair rules are left out."""

    def run(
        files: dict[str, str], settings: str = "", only: tuple[str, ...] = ()
    ) -> list[Finding]:
        for path, text in files.items():
            (root / "sql" / path).write_text(text)
        if settings:
            (root / "pyproject.toml").write_text(f"[tool.sqlpair.lint]\n{settings}\n")
        wanted = [root / "sql" / path for path in only]
        aside = {"rollback-missing", "header-line-missing"}
        found = lint(load(root / "alembic.ini", {}), wanted)
        return [item for item in found if item.rule not in aside]

    return run
