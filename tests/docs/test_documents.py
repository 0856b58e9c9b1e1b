"""What the documents say is what the programs do."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from conftest import Project

ROOT = Path(__file__).parents[2]
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
    """Return the lines without what differs from run to run, and without padding.

    Nor with what SQLite words in another way from version to version.
    """
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


SPAN = re.compile(
    r"(?<!`)`((?:[A-Z_]+=\S+ )?(?:make|sqlpair|alembic) [^`\n]+)`(?!`)"
    r"|^((?:make|sqlpair|alembic) [^\n]*?)(?:  +.*)?$",
    re.MULTILINE,
)
# Of these it is enough that make knows them: they test or measure this project itself.
DEVELOPMENT = ("test", "lint", "format", "bench", "docs", "dist")


def commands_in(text: str) -> list[str]:
    """Return what a document tells to type, in its order; no output of commands."""
    text = re.sub(r"<!-- [$!] .*?<!-- end -->", "", text, flags=re.DOTALL)
    return [(a or b).partition("  #")[0].strip() for a, b in SPAN.findall(text)]


def is_literal(command: str) -> bool:
    """Say whether a command can be typed as it stands."""
    return not re.search(r"[…<>]|\.\.\.|\bCOMMAND\b", command)


@pytest.mark.parametrize("page", ["README.md", *PAGES, "docs/ci.md", "docs/backup.md"])
def test_make_knows_every_target_and_variable_that_a_document_names(page) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in commands_in((ROOT / page).read_text()):
        match = re.fullmatch(r"(?:[A-Z_]+=\S+ )?make (.+)", command)
        if match is None:
            continue
        target, *variables = match[1].split()
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: {command}"
        for variable in variables:
            name, equals, _ = variable.partition("=")
            taken = rf"\$(\(call (on|with),|\(|\${{?){name}\b"
            assert not equals or re.search(taken, makefile), f"{page}: {command}"


def test_every_command_of_the_readme_runs_as_it_stands_in_a_fresh_clone(
    write: ModuleType, tmp_path: Path
) -> None:
    project = write.fresh_copy(tmp_path / "project")
    unset = Project(tmp_path / "other", "").environ
    environ = {k: v for k, v in unset.items() if not k.endswith(("_URL", "MAKEFLAGS"))}
    environ["PATH"] = f"{project / '.venv' / 'bin'}:{environ['PATH']}"

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            shell=True,
            cwd=project,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    ran = []
    try:
        run("make db-start")  # each command would start it else
        for command in dict.fromkeys(filter(is_literal, commands_in(README))):
            target = command.split()[1]
            if command.startswith("make ") and target.startswith(DEVELOPMENT):
                continue
            if target == "db-stop":
                continue
            done = run(command)
            ran.append(command)
            # It asks, or wants to be told more: both are said.
            more = re.search("this asks first|is not given|Error 1$", done.stderr)
            assert done.returncode in (0, 1) or more, f"{command}: {done.stderr}"
            for fault in ("Traceback", "No such", "not found", "unrecognized"):
                assert fault not in done.stderr, f"{command}: {done.stderr}"
    finally:
        stopped = run("make db-stop")
    assert stopped.stdout == "Stopped.\n"
    assert len(ran) > 25
    assert {"make migrate", "alembic upgrade heads", "make rollback"} <= set(ran)


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


def test_the_architecture_page_draws_the_rooms_of_the_import_contract(
    write: ModuleType,
) -> None:
    page = write.ARCHITECTURE.read_text()

    assert page == write.with_rooms(page), "run: make docs"
    for floor in write.rooms().splitlines()[2:-1]:
        for room in re.findall(r"\w+", floor):
            assert f"`{room}" in page, f"{room} is drawn and not told of"


def test_the_architecture_page_names_each_module_that_a_migration_enters(
    write: ModuleType,
) -> None:
    page = write.ARCHITECTURE.read_text()

    assert page == write.with_way(page), "run: make docs"
    assert page.count("\n- `runner/migration.py`: ") == 1
