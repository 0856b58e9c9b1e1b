"""The wheel, built once for all tests of a session, and an environment that has it.

What the documents show runs there: in projects outside this repository, by programs
that have sqlpair from the wheel. What sqlpair depends on is what is installed here, so
that no network is asked.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import Commands
from conftest import Project

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "CHANGELOG.md", "LICENSE", "MANIFEST.in")
# What pip would have made of Alembic's own entry point.
ALEMBIC = "import sys\nfrom alembic.config import main\nsys.exit(main())\n"


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a program that succeeds; return what it prints."""
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def once(folder: Path) -> Iterator[bool]:
    """Say whether ``folder`` is to be filled: by one of the session's workers alone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        yield not done.exists()
        done.touch()


def build(folder: Path) -> Path:
    """Build the sdist and the wheel in ``folder``, unless it has them; return where."""
    with once(folder) as wanted:
        if wanted:
            (folder / "docs").mkdir(parents=True)
            for name in SOURCES:
                shutil.copy(ROOT / name, folder)
            readme = tomllib.loads((ROOT / "pyproject.toml").read_text())
            shutil.copy(ROOT / readme["project"]["readme"], folder / "docs")
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
            run(sys.executable, "-m", "build", "-q", "--no-isolation", cwd=folder)
    return folder / "dist"


def install(archive: Path, folder: Path) -> Path:
    """Make an environment with sqlpair of ``archive``; return its programs' folder."""
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    beside = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (site,) = folder.glob("lib/python*/site-packages")
    # Paths alone: what makes the checkout's own src importable is not read there.
    (site / "beside.pth").write_text("\n".join(sorted(beside)))
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    pip += ["--disable-pip-version-check", "install", "-q", "--no-deps"]
    run(*pip, "--no-build-isolation", "--no-index", archive)
    (programs / "alembic").write_text(f"#!{programs / 'python'}\n{ALEMBIC}")
    (programs / "alembic").chmod(0o755)
    where = run(
        programs / "python", "-c", "import sqlpair; print(sqlpair.__file__)", cwd=folder
    )
    assert Path(where.strip()).is_relative_to(folder), where
    return programs


class OutsideProject(Project):
    """A project that was made outside this repository, and is run, by the wheel."""

    def __init__(self, root: Path, dsn: str, programs: Path, commands: Commands):
        self.python = str(programs / "python")
        self.commands = commands
        root.mkdir()
        super().__init__(root, dsn)

    def init(self) -> None:
        """Lay it down."""
        self.sqlpair("init", ".")

    def revise(self) -> None:
        """Write the revision modules that are missing."""
        self.sqlpair("revisions")

    def sqlpair(
        self, *arguments: str, expect: int = 0, within: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run sqlpair, and check its exit code."""
        assert not within
        return self._checked(self.raw("sqlpair", *arguments, **environ), expect)
