"""The SQL of this project itself."""

from __future__ import annotations

from pathlib import Path

from sqlpair.lint import lint
from sqlpair.project.settings import load

ROOT = Path(__file__).parents[2]


def test_this_projects_own_migrations_have_no_findings() -> None:
    findings = lint(load(ROOT / "alembic.ini", {}))

    # What a branch edits is for its review to say, not for a test run on it.
    assert [item for item in findings if item.rule != "edited-after-release"] == []
