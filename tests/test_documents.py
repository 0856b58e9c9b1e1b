"""What the documents say is what the programs do."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from conftest import Project

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "<!-- end -->" in page.read_text()
]


@pytest.fixture(scope="module")
def write() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write", ROOT / "docs" / "write.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timeless(text: str) -> list[str]:
    """Return the lines without what differs from run to run, and without padding."""
    for pattern, name in (
        (r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}", "ID"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"\d+(\.\d)? (ms|s)\b", "DURATION"),
        (r"\S+@\S+(?= +ID)", "USER"),
        (r"\d{4}-\d\d-\d\d", "DAY"),
        # How SQLite words an error that quotes our own text.
        (r"(?<=\.sql:)(\d+: )[^'\n]*(?='not dropped)", r"\1SQLITE: "),
    ):
        text = re.sub(pattern, name, text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("name", PAGES)
def test_a_document_shows_what_the_commands_print(
    write: ModuleType, tmp_path: Path, postgres: str, name: str
) -> None:
    project = write.fresh_copy(tmp_path / "project")
    environ = Project(tmp_path / "other", postgres).environ
    text = (ROOT / name).read_text()

    now = write.filled(text, project, environ)

    assert timeless(text) == timeless(now), "run: make docs"
    assert text.count("<!-- end -->") > 0
    assert ROOT / name in write.DOCUMENTS
    assert "README.md" in PAGES


def test_help_in_the_documents_is_current(write: ModuleType) -> None:
    assert write.COMMANDS.read_text() == write.commands(), "run: make docs"


def test_every_make_target_in_the_readme_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))

    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))

    assert named <= targets
    assert len(named) > 10


def test_every_link_leads_to_a_file() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_ci_runs_the_readmes_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()

    commands = [line for line in lines if not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "\nmake test " in README


def test_every_module_has_its_job_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = "".join(line.split("|")[1] for line in page.splitlines() if "|" in line)
    for path in (ROOT / "src" / "sqlpair").iterdir():
        if path.suffix == ".py" and not path.name.startswith("__"):
            assert f"`{path.name}`" in table, path.name
        elif (path / "__init__.py").is_file():
            assert f"`{path.name}/" in table, path.name


def test_every_row_about_reliability_names_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", tests, re.MULTILINE))
    cells = re.findall(r"^\|.*\|(.*)\|$", page, re.MULTILINE)

    rows = [cell for cell in cells if cell.strip() not in ("tests", "---")]

    assert len(rows) > 50
    for row in rows:
        named = set(re.findall(r"`(\w+)`", row))
        assert named, row
        assert named <= there, named - there
