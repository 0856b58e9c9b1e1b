"""``sqlpair init`` and ``sqlpair revisions`` make a working Alembic project."""

from __future__ import annotations

import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.authoring import scaffold
from sqlpair.errors import UsageError
from sqlpair.project import settings

ROOT = Path(__file__).parents[2]


def test_init_lays_down_a_project_that_alembic_can_read(project: Project) -> None:
    assert project.alembic("heads").stdout == ""
    assert "Nothing to do" in project.alembic("upgrade", "heads").stderr


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("mine")

    with pytest.raises(UsageError, match="there already"):
        scaffold.init(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["alembic.ini"]


def test_init_says_that_a_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot be written") as failure:
        scaffold.init(tmp_path / "file" / "project")

    assert "Not a directory" in str(failure.value)


@pytest.mark.parametrize(
    "command", [["new", "sqlite", "later"], ["revisions"], ["init", "other"]]
)
def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(
    project: Project, command: list[str]
) -> None:
    folder = project.root / "sql" / "sqlite"
    if command == ["revisions"]:
        for end in ("", "_rollback"):
            (folder / f"001_t{end}.sql").write_text("-- nothing\n")
    before = {path for path in project.root.rglob("*") if path.is_file()}

    done = subprocess.run(
        [sys.executable, "-m", "sqlpair", *command],
        cwd=project.root,
        env=project.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in (1, 2)
    assert "cannot be written" in done.stderr
    assert "File too large" in done.stderr
    assert "stdout" not in done.stderr
    assert {path for path in project.root.rglob("*") if path.is_file()} == before


def test_folder_of_hundreds_of_pairs_becomes_a_project_and_stays_one(
    project: Project,
) -> None:
    folder = project.root / "sql" / "sqlite"
    for number in range(300):
        (folder / f"{number:03}_step.sql").write_text("-- nothing\n")
        (folder / f"{number:03}_step_rollback.sql").write_text("-- nothing\n")

    assert len(scaffold.write_revisions(project.settings)) == 300
    assert scaffold.write_revisions(project.settings) == ()
    assert project.alembic("heads").stdout == "sqlite_299 (sqlite) (head)\n"
    project.upgrade()
    project.add("sqlite", "300_more", "CREATE TABLE more (id);\n")
    project.upgrade()

    assert len(project.applied("sqlite")) == 301
    assert project.heads("sqlite") == ["sqlite_300"]


def test_this_projects_own_alembic_files_are_the_templates() -> None:
    template = Path(scaffold.__file__).parent / "template" / "alembic"
    for name in ("env.py", "script.py.mako"):
        own = ROOT / "alembic" / name
        assert own.read_bytes() == (template / name).read_bytes()


def test_wheel_holds_what_init_lays_down(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w",
         str(tmp_path / "wheel"), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "alembic.ini",
        "gitignore",
        "alembic/env.py",
        "alembic/script.py.mako",
    ):
        assert f"sqlpair/authoring/template/{name}" in names
    for skeleton in (Path(scaffold.__file__).parent / "skeletons").rglob("*.sql"):
        name = skeleton.relative_to(Path(settings.__file__).parents[2])
        assert name.as_posix() in names
