"""A reader who follows these pages step by step, in a new folder, gets there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conftest import Project
from pages import follow

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def environ(project: Project) -> dict[str, str]:
    """What a reader's shell has: this Python's programs, and the databases."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**project.environ, "PATH": programs}


def test_models(project: Project, environ: dict[str, str]) -> None:
    ran = follow(DOCS / "models.md", project.root, environ)

    assert len(ran) == 6
