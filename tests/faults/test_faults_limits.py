"""Limits of the system: of threads and processes, of open files."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Project
from fleets import at_head, fleet
from sqlpair.backup.directory import writing
from sqlpair.errors import SqlpairError

BIN = Path(sys.executable).parent
GIB = 2**20  # in the unit of ulimit


def limited(
    project: Project, limits: str, *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that has ``limits``, of the shell's ulimit."""
    program, *arguments = command
    return subprocess.run(
        ["sh", "-c", f'{limits}; exec "$0" "$@"', str(BIN / program), *arguments],
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def threads(number: int) -> str:
    """Let a process begin about ``number`` threads: by the memory of their stacks."""
    return f"ulimit -S -s {GIB}; ulimit -v {number * GIB + GIB * 9 // 10}"


@pytest.mark.parametrize("command", ["sqlpair migrate", "alembic upgrade heads"])
@pytest.mark.parametrize("number", [0, 1])
def test_where_no_thread_begins_that_is_told(
    project: Project, number: int, command: str
) -> None:
    project.add("sqlite", "001_a", "CREATE TABLE a (id);", "DROP TABLE a;")

    failure = limited(project, threads(number), *command.split())

    assert failure.returncode == 1
    assert "the system lets no more threads or processes begin" in failure.stderr
    assert "Raise the limit (ulimit -u" in failure.stderr
    assert "Traceback" not in failure.stderr
    assert not project.file.exists()


def test_too_few_files_are_told_by_every_number_of_them(project: Project) -> None:
    project.add("sqlite", "001_a", "CREATE TABLE a (id);", "DROP TABLE a;")
    told = set()
    for number in range(6, 30):  # with fewer, Python itself does not start
        failure = limited(project, f"ulimit -n {number}", "sqlpair", "migrate")
        assert "Traceback" not in failure.stderr, number
        if failure.returncode == 0:
            break
        told.add(failure.stderr.splitlines()[0])
        assert not project.file.exists() or "a" not in project.tables("sqlite")
    assert failure.returncode == 0
    assert "the system lets this process open no more files" in told


@pytest.mark.parametrize("number", [3, 4, 8])
def test_a_fleet_is_refused_more_processes_than_the_system_lets_begin(
    project: Project, number: int
) -> None:
    paths = fleet(project, 40)

    refused = limited(project, threads(number), "sqlpair", "migrate", "--jobs", "4")

    assert refused.returncode == 1
    assert "the system does not let 4 processes be begun" in refused.stderr
    assert "--jobs 1" in refused.stderr
    assert "Traceback" not in refused.stderr
    again = limited(project, threads(number), "sqlpair", "migrate", "--jobs", "1")
    assert again.returncode == 0, again.stderr
    assert all(map(at_head, paths))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EAGAIN, "the system lets no more threads or processes begin"),
        (errno.ENOMEM, "the system has no memory for another thread or process"),
        (errno.EMFILE, "the system lets this process open no more files"),
        (errno.ENOSPC, "a file could not be written"),
    ],
)
def test_a_backup_that_starts_no_program_does_not_blame_the_disk(
    code: int, told: str
) -> None:
    with pytest.raises(SqlpairError, match=told), writing():
        raise OSError(code, "as subprocess raises it")


def test_too_little_memory_is_told(project: Project) -> None:
    rows = f"INSERT INTO a VALUES ('{'x' * 500}');\n" * 100_000
    project.add("sqlite", "001_a", "CREATE TABLE a (x text);\n" + rows, "DROP TABLE a;")
    told = ""
    for megabytes in range(100, 1000, 100):
        limit = f"ulimit -v {megabytes * 1024}"
        failure = limited(project, limit, "sqlpair", "migrate")
        if failure.returncode == 0:
            break
        told += failure.stderr
        assert not project.file.exists() or "a" not in project.tables("sqlite")
    assert failure.returncode == 0
    assert project.lite("SELECT count(*) FROM a") == [(100_000,)]
    assert "there is not enough memory for this" in told
    assert "MemoryError" not in told
