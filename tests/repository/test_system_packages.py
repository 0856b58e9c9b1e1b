"""scripts/system-packages on machines that lack something, with rights or without.

Each machine is a folder that is the whole PATH. Its package manager is a stand-in that
notes how it is called and lays down programs; the script is the real one.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What every machine has, down to a minimal Debian.
BASIC = ("sh", "env", "dirname", "paste", "sed", "cat", "chmod", "cp")
PYTHON = f'exec "{sys.executable}" "$@"'
# What imports venv and ensurepip, or asks whether this is older than 3.11.
NO_VENV = "exit 1"
OLD = 'case "$*" in *venv*) exit 1 ;; *) exit 0 ;; esac'


class Machine:
    """A checkout, and the programs beside it."""

    def __init__(self, folder: Path):
        self.programs = folder / "bin"
        self.calls = folder / "calls"
        self.root = folder / "checkout"
        self.sbin = folder / "sbin"
        for new in (self.programs, self.root / "scripts", self.sbin):
            new.mkdir(parents=True)
        self.calls.touch()
        self.script = self.root / "scripts" / "system-packages"
        source = (ROOT / "scripts" / "system-packages").read_text()
        self.script.write_text(source.replace("/usr/sbin", str(self.sbin)))
        self.script.chmod(0o755)
        for name in BASIC:
            found = shutil.which(name)
            assert found, name
            (self.programs / name).symlink_to(found)
        self.add("python3", PYTHON)
        for name in ("git", "sqlite3", "pgbouncer", "chromium"):
            self.add(name)
        self.belongs_to(1000)

    def add(self, name: str, script: str = "") -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.programs / name).unlink()

    def belongs_to(self, uid: int) -> None:
        self.add("id", f"echo {uid}")

    def has(self, manager: str, *programs: str, code: int = 0) -> None:
        """Let it have a package manager, whose installing brings ``programs``."""
        store = self.programs.parent / "store"
        store.mkdir(exist_ok=True)
        for name in programs:
            text = PYTHON if name == "python3" else ""
            (store / name).write_text(f"#!/bin/sh\n{text}\n")
            (store / name).chmod(0o755)
        bring = f'cp "{store}"/* "{self.programs}"' if programs else ":"
        self.add(
            manager,
            f'echo {manager} "$@" >> "{self.calls}"\n'
            f'case "$*" in *install*) {bring}; echo what it prints; exit {code}; esac',
        )

    def has_sudo(self, *, password: bool = False) -> None:
        """``password``: it has to be told one, and is told one only at a terminal."""
        refuse = '[ "$1" != -n ] || exit 1' if password else ""
        self.add(
            "sudo",
            f'echo sudo "$@" >> "{self.calls}"\n{refuse}\n'
            'case "$1" in -v) exit 0 ;; -n) shift ;; true) exit 0 ;; esac\n'
            '[ "$1" = true ] || exec "$@"',
        )

    @property
    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()

    def run(
        self,
        *words: str,
        expect: int = 0,
        stdin: int = subprocess.DEVNULL,
        **environ: str,
    ) -> tuple[str, str]:
        """Run the script; return what it wrote to stdout and to stderr."""
        done = subprocess.run(
            [self.script, *words],
            env={"PATH": str(self.programs)} | environ,
            cwd="/",
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def test_where_nothing_is_missing_nothing_is_said_or_called(machine: Machine) -> None:
    machine.has("apt-get")
    machine.remove("pgbouncer")
    (machine.sbin / "pgbouncer").touch(0o755)

    assert machine.run() == ("", "")
    assert machine.called == []


@pytest.mark.parametrize("name", ["chromium-browser", "google-chrome"])
def test_chromium_may_have_another_name(machine: Machine, name: str) -> None:
    machine.has("apt-get")
    machine.remove("chromium")
    machine.add(name)

    assert machine.run() == ("", "")
    assert machine.called == []


@pytest.mark.parametrize(
    ("manager", "package"), [("apt-get", "libatomic1"), ("dnf", "libatomic")]
)
def test_a_library_that_is_missing_is_installed(
    machine: Machine, manager: str, package: str
) -> None:
    machine.add("ldconfig", "echo 'libc.so.6 => /lib/libc.so.6'")
    machine.has(manager, "ldconfig")
    machine.belongs_to(0)

    assert machine.run() == ("", f"Installing with {manager}: {package}\n")
    assert machine.called[-1].endswith(f" {package}")


def test_a_library_that_is_there_is_not(machine: Machine) -> None:
    machine.add("ldconfig", "echo 'libatomic.so.1 => /lib/libatomic.so.1'")
    machine.has("apt-get")

    assert machine.run() == ("", "")
    assert machine.called == []


def test_root_installs_what_is_missing_and_says_what(machine: Machine) -> None:
    machine.remove("git", "sqlite3")
    machine.has("apt-get", "git", "sqlite3")
    machine.belongs_to(0)

    assert machine.run() == ("", "Installing with apt-get: git sqlite3\n")

    update, install = machine.called
    assert update == "apt-get -qq update"
    assert install.endswith(" install -y --no-install-recommends git sqlite3")
    assert machine.run() == ("", "")


def test_a_pooler_that_debian_starts_by_itself_is_stopped(machine: Machine) -> None:
    machine.remove("pgbouncer")
    machine.has("apt-get", "pgbouncer")
    machine.has("systemctl")
    machine.belongs_to(0)

    machine.run()

    assert machine.called[-1] == "systemctl disable --now pgbouncer"


def test_an_ordinary_user_installs_with_sudo(machine: Machine) -> None:
    machine.remove("sqlite3")
    machine.has("apt-get", "sqlite3")
    machine.has_sudo()

    machine.run()

    asked, update, install = [c for c in machine.called if c.startswith("sudo")]
    assert asked == "sudo -n true"
    assert update == "sudo apt-get -qq update"
    assert install.startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get")


def test_sudo_asks_for_a_password_at_a_terminal_alone(machine: Machine) -> None:
    machine.remove("sqlite3")
    machine.has("apt-get", "sqlite3")
    machine.has_sudo(password=True)

    _, said = machine.run(expect=1)
    assert "this is not root, and sudo refused" in said
    assert machine.called == ["sudo -n true"]

    ours, its = pty.openpty()
    try:
        machine.run(stdin=its)
    finally:
        os.close(ours)
        os.close(its)
    assert "sudo -v" in machine.called
    assert (machine.programs / "sqlite3").exists()


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("dnf", "dnf -q -y install python3 git sqlite pgbouncer chromium"),
        ("brew", "brew install -q python3 git sqlite pgbouncer chromium"),
    ],
)
def test_each_manager_is_given_its_own_names(
    machine: Machine, manager: str, command: str
) -> None:
    programs = ("python3", "git", "sqlite3", "pgbouncer", "chromium")
    machine.remove(*programs)
    machine.has(manager, *programs)
    machine.belongs_to(0 if manager == "dnf" else 1000)  # brew refuses root

    _, said = machine.run()

    assert said == f"Installing with {manager}: python3 git sqlite pgbouncer chromium\n"
    assert machine.called == [command]


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        (
            "apt-get",
            "Run as root: apt-get update && apt-get install"
            " python3-venv git sqlite3 pgbouncer chromium",
        ),
        ("dnf", "Run as root: dnf install python3 git sqlite pgbouncer chromium"),
    ],
)
def test_without_the_right_one_message_names_the_packages_and_the_command(
    machine: Machine, manager: str, command: str
) -> None:
    machine.remove("python3", "git", "sqlite3", "pgbouncer", "chromium")
    machine.has(manager)

    _, said = machine.run(expect=1)

    assert said.splitlines() == [
        "Programs are missing: python3 with venv, git, sqlite3, pgbouncer, chromium",
        "  They were not installed: this is not root, and there is no sudo.",
        f"  {command}",
    ]
    assert machine.called == []


def test_a_machine_with_no_manager_that_it_knows_is_told_the_programs(
    machine: Machine,
) -> None:
    machine.remove("sqlite3")

    _, said = machine.run(expect=1)

    assert "Programs are missing: sqlite3\n" in said
    assert "none of apt-get, dnf and brew was found" in said


def test_what_a_manager_said_is_shown_when_it_failed(machine: Machine) -> None:
    machine.remove("sqlite3")
    machine.has("apt-get", code=100)
    machine.belongs_to(0)

    _, said = machine.run(expect=1)

    assert "what it prints\n" in said
    assert "They were not installed: apt-get failed." in said


def test_a_package_without_its_program_is_no_success(machine: Machine) -> None:
    machine.remove("sqlite3")
    machine.has("apt-get")
    machine.belongs_to(0)

    _, said = machine.run(expect=1)

    assert "apt-get ran, and they are still not on the PATH" in said


# -- the Python of .venv -------------------------------------------------------------


def test_the_python_for_venv_is_printed_and_nothing_else_is_asked_for(
    machine: Machine,
) -> None:
    machine.remove("git", "sqlite3", "pgbouncer", "chromium")
    machine.add("python3", OLD)
    machine.add("python3.12", PYTHON)

    assert machine.run("python") == ("python3.12\n", "")


def test_a_python_without_venv_is_given_one(machine: Machine) -> None:
    machine.add("python3", NO_VENV)
    machine.has("apt-get", "python3")
    machine.belongs_to(0)

    printed, said = machine.run("python")

    assert printed == "python3\n"
    assert said == "Installing with apt-get: python3-venv\n"


def test_a_venv_that_is_there_needs_no_other_python(machine: Machine) -> None:
    machine.remove("python3")
    (machine.root / ".venv" / "bin").mkdir(parents=True)
    (machine.root / ".venv" / "bin" / "python").touch(0o755)

    assert machine.run() == ("", "")


@pytest.mark.parametrize("python", ["", "python3", "/nonexistent/python3"])
def test_a_system_whose_python_is_too_old_is_told_to_name_another(
    machine: Machine, python: str
) -> None:
    machine.add("python3", OLD)
    machine.has("apt-get")
    machine.belongs_to(0)

    _, said = machine.run("python", PYTHON=python, expect=1)

    assert "No Python 3.11 or newer with venv was found (tried: " in said
    assert "make migrate PYTHON=" in said
    assert machine.called == []
