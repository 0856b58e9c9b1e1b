"""The workflow and the action for other projects, their scripts run as a runner would.

That is: each ``run:`` in its order, by ``bash -eo pipefail``, in a clone of a project
whose branch has a migration more than main, on databases that nobody configured. What
a runner does beside that (checkout, setup-python, the expressions) is not tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pip
import pytest
import yaml

from conftest import Project
from sqlpair.authoring import scaffold

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "migrations"
HEADER = "-- Do it.\n-- Why: a test.\n-- Locks: t.\n-- Rollback loses: all.\n"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
ALWAYS = "${{ !cancelled() }}"
RESTORED = "${{ !cancelled() && steps.restore.outputs.restored == 'true' }}"


def read(path: Path) -> dict[str, Any]:
    # PyYAML reads the key "on" as true.
    return {str(key): value for key, value in yaml.safe_load(path.read_text()).items()}


class Ran(NamedTuple):
    """What each step printed and how it ended, and the summary of all."""

    codes: dict[str, int]
    printed: dict[str, str]
    summary: str


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=you", "-c", "user.email=you@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


@pytest.fixture
def fork(project: Project, tmp_path: Path) -> Project:
    """A clone of a project with two migrations on main, at work on a branch."""
    project.environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin"}
    project.environ["PATH"] += ":/bin:/usr/local/bin"
    project.add(
        "postgres",
        "001_t",
        f"{HEADER}CREATE TABLE t (id bigint PRIMARY KEY, a text);\n",
        "DROP TABLE t;\n",
    )
    project.add(
        "sqlite",
        "002_s",
        f"{HEADER}CREATE TABLE s (id INTEGER PRIMARY KEY, a TEXT);\n",
        "DROP TABLE s;\n",
    )
    project.sqlpair("snapshot")
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Begin")
    git(tmp_path, "clone", "-q", str(project.root), "clone")
    project.root = tmp_path / "clone"
    git(project.root, "checkout", "-qb", "more")
    return project


@pytest.fixture
def review(fork: Project, tmp_path: Path) -> Callable[..., Ran]:
    """Run the action's steps, all or from one on, on what the branch has now."""

    def run(base: str = "main", backup: str = "", first: str = "Lint") -> Ran:
        files = {name: tmp_path / name for name in ("summary", "output", "temp")}
        files["temp"].mkdir()
        files["summary"].touch()
        environ = fork.environ | {
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_WORKSPACE": str(fork.root),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_OUTPUT": str(files["output"]),
            "RUNNER_TEMP": str(files["temp"]),
        }
        inputs = {"${{ inputs.base }}": base, "${{ inputs.backup }}": backup}
        codes, printed = {}, {}
        steps = read(ACTION / "action.yml")["runs"]["steps"]
        for step in steps[[step["name"] for step in steps].index(first) :]:
            outputs = files["output"].read_text() if files["output"].exists() else ""
            if not {ALWAYS: True, RESTORED: "restored=true" in outputs}[step["if"]]:
                continue
            own = {name: inputs[value] for name, value in step.get("env", {}).items()}
            done = subprocess.run(
                [*BASH, step["run"]], cwd=fork.root, env=environ | own, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            codes[step["name"]] = done.returncode
            printed[step["name"]] = done.stdout
        return Ran(codes, printed, files["summary"].read_text())

    return run


def add(project: Project, up: str, down: str) -> None:
    folder = project.root / "sql" / "postgres"
    (folder / "003_more.sql").write_text(up)
    (folder / "003_more_rollback.sql").write_text(down)
    scaffold.write_revisions(project.settings)


def test_a_good_migration_passes_every_step_and_is_told_in_the_summary(
    fork: Project, review: Callable[..., Ran]
) -> None:
    add(
        fork,
        f"{HEADER}ALTER TABLE t ADD COLUMN b text;\n",
        "ALTER TABLE t DROP COLUMN b;\n",
    )
    fork.sqlpair("snapshot")

    ran = review()

    assert ran.codes == dict.fromkeys(
        [
            "Lint",
            "Prove",
            "Snapshot",
            "Plan, on empty databases",
            "Restore",
            "Plan, on restored databases",
        ],
        0,
    ), ran.printed.get("Restore")
    headings = re.findall("^## (.*)$", ran.summary, re.MULTILINE)
    assert headings == [
        f"{name}: passed"
        for name in (
            "Lint",
            "Prove",
            "Snapshot",
            "Plan, on empty databases",
            "Plan, on restored databases",
        )
    ]
    assert ran.summary.count("`````text\n") == ran.summary.count("`````\n") == 3
    empty, restored = ran.summary.split("## Plan, on restored databases")
    assert "#### 1. postgres 001_t\n" in empty
    assert "#### 1. postgres 003_more\n" in restored
    assert "t: ACCESS EXCLUSIVE, blocks reads and writes" in restored
    assert "| tested | yes |" in restored


def test_a_bad_migration_is_told_by_every_step_it_concerns(
    fork: Project, review: Callable[..., Ran]
) -> None:
    add(fork, "ALTER TABLE t DROP COLUMN a;\nCREATE TABLE u (a int);\n", "-- nothing\n")

    ran = review(base="main")

    assert {name: bool(code) for name, code in ran.codes.items()} == {
        "Lint": True,
        "Prove": True,
        "Snapshot": True,
        "Plan, on empty databases": False,
        "Restore": False,
        "Plan, on restored databases": False,
    }
    assert "::error file=sql/postgres/003_more.sql,line=1" in ran.printed["Lint"]
    assert "## Lint: failed" in ran.summary
    assert "rollback leaves" in ran.summary


def test_a_backup_of_ones_own_is_restored_instead(
    fork: Project, review: Callable[..., Ran], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(fork.root), "other")
    for command in (["migrate"], ["backup"]):
        subprocess.run(
            [sys.executable, "-m", "sqlpair", *command], cwd=other, env=fork.environ,
            check=True, capture_output=True,
        )  # fmt: skip
    (backup,) = (other / "state" / "backups").iterdir()

    ran = review(base="no-such-branch", backup=str(backup))

    assert set(ran.codes.values()) == {0}, ran.printed
    assert "nothing is pending" in ran.printed["Plan, on restored databases"]


def test_where_the_base_has_no_migrations_there_is_nothing_to_restore(
    fork: Project, review: Callable[..., Ran]
) -> None:
    git(fork.root, "checkout", "-q", "--orphan", "empty")
    git(fork.root, "rm", "-rqf", "--cached", ".")
    git(fork.root, "commit", "-q", "--allow-empty", "-m", "Empty")
    git(fork.root, "update-ref", "refs/remotes/origin/empty", "HEAD")
    git(fork.root, "symbolic-ref", "HEAD", "refs/heads/more")

    ran = review(base="empty", first="Restore")

    assert ran.codes["Restore"] == 0
    assert "nothing to restore" in ran.printed["Restore"]
    assert "Plan, on restored databases" not in ran.codes


def test_a_report_ends_as_its_command_does_and_tells_why(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    command = ("sh", "-c", "echo shown; echo told >&2; exit 3")

    done = subprocess.run(
        [str(ACTION / "report.sh"), "A title", *command],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (3, "shown\n", "told\n")
    assert (tmp_path / "s").read_text() == (
        "## A title: failed\n\n`````text\nshown\ntold\n`````\n\n"
    )


def test_a_report_shows_markdown_as_that_and_why_a_command_failed_fenced(
    tmp_path: Path,
) -> None:
    environ = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    command = ("sh", "-c", "echo '| a |'; echo '`````' >&2; exit $0")

    for code in ("0", "1"):
        report = [str(ACTION / "report.sh"), "--markdown", "T", *command, code]
        done = subprocess.run(report, env=environ, capture_output=True, check=False)
        assert done.returncode == int(code)

    assert (tmp_path / "s").read_text() == (
        "## T: passed\n\n| a |\n\n"
        "## T: failed\n\n| a |\n\n``````text\n`````\n``````\n\n"
    )


def test_what_a_report_shows_cannot_end_its_fence(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    command = ("printf", "%s", "a\n```````\n[link](x)\xff")

    subprocess.run([str(ACTION / "report.sh"), "T", *command], env=environ, check=True)

    lines = (tmp_path / "s").read_text(errors="replace").splitlines()
    assert lines[2] == "`" * 8 + "text"
    assert lines[-2] == "`" * 8
    assert lines.count("`" * 8) == 1


def test_the_workflow_installs_and_calls_the_action(tmp_path: Path) -> None:
    workflow = read(ROOT / ".github" / "workflows" / "migrations.yml")
    (job,) = workflow["jobs"].values()
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    (install,) = [step["run"] for step in job["steps"] if "run" in step]

    assert (ROOT / uses[-1] / "action.yml").is_file()
    given = job["steps"][-1]["with"].keys()
    assert given <= read(ACTION / "action.yml")["inputs"].keys()
    assert os.access(ACTION / "report.sh", os.X_OK)
    # Into an environment of its own, without the packages that it depends on.
    venv.create(tmp_path / "venv")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    shutil.copytree(Path(pip.__file__).parent, packages / "pip")
    environ = os.environ | {"PIP_NO_DEPS": "1"}
    environ["PATH"] = f"{tmp_path / 'venv' / 'bin'}:{environ['PATH']}"
    done = subprocess.run(
        [*BASH, install], cwd=ROOT, env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv" / "bin" / "sqlpair").is_file()
