"""docs/alembic.md says of each of Alembic's words what is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from conftest import Project

PAGE = (Path(__file__).parents[2] / "docs" / "alembic.md").read_text()
ROWS = re.findall(r"^\| `(alembic [^`]+)` \| (\w+) \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.fixture
def project(outside: Project) -> Project:
    """Migrations 001 and 003 on PostgreSQL, 002 on SQLite."""
    project = outside
    for number, name in enumerate(("postgres", "sqlite", "postgres"), start=1):
        table = f"CREATE TABLE t{number} (id integer PRIMARY KEY);\n"
        project.add(name, f"{number:03}_t{number}", table, f"DROP TABLE t{number};\n")
    with (project.root / "alembic.ini").open("a") as ini:
        ini.write("\n[other]\nscript_location = alembic\n")
    return project


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w'-]+", text.lower()))


def test_every_command_of_the_page_does_what_it_says(project: Project) -> None:
    wrong = []
    for command, verdict, why in ROWS:
        _, *arguments = shlex.split(command)
        done = project.raw("alembic", *arguments, EDITOR="true")
        said = done.stdout + done.stderr
        assert "Traceback" not in said, command
        if done.returncode != {"works": 0, "refused": 2}[verdict]:
            wrong.append((command, done.returncode, said))
        if verdict == "refused":
            reason = re.split(r"[;:,] ", why)[0]
            if not words(reason) <= words(said):
                wrong.append((command, reason, said))

    assert not wrong


def test_the_page_has_every_command_of_alembic() -> None:
    from alembic.config import CommandLine

    parser = CommandLine().parser
    (commands,) = (
        action.choices
        for action in parser._actions
        if hasattr(action, "choices") and isinstance(action.choices, dict)
    )

    named = {word for command, *_ in ROWS for word in shlex.split(command)}

    assert set(commands) <= named


def test_a_label_of_ones_own_is_shown_and_moves_nothing(project: Project) -> None:
    module = project.root / "alembic/versions/postgres/001_t1.py"
    module.write_text(
        module.read_text().replace(
            'branch_labels = "postgres"', 'branch_labels = ("postgres", "billing")'
        )
    )

    assert "billing" in project.alembic("history").stdout
    assert "postgres_003" in project.alembic("show", "billing@head").stdout
    failure = project.alembic("upgrade", "billing@head", expect=2)
    assert "no database is called 'billing'" in failure.stderr
    project.alembic("upgrade", "heads")
    assert project.applied("postgres") == ["001_t1", "003_t3"]
