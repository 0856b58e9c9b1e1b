"""A fleet's members on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Project
from fleets import at_head, fleet

# Dask warns of its own affairs.
PYTHON = (sys.executable, "-W", "ignore", "-m")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own."""
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "distributed.cli.dask_scheduler",
                ),
                *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
                *("--scheduler-file", str(file)),
            ],
            cwd=tmp_path,
            **quiet,  # type: ignore[call-overload]
        )
    ]
    while not file.exists() or not file.read_text():
        time.sleep(0.05)
    started += [
        subprocess.Popen(
            [
                *PYTHON,
                "distributed.cli.dask_worker",
                *("--scheduler-file", str(file), "--nthreads", "1", "--no-nanny"),
                *("--no-dashboard", "--host", "127.0.0.1", "--name", name),
            ],
            cwd=tmp_path,
            **quiet,  # type: ignore[call-overload]
        )
        for name in ("node1", "node2")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import json

        from distributed import Client

        address = json.loads(file.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
    yield address, started
    for process in started:
        process.kill()
        process.wait()


def begun(project: Project, paths: list[Path], address: str) -> subprocess.Popen[str]:
    """Begin to migrate on the cluster, and return when members are at work."""
    running = subprocess.Popen(
        [sys.executable, "-m", "sqlpair", "migrate", "--scheduler", address],
        cwd=project.root,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while sum(path.stat().st_size > 0 for path in paths) < 5:
        assert running.poll() is None, running.communicate()
        time.sleep(0.002)
    return running


def test_a_worker_that_dies_costs_no_member(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (_, first, _) = cluster
    paths = fleet(project, 200)
    running = begun(project, paths, address)
    os.kill(first.pid, signal.SIGKILL)

    out, err = running.communicate()

    assert running.returncode == 0, out + err
    assert "200  at 004_b" in out
    assert all(map(at_head, paths))


def test_a_signal_lets_workers_end_with_their_member_and_counts_what_they_did(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, _ = cluster
    paths = fleet(project, 600)
    running = begun(project, paths, address)
    running.terminate()

    out, err = running.communicate()

    assert running.returncode == 143, out + err
    done = sum(map(at_head, paths))
    assert f"{done}  at 004_b" in out
    assert f"{len(paths) - done}  not begun: a signal came" in out
    assert sum(path.stat().st_size > 0 for path in paths) == done


def test_the_last_workers_may_die_after_a_signal(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (_, *workers) = cluster
    paths = fleet(project, 600)
    running = begun(project, paths, address)
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)
    running.terminate()
    time.sleep(1)  # until it has told them: where it has not, this tries less
    for worker in workers:
        worker.kill()

    out, err = running.communicate()

    assert running.returncode == 143, out + err
    assert "not begun: a signal came" in out
    assert "not known" in out
    assert "Traceback" not in err
    project.sqlpair("migrate")
    assert all(map(at_head, paths))


def test_a_scheduler_that_dies_leaves_members_that_are_not_known(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (scheduler, *_) = cluster
    paths = fleet(project, 600)
    running = begun(project, paths, address)
    scheduler.kill()

    out, err = running.communicate()

    assert running.returncode == 1, out + err
    assert "Traceback" not in err
    assert "not begun: the cluster's scheduler is gone" in out
    assert "not known" in out
    assert "Schema version" not in out
    project.sqlpair("migrate")
    assert all(map(at_head, paths))


def test_a_worker_with_another_checkout_does_nothing(
    project: Project, tmp_path: Path
) -> None:
    from contextlib import ExitStack

    from sqlpair.fleet import members, work

    paths = fleet(project, 2)
    settings = project.settings
    (tenants,) = settings.fleets
    with ExitStack() as resources:
        found = members.find(settings, tenants, print, resources)
    part = settings._replace(databases=(tenants,))
    job = work.Job(part, work.MemberAction.MIGRATE, "files of another checkout", "")
    results = work.work(job, found)
    assert all("not those that the command began with" in r.error for r in results)
    assert [path.stat().st_size for path in paths] == [0, 0]


def test_a_scheduler_that_is_not_there_is_named(project: Project) -> None:
    paths = fleet(project, 2)
    done = project.run(
        *("-W", "ignore", "-m", "sqlpair", "migrate"),
        *("--scheduler", "tcp://127.0.0.1:1"),
        expect=1,
        DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="1s",
    )
    assert "the scheduler tcp://127.0.0.1:1 cannot be reached" in done.stderr
    assert [path.stat().st_size for path in paths] == [0, 0]


def test_a_file_of_another_host_is_for_a_worker_there(project: Project) -> None:
    fleet(project, 1)
    (project.root / "list").write_text("sqlite://node7//srv/app.db\n")
    project.configure("tenants", members="list")
    refused = project.sqlpair("migrate", expect=2)
    assert "is on the host node7" in refused.stderr
    assert "--scheduler" in refused.stderr


def test_a_worker_makes_no_listed_file_that_it_cannot_see(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, _ = cluster
    (path,) = fleet(project, 1)
    path.unlink()
    project.configure("tenants", members="list")
    (project.root / "list").write_text(f"{path}\n")
    words = ("-W", "ignore", "-m", "sqlpair", "migrate", "--scheduler", address)

    refused = project.run(*words, expect=1).stdout

    assert "there is no database, though it is listed" in refused
    assert not path.exists()
    project.run(*words, "--create")
    assert at_head(path)


def test_a_signal_ends_it_also_where_a_host_has_no_worker_any_more(
    project: Project, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (_, _, *workers) = cluster
    paths = fleet(project, 400)
    project.configure("tenants", members="list")
    (project.root / "list").write_text(
        "".join(f"sqlite://node{1 + n % 2}/{path}\n" for n, path in enumerate(paths))
    )
    running = begun(project, paths[1::2], address)
    for worker in workers:
        worker.kill()
        worker.wait()
    while sum(map(at_head, paths[::2])) < 200:
        time.sleep(0.05)
    running.terminate()

    out, err = running.communicate()

    assert running.returncode == 143, out + err
    assert "not known" in out
    assert "Traceback" not in err
    assert not all(map(at_head, paths[1::2]))
