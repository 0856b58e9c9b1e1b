"""The sdist and the wheel: what is in them, and a project that is made with each.

Without ``--dist-folder`` both are built here, and use what is installed beside them, so
that no network is asked. ``make dist`` has them fetch what they depend on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from conftest import Project
from outside import ROOT, install, run
from pages import follow

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = DECLARED["project"]


@pytest.fixture(scope="module")
def dist(request: pytest.FixtureRequest) -> Path:
    """The folder with the sdist and the wheel."""
    if given := request.config.getoption("--dist-folder"):
        return Path(given).absolute()
    built: Path = request.getfixturevalue("built")
    return built


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    (found,) = dist.glob("*.tar.gz")
    return found


def test_the_description_is_the_engines_and_renders(wheel: Path, sdist: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())

    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    assert metadata["Name"] == "sqlpair"
    assert metadata["Version"] == PROJECT["version"]
    text = metadata.get_payload()
    assert text.startswith("# sqlpair\n")
    assert "Tradebaas" not in text
    assert not re.search(r"\]\((?!http)", text), "a link that leads nowhere there"
    assert "Windows is\nnot supported" in text
    assert not any("Windows" in v for v in metadata.get_all("Classifier", []))


def test_both_have_every_file_of_the_package_and_no_other(
    wheel: Path, sdist: Path
) -> None:
    package = ROOT / "src" / "sqlpair"
    expected = {
        f"sqlpair/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"sqlpair/py.typed", "sqlpair/authoring/template/gitignore"} <= expected

    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
    assert names == expected
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in expected} <= names
    assert {"CHANGELOG.md", "LICENSE", "docs/package.md"} <= names
    assert not any(name.startswith("tests") for name in names)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_into_a_fresh_environment_goes_from_init_to_migrate(
    request: pytest.FixtureRequest, project: Project, tmp_path: Path, kind: str
) -> None:
    archive: Path = request.getfixturevalue(kind)
    fetch = request.config.getoption("--dist-folder") is not None
    fresh = tmp_path / "venv"
    if fetch:
        venv.create(fresh, with_pip=True, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(fresh / "bin" / "python")]
        pip += ["--disable-pip-version-check", "install", "-q"]
        run(*pip, f"sqlpair[embedded] @ {archive.as_uri()}")
    else:
        install(archive, fresh)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = f"{fresh / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    environ = {**project.environ, "PATH": path}

    ran = follow(ROOT / "docs" / "package.md", folder, environ)

    assert len(ran) == 7
    assert project.applied("postgres") == ["001_create_customers"]
    where = run(
        fresh / "bin" / "python", "-c", "import sqlpair; print(sqlpair.__file__)"
    )
    assert Path(where.strip()).is_relative_to(fresh)


def test_windows_is_refused_with_the_reason() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.name = 'nt'; import sqlpair"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "ImportError: sqlpair does not run on Windows" in done.stderr


def test_the_changelog_begins_with_the_version() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert titles[0].partition(",")[0] == PROJECT["version"]


def test_the_lowest_versions_are_those_declared() -> None:
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints-lowest.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    extras = PROJECT["optional-dependencies"]
    # Of pytest, the tests themselves want more than its plugin does.
    used = (name for name in extras if name not in ("bench", "dev", "pytest"))
    declared = [*PROJECT["dependencies"], *(one for n in used for one in extras[n])]

    for requirement in map(Requirement, declared):
        (lowest,) = (s.version for s in requirement.specifier if s.operator == ">=")
        assert Version(pinned.pop(requirement.name)) == Version(lowest), requirement
    assert not pinned
