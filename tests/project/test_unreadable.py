"""A file that may not be read is a message that names it, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Project

# Root reads every file; without these rights it is a user like any other.
AS_A_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def applied(project: Project) -> Project:
    """Without PostgreSQL, whose socket that user may not reach."""
    project.configure("alembic", databases="sqlite")
    project.add("sqlite", "001_a", "CREATE TABLE a (x int);\n", "DROP TABLE a;\n")
    project.upgrade()
    return project


def words(project: Project, *command: str) -> str:
    """Run a command as a user who may not read everything; return all it says."""
    user = AS_A_USER if os.geteuid() == 0 else []
    done = subprocess.run(
        [*user, sys.executable, "-m", *command],
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode in (1, 255), said  # 255: Alembic's own
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("command", "file"),
    [
        *(
            (f"sqlpair {command}", "sql/sqlite/001_a.sql")
            for command in (
                *("status", "version", "verify", "repair", "lint"),
                *("force-version 1 --yes", "plan", "prove", "snapshot"),
            )
        ),
        ("alembic stamp heads", "sql/sqlite/001_a.sql"),
        ("alembic stamp --sql heads", "sql/sqlite/001_a.sql"),
        ("alembic upgrade heads", "sql/sqlite/001_a.sql"),
        ("sqlpair rollback", "sql/sqlite/001_a_rollback.sql"),
        ("sqlpair prove", "sql/sqlite/001_a_rollback.sql"),
        ("alembic current", "alembic/versions/sqlite/001_a.py"),
        ("alembic heads", "alembic/versions/sqlite/001_a.py"),
        ("sqlpair migrate", "alembic.ini"),
        ("sqlpair lint", "pyproject.toml"),
        ("sqlpair status", ".env"),
        ("sqlpair new sqlite more", "alembic/script.py.mako"),
        ("sqlpair snapshot", "sql/sqlite/schema.sql"),
        ("sqlpair status", "sql/sqlite"),
        ("sqlpair status", "alembic/versions/sqlite"),
    ],
)
def test_a_file_that_may_not_be_read_is_named(
    applied: Project, command: str, file: str
) -> None:
    path = applied.root / file
    if not path.exists():
        path.write_text("# nothing\n")
    path.chmod(0)
    try:
        said = words(applied, *command.split())
    finally:
        path.chmod(0o700)

    assert Path(file).name in said
    assert "Permission denied" in said or "cannot be read" in said
