"""The page about coming from another tool: its commands, on a history of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import Project
from foreign_histories import PROJECTS, ForeignProject

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
TITLES = {
    "flyway": "Flyway",
    "diesel": "Diesel",
    "prisma": "Prisma",
    "sqitch": "Sqitch",
}
TITLES |= {"alembic": "Alembic", "plain SQL": "Plain SQL"}


@pytest.fixture
def project(outside: Project) -> Project:
    return outside


def commands(tool: str) -> list[str]:
    """Return what the section about a tool tells to type."""
    section = PAGE.partition(f"\n## {TITLES.get(tool, tool)}\n")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return re.findall(r"sqlpair ([^\n&]+)", block)


def take_over(project: Project, folder: Path, tool: str) -> None:
    """Type the commands of the page where the tool's folder is beside the project."""
    init, imported, adopt, verify = commands(tool)
    assert init.strip() == "init shop"  # the project is there
    words = imported.split()
    theirs = words[1].removeprefix("../")
    assert not theirs.startswith("..")
    (folder / theirs).parent.mkdir(parents=True, exist_ok=True)
    (folder / "theirs").rename(folder / theirs)
    project.sqlpair(*words)
    project.sqlpair(*adopt.split(), "--yes")
    assert "no problems found" in project.sqlpair(*verify.split()).stdout


@pytest.mark.parametrize("tool", PROJECTS)
def test_a_sections_commands_take_a_live_database_over(
    project: Project, tmp_path: Path, tool: str
) -> None:
    PROJECTS[tool].write(tmp_path / "theirs")
    PROJECTS[tool].migrate(project.pg)

    take_over(project, tmp_path, tool)

    assert len(project.applied("postgres")) == 3


def test_every_tool_has_its_section_and_is_in_the_table() -> None:
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    linked = re.findall(r"^\| \[.*?\]\(#(.+?)\)", PAGE, re.MULTILINE)

    titles = [TITLES.get(tool, tool) for tool in PROJECTS]

    assert sorted(sections[2:]) == sorted(titles)
    assert sorted(linked) == sorted(t.lower().replace(" ", "-") for t in titles)


def test_a_long_history_takes_four_commands_and_no_edit(
    project: Project, tmp_path: Path
) -> None:
    files, live = {}, ["CREATE TABLE schema_migrations (version bigint, dirty bool)"]
    for n in range(1, 61):
        up, down = f"CREATE TABLE t{n} (id int)", f"DROP TABLE t{n}"
        if n % 3 == 0:
            up = f"CREATE INDEX CONCURRENTLY i{n} ON t{n - 1} (id)"
            down = f"DROP INDEX CONCURRENTLY i{n}"
        files[f"{n:06}_step.up.sql"] = f"{up};\n"
        files[f"{n:06}_step.down.sql"] = f"{down};\n"
        live.append(up)
    live.append("INSERT INTO schema_migrations VALUES (60, false)")
    for statement in live:
        project.pg(statement)
    ForeignProject("golang-migrate", files, (), "", ()).write(tmp_path / "theirs")

    take_over(project, tmp_path, "golang-migrate")

    assert project.heads("postgres") == ["postgres_060"]
