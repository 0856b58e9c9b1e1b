"""The Dockerfile's steps, and the recipes of docs/deploying.md, without a container.

What they say is read as what runs them would read it, and held to what the engine has.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from conftest import Project
from sqlpair import cli
from sqlpair.errors import UsageError
from sqlpair.project import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text()
FILES = dict(
    re.findall(r"^```(?:yaml|ini) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)
GRACE = 120
SQLITE = {"SQLITE_PATH": "state/live.db"}


class Instruction(NamedTuple):
    """One line of a Dockerfile, and the stage it is in."""

    stage: int
    word: str
    text: str


def instructions() -> list[Instruction]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    found, stage = [], 0
    for line in text.replace("\\\n", "").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            stage += word == "FROM"
            found.append(Instruction(stage, word, rest.strip()))
    return found


def named(word: str) -> list[str]:
    return [one.text for one in instructions() if one.word == word]


class Image:
    """The folder that stands for an image's root, filled by the Dockerfile's steps."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = root

    def path(self, text: str) -> Path:
        return (
            self.root / text.lstrip("/") if text.startswith("/") else self.folder / text
        )

    def do(self, step: Instruction) -> None:
        if step.word == "WORKDIR":
            self.folder = self.path(step.text)
            self.folder.mkdir(parents=True, exist_ok=True)
        elif step.word == "COPY" and not step.text.startswith("--from"):
            *sources, target = step.text.split()
            for source in sources:
                assert is_sent(source), f"{source}: .dockerignore leaves it out"
                self.copy(ROOT / source, self.path(target), target.endswith("/"))
        elif step.word == "RUN" and "/opt/sqlpair" in step.text:
            self.run(step.text)

    def copy(self, source: Path, target: Path, into: bool) -> None:
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, target, ignore=ignored)
            return
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def run(self, text: str) -> None:
        """Run a step of the engine's environment, which uses what is installed here."""
        prefix = self.root / "opt" / "sqlpair"
        command = text.replace("/opt/sqlpair", str(prefix))
        command = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command)
        for site in prefix.glob("lib/python*/site-packages"):
            beside = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
            # First: an older Python brings a setuptools of its own into the folder.
            line = f"import sys; sys.path[0:0] = {sorted(beside)!r}\n"
            (site / "beside.pth").write_text(line)
        offline = {
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**os.environ, **offline},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def is_sent(name: str) -> bool:
    """Say whether .dockerignore lets a file reach the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sent = True
    for line in (one for one in lines if one and not one.startswith("#")):
        pattern = line.removeprefix("!")
        if fnmatch.fnmatch(name, pattern):
            sent = line.startswith("!")
    return sent


def test_the_image_migrates_and_writes_to_state_and_logs_alone(
    tmp_path: Path, project: Project
) -> None:
    image = Image(tmp_path / "image")
    for step in instructions():
        if step.stage == 2 and step.word == "FROM":
            image.folder = image.root
        image.do(step)
    here = image.root / "project"
    for name in ("state", "logs"):
        (here / name).mkdir()
    before = {path for path in here.rglob("*") if path.is_file()}
    (entry,) = named("ENTRYPOINT")
    (command,) = named("CMD")
    (program,) = yaml.safe_load(entry)
    environ = {
        **project.environ,
        "APP_ENV": "production",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TRADES_DB": "state/trades.db",
    }

    for arguments in (yaml.safe_load(command), ["status", "--exit-code"]):
        done = subprocess.run(
            [image.root / "opt" / "sqlpair" / "bin" / program, *arguments],
            cwd=here,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    assert project.applied("postgres")[-1] == "001_create_user_strategies"
    written = {path for path in here.rglob("*") if path.is_file()} - before
    assert {path.relative_to(here).parts[0] for path in written} == {"state", "logs"}
    assert any(path.name == "postgres.dump" for path in written)


def test_the_image_is_of_a_user_that_is_not_root() -> None:
    (user,) = named("USER")
    uid, gid = map(int, user.split(":"))
    made = " ".join(named("RUN"))

    assert uid == gid > 0
    assert f"--uid {uid}" in made
    assert f"-o {uid} -g {gid} /project/state /project/logs" in made
    volumes = yaml.safe_load(named("VOLUME")[0])
    assert volumes == ["/project/state", "/project/logs"]
    order = [one.word for one in instructions()]
    assert order.index("USER") > max(i for i, word in enumerate(order) if word == "RUN")


def test_pg_dump_is_of_the_servers_version_in_the_dockerfile_and_compose() -> None:
    services = compose()["services"]
    server = services["postgres"]["image"].partition(":")[2]

    assert f"POSTGRES={server}" in named("ARG")
    assert services["migrate"]["build"]["args"]["POSTGRES"] == server
    assert '"postgresql-client-${POSTGRES}"' in " ".join(named("RUN"))


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_compose_has_no_password_and_mounts_what_the_image_writes() -> None:
    text = (ROOT / "compose.yaml").read_text()
    migrate = compose()["services"]["migrate"]

    assert set(re.findall(r"PASSWORD: (.*)", text)) == {
        "${POSTGRES_PASSWORD:?set a password}"
    }
    targets = {volume.partition(":")[2] for volume in migrate["volumes"]}
    assert targets == set(yaml.safe_load(named("VOLUME")[0]))
    assert migrate["restart"] == "no"
    assert migrate["read_only"]
    assert_is_command(migrate["command"])
    assert (
        "max_prepared_transactions=16" in compose()["services"]["postgres"]["command"]
    )


def test_composes_variables_are_those_of_the_project(tmp_path: Path) -> None:
    environ = compose()["services"]["migrate"]["environment"]

    found = settings.load(ROOT / "alembic.ini", environ)

    assert found.environment == "production"
    assert found.database("postgres").embedded is None
    assert found.database("sqlite").address == str(ROOT / "state" / "trades.db")


def assert_is_command(arguments: list[str]) -> None:
    assert arguments[0] in cli.NAMES, arguments


def containers(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each container that runs sqlpair, and the pod it is in."""
    document = yaml.safe_load(FILES[name])
    pod = document["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        if "args" in container:
            yield container, pod


@pytest.mark.parametrize("name", ["job.yaml", "init-container.yaml"])
def test_a_pod_runs_a_command_as_the_images_user_with_its_volumes(name: str) -> None:
    ((container, pod),) = containers(name)
    (user,) = named("USER")
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    declared = {volume["name"] for volume in pod["volumes"]}

    assert_is_command(container["args"])
    assert f"{pod['securityContext']['runAsUser']}:" in user
    assert pod["terminationGracePeriodSeconds"] == GRACE
    assert set(yaml.safe_load(named("VOLUME")[0])) <= mounted
    for one in (container, *pod["containers"]):
        assert {mount["name"] for mount in one["volumeMounts"]} <= declared
    names = {pair["name"] for pair in container["env"]}
    assert names == {"APP_ENV", "TRADES_DB"}


def test_every_limit_is_longer_than_what_a_run_may_wait() -> None:
    found = settings.load(ROOT / "alembic.ini", {})
    waits = max(one.lock_wait for one in found.databases) + found.backups.timeout
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(FILES["sqlpair-migrate.service"])
    workflow = yaml.safe_load(FILES["deploy.yml"])

    limits = {
        "job": yaml.safe_load(FILES["job.yaml"])["spec"]["activeDeadlineSeconds"],
        "init": yaml.safe_load(FILES["init-container.yaml"])["spec"][
            "progressDeadlineSeconds"
        ],
        "systemd": int(unit["Service"]["TimeoutStartSec"]),
        "github": workflow["jobs"]["migrate"]["timeout-minutes"] * 60,
        "helm": 60 * int(re.search(r"--timeout (\d+)m", PAGE)[1]),  # type: ignore[index]
        "kubectl": int(re.search(r"--timeout=(\d+)s", PAGE)[1]),  # type: ignore[index]
    }

    assert set(limits.values()) == {5400}
    assert waits < 5400
    assert int(unit["Service"]["TimeoutStopSec"]) == GRACE
    assert (
        f"`lock_wait` seconds for another one ({found.databases[0].lock_wait:g})"
        in PAGE
    )
    assert f"`backup_timeout` ({found.backups.timeout:g})" in PAGE.replace("\n", " ")


def test_a_job_is_not_repeated_after_misuse() -> None:
    spec = yaml.safe_load(FILES["job.yaml"])["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]

    assert rule["onExitCodes"]["values"] == [UsageError.exit_code]
    assert rule["onExitCodes"]["containerName"] == "migrate"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # the policy wants it


def test_the_hook_is_the_job_with_annotations() -> None:
    hook = yaml.safe_load(FILES["helm-hook.yaml"])

    assert hook["kind"] == "Job"
    for name, value in hook["metadata"]["annotations"].items():
        assert name.startswith("helm.sh/hook")
        assert isinstance(value, str)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = FILES["sqlpair-migrate.service"]
    program = Path(sys.executable).parent / "sqlpair"
    (start,) = re.findall(r"^ExecStart=(\S+) (.*)$", text, re.MULTILINE)
    assert start[0].endswith("/.venv/bin/sqlpair")
    assert_is_command(shlex.split(start[1]))

    if shutil.which("systemd-analyze"):
        unit = tmp_path / "sqlpair-migrate.service"
        unit.write_text(text.replace(start[0], str(program)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit],
            capture_output=True,
            text=True,
            check=False,
        )
        about = [line for line in done.stderr.splitlines() if unit.name in line]
        assert not about


def test_the_workflow_runs_commands_that_are_there() -> None:
    steps = yaml.safe_load(FILES["deploy.yml"])["jobs"]["migrate"]["steps"]
    lines = [shlex.split(step["run"]) for step in steps if "run" in step]
    ours = [words[1:] for words in lines if words[0].endswith("/sqlpair")]

    assert [words[0] for words in ours] == ["plan", "migrate", "status"]
    for words in ours:
        assert_is_command(words)
        known = {opt for p in cli.command(words[0]).params for opt in p.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_the_pages_exit_codes_are_the_commands(project: Project) -> None:
    codes = set(re.findall(r"^\| (\d+)", PAGE, re.MULTILINE))
    assert codes == {"0", "1", "2", "130", "137"}

    project.add("sqlite", "001_t", "CREATE TABLE t (id);\n")
    project.sqlpair("status", "--exit-code", expect=1)
    project.sqlpair("migrate")
    project.sqlpair("status", "--exit-code")
    project.sqlpair("migrate", "--to", "x", expect=2)


def test_the_commands_of_unit_and_workflow_run_where_the_wheel_is_installed(
    outside: Project,
) -> None:
    for number, database in enumerate(("postgres", "sqlite", "postgres"), start=1):
        if number == 3:
            outside.sqlpair("migrate", "--create", APP_ENV="production", **SQLITE)
        up = f"CREATE TABLE t{number} (id int);\n"
        outside.add(database, f"00{number}_t", up, f"DROP TABLE t{number};\n")
    lines = re.findall(
        r"/\.venv/bin/sqlpair (.+)$|\.venv/bin/sqlpair (.+)$", PAGE, re.M
    )
    commands = [one or other for one, other in lines]

    assert sorted(commands) == ["migrate", "migrate", "plan", "status --exit-code"]
    for command in commands:
        outside.sqlpair(*command.split(), APP_ENV="production", **SQLITE)
    assert outside.applied("postgres") == ["001_t", "003_t"]
