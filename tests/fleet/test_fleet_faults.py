"""What goes wrong with members of a fleet: each is whole or as it was, and named."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from conftest import Project
from fault_injection import until
from fleets import NUMBERED, applied, at_head, descendants, fleet, rows
from sqlpair.fleet import run as fleet_run
from sqlpair.fleet.executors import Chunk, Workers, open_workers
from sqlpair.fleet.members import find
from sqlpair.fleet.pattern import files
from sqlpair.fleet.work import Job, MemberAction, MemberResult, files_of, work
from sqlpair.project.fleet import MemberSource, SourceKind

MEMBERS = 40


def begin(project: Project, *words: str) -> subprocess.Popen[str]:
    """Begin to migrate in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sqlpair", "migrate", *words],
        cwd=project.root,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def whole_or_untouched(path: Path) -> bool:
    """Say whether a member has all migrations, each once, or nothing at all."""
    names = {name for (name,) in rows(path, "SELECT name FROM sqlite_master")}
    if "schema_version" not in names:
        return not names
    return applied(path) == [*NUMBERED] and {"a", "b"} <= names


@pytest.mark.parametrize("waits_for", ["pipe_read", "futex"])
def test_the_death_of_one_worker_keeps_no_other_waiting(
    project: Project, waits_for: str
) -> None:
    """Of two at rest one waits for a task, the other for the first one's lock."""
    job = Job(project.settings, MemberAction.STATUS, "", "")
    workers = open_workers(2)
    for future in [workers.submit(job, ()), workers.submit(job, ())]:
        future.result()

    os.kill(until(lambda: at_rest(waits_for), waits_for), signal.SIGKILL)
    closing = threading.Thread(target=workers.close, daemon=True)
    closing.start()

    until(lambda: not closing.is_alive(), "the other one ends, too")
    assert multiprocessing.active_children() == []


def at_rest(waits_for: str) -> int | None:
    """Return the worker that waits so, once both do wait."""
    seen = {
        child.pid: Path(f"/proc/{child.pid}/wchan").read_text()
        for child in multiprocessing.active_children()
    }
    calls = ("pipe_read", "futex")
    found = [pid for call in calls for pid, at in seen.items() if call in at]
    return found[calls.index(waits_for)] if len(found) == len(calls) else None


def test_after_random_kills_each_migration_is_in_each_member_once(
    project: Project, kills: int
) -> None:
    paths = fleet(project, MEMBERS)
    chance = random.Random(17)
    for number in range(kills):
        jobs = "1" if number % 2 else "2"
        if all(map(at_head, paths)):  # all over again
            for path in paths:
                path.write_bytes(b"")
        running = begin(project, "--jobs", jobs)
        before = sum(path.stat().st_size > 0 for path in paths)
        goal = before + chance.randint(0, max(0, (MEMBERS - before) // 2))
        while (
            running.poll() is None
            and sum(path.stat().st_size > 0 for path in paths) <= goal
        ):
            time.sleep(0.001)
        time.sleep(chance.random() / 50)
        if chance.random() < 0.5:
            os.kill(running.pid, signal.SIGKILL)  # its workers end by themselves
        else:
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert all(map(whole_or_untouched, paths))
    again = begin(project)
    out, err = again.communicate()
    assert again.returncode == 0, out + err
    assert all(map(at_head, paths))


def test_what_forks_processes_may_refuse_while_it_dies(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = fleet(project, MEMBERS)
    refusals = 3

    def refuse(job: Job, members: Chunk) -> Future[list[MemberResult]]:
        raise ConnectionRefusedError

    def opened(jobs: int, scheduler: str = "") -> Workers:
        nonlocal refusals
        refusals -= 1
        workers = open_workers(jobs, scheduler)
        return workers._replace(submit=refuse) if refusals >= 0 else workers

    monkeypatch.setattr(fleet_run, "open_workers", opened)
    project.sqlpair("migrate", "--jobs", "2")
    assert refusals < 0
    assert all(map(at_head, paths))


def test_a_member_that_kills_each_process_is_named_and_the_others_go_on(
    project: Project,
) -> None:
    paths = fleet(project, MEMBERS)
    module = project.root / "alembic" / "versions" / "tenants" / "004_b.py"
    module.write_text(
        "import os\nfrom alembic import op\n"
        + module.read_text().replace("upgrade,", "up,")
        + "\n\ndef upgrade():\n    up()\n"
        "    found = op.get_bind().exec_driver_sql('PRAGMA database_list')\n"
        "    if 't0013' in str(found.fetchall()):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    done = project.sqlpair("migrate", "--jobs", "2", expect=1)
    assert "t0013: failed: tenants: the process that worked on it" in done.stderr
    assert whole_or_untouched(paths[13])
    assert [path.name for path in paths if not at_head(path)] == ["t0013.db"]


def test_no_worker_outlives_the_command_that_was_killed(project: Project) -> None:
    paths = fleet(project, 60)
    running = begin(project, "--jobs", "2")
    while sum(path.stat().st_size > 0 for path in paths) < 3:
        assert running.poll() is None
        time.sleep(0.002)
    workers = descendants(running.pid)
    assert len(workers) >= 4  # two, what forks them, and Python's tracker
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    deadline = time.monotonic() + 60
    while any(_lives(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    project.sqlpair("migrate")
    assert all(map(at_head, paths))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_listed_file_that_is_lost_is_not_made_again_outside_development(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.configure("tenants", members="state/tenants.txt")
    text = "".join(f"{path}\n" for path in paths)
    (project.root / "state" / "tenants.txt").write_text(text)
    project.environ |= {"APP_ENV": "staging", "SQLITE_PATH": str(project.file)}
    project.sqlpair("migrate")
    paths[1].unlink()

    failed = project.sqlpair("migrate", expect=1)

    assert "tenants: there is no database, though it is listed" in failed.stdout
    project.alembic("upgrade", "heads", expect=1)
    assert not paths[1].exists()
    project.sqlpair("migrate", "--member", "state/tenants/t0001.db")
    assert at_head(paths[1])
    paths[2].unlink()
    project.alembic("-x", "create=true", "upgrade", "heads")
    assert at_head(paths[2])


def let_be_ahead(path: Path) -> None:
    """Record what a newer checkout may have applied."""
    rows(path, "UPDATE alembic_version SET version_num = 'tenants_009'")
    rows(path, "INSERT INTO schema_version (version, migration_name) VALUES (9, '9')")


def test_each_member_that_cannot_be_is_named_and_the_others_are_at_head(
    project: Project,
) -> None:
    fleet(project, 8)
    project.configure("tenants", members="state/tenants.txt", lock_timeout="0.2")
    folder = project.root / "state" / "tenants"
    names = ["locked", "not", "ahead", "edited", "well", "also"]
    paths = {name: folder / f"{name}.db" for name in names}
    for path in paths.values():
        path.touch()
    (project.root / "state" / "tenants.txt").write_text(
        "# all tenants\n" + "".join(f"{path}\n" for path in paths.values())
    )
    paths["not"].write_text("this is a letter, and no database at all\n" * 50)
    for name in ("ahead", "edited"):
        project.sqlpair("migrate", "--member", str(paths[name]))
    let_be_ahead(paths["ahead"])
    rows(paths["edited"], "DELETE FROM schema_version WHERE version = 3")
    other = sqlite3.connect(paths["locked"], isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    failed = project.sqlpair("migrate", "--jobs", "2", expect=1)

    other.close()
    told = failed.stdout
    for name in ("locked", "not", "ahead", "edited"):
        assert f"tenants/state/tenants/{name}.db failed" in told
    assert "not a database" in told
    assert "ahead of this checkout" in told
    assert "disagree" in told or "numbered below" in told
    assert at_head(paths["well"])
    assert at_head(paths["also"])
    status = project.sqlpair("status", expect=1).stdout
    assert "ahead.db" in status


@pytest.mark.parametrize("action", [*MemberAction])
def test_a_file_that_goes_while_others_are_at_work_is_not_at_base_and_not_made_again(
    project: Project, action: MemberAction
) -> None:
    first, second = fleet(project, 2)
    if action != MemberAction.MIGRATE:
        project.sqlpair("migrate")
    settings = project.settings
    (tenants,) = settings.fleets
    with contextlib.ExitStack() as resources:
        members = find(settings, tenants, print, resources)
    first.rename(first.with_suffix(".archive"))
    job = Job(settings, action, files_of(settings, "tenants"), "", 4)

    gone, there = work(job, members)

    assert "its file is gone since it was found" in gone.error
    assert gone.number is None
    assert not first.exists()
    assert not there.error
    assert at_head(second)


def on_a_small_disk(
    project: Project, *words: str, blocks: int = 200
) -> subprocess.CompletedProcess[str]:
    """Run sqlpair where state/small/full.db, a copy of seed, has no room to grow.

    Where this user may mount nothing, no file may grow above so many ``blocks``.
    """
    namespace = ["unshare", "--mount"]
    if os.geteuid() != 0:
        namespace += ["--user", "--map-root-user"]
    copy = "cp seed state/small/full.db"
    mount = f"mount -t tmpfs -o size=100k tmpfs state/small && {copy}"
    # In a chroot no namespace is to be had.
    by_hand = f"trap 'umount state/small' EXIT && {mount}"
    limit = f"{copy} && ulimit -f {blocks}"
    for before, full in ((namespace, mount), ([], by_hand), ([], limit)):
        trial = [*before, "sh", "-c", full]
        if subprocess.run(trial, cwd=project.root, check=False).returncode == 0:
            break
    script = f"""{full}
        "$@"
        echo exit $?
        sqlite3 state/small/full.db 'SELECT name FROM sqlite_master'"""
    return within(project, (*before, "sh", "-c", script, "sh"), *words)


def within(
    project: Project, shell: Iterable[str], *words: str
) -> subprocess.CompletedProcess[str]:
    """Run sqlpair within what the words of ``shell`` begin."""
    return subprocess.run(
        [*shell, sys.executable, "-m", "sqlpair", *words],
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_member_on_a_full_disk_is_named_and_the_others_are_at_head(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.configure("tenants", members="state/*/*.db")
    small = project.root / "state" / "small"
    small.mkdir()
    seed = project.root / "seed"
    rows(seed, "CREATE TABLE filler AS SELECT zeroblob(90000) AS x")
    done = on_a_small_disk(project, "migrate")
    assert "! tenants/small/full failed" in done.stdout, done.stderr
    assert done.stdout.endswith("exit 1\nfiller\n")
    assert all(map(at_head, paths))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("backup", "--member", "small/full"), 0, "Backed up: schema version 4"),
        (("rollback", "--member", "small/full"), 1, "disk (is full|I/O error)"),
        (("rollback", "--to", "1"), 1, "disk (is full|I/O error)"),
    ],
)
def test_a_disk_without_a_byte_left_is_told_and_the_member_can_be_backed_up(
    project: Project, words: tuple[str, ...], code: int, told: str
) -> None:
    fleet(project, 1)
    project.configure("tenants", members="state/*/*.db")
    small = project.root / "state" / "small"
    small.mkdir()
    member = small / "full.db"
    member.touch()
    project.sqlpair("migrate")
    rows(member, "CREATE TABLE filler (x)")
    while member.stat().st_size < 102400:
        rows(member, "INSERT INTO filler VALUES (zeroblob(3000))")
    assert member.stat().st_size == 102400
    member.rename(project.root / "seed")

    # What may not be above a size may not be written there either: another error.
    done = on_a_small_disk(project, *words, blocks=200 if code == 0 else 16)

    assert f"exit {code}\n" in done.stdout, done.stderr
    assert re.search(told, done.stdout + done.stderr)


def test_five_that_cannot_be_among_many_are_named_and_the_others_are_at_head(
    project: Project,
) -> None:
    *paths, locked, other, ahead, edited = fleet(project, MEMBERS + 4)
    project.configure("tenants", members="state/*/*.db", lock_timeout="0.2")
    (project.root / "state" / "small").mkdir()
    rows(project.root / "seed", "CREATE TABLE filler AS SELECT zeroblob(90000) AS x")
    other.write_text("this is a letter, and no database at all\n" * 50)
    for path in (ahead, edited):
        project.sqlpair("migrate", "--member", f"tenants/tenants/{path.stem}")
    let_be_ahead(ahead)
    rows(edited, "UPDATE schema_version SET version = 9 WHERE version = 3")
    holding = sqlite3.connect(locked, isolation_level=None)
    holding.execute("BEGIN EXCLUSIVE")

    done = on_a_small_disk(project, "migrate", "--jobs", "2")

    holding.close()
    assert "exit 1\n" in done.stdout, done.stderr
    lines = done.stdout.splitlines()
    failed = {line.split()[1] for line in lines if line.startswith("  ! ")}
    assert failed == {
        "tenants/small/full",
        *(f"tenants/tenants/{path.stem}" for path in (locked, other, ahead, edited)),
    }
    assert all(map(at_head, paths))


def test_a_file_that_is_edited_is_refused_in_every_member_that_has_it(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate", "--member", "t0000")
    sql = project.root / "sql" / "tenants" / "002_a.sql"
    sql.write_text(sql.read_text() + "-- edited\n")
    failed = project.sqlpair("migrate", expect=1)
    assert "tenants/t0000 failed" in failed.stdout
    assert "edited after it was applied" in failed.stdout
    assert all(map(at_head, paths))


def test_two_runs_at_once_do_each_migration_once(project: Project) -> None:
    paths = fleet(project, 50)
    both = [begin(project, "--jobs", "2") for _ in range(2)]
    for running in both:
        out, err = running.communicate()
        assert running.returncode == 0, out + err
    assert all(map(at_head, paths))


def test_the_same_database_twice_is_refused(project: Project) -> None:
    paths = fleet(project, 2)
    link = paths[0].parent / "link.db"
    for make in (link.symlink_to, link.hardlink_to):
        make(paths[0])
        refused = project.sqlpair("migrate", expect=1)
        assert "one and the same database" in refused.stderr
        assert paths[0].stat().st_size == 0
        link.unlink()


def test_a_member_that_is_a_database_of_its_own_is_refused(project: Project) -> None:
    paths = fleet(project, 2)
    project.environ["SQLITE_PATH"] = str(paths[1])
    refused = project.sqlpair("migrate", expect=1)
    assert "the database sqlite and tenants/t0001" in refused.stderr


def test_a_list_that_is_a_database_is_refused(project: Project) -> None:
    fleet(project, 1)
    project.sqlpair("migrate")
    project.configure("tenants", members="state/tenants/t0000.db")
    refused = project.sqlpair("migrate", expect=1)
    assert "not a file of addresses" in refused.stderr
    project.configure("tenants", members="state/missing.txt")
    refused = project.sqlpair("migrate", expect=1)
    assert "cannot be read" in refused.stderr


def without_privileges(
    project: Project, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run sqlpair as one who may not read what its owner has closed, as root may."""
    drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    return within(project, drop if os.geteuid() == 0 else (), *words)


@pytest.fixture
def closed(project: Project) -> Iterator[Path]:
    """A folder of the middle one of three members, that nobody may read."""
    fleet(project, 0)
    project.configure("tenants", members="state/tenants/*/app.db")
    for name in "abc":
        folder = project.root / "state" / "tenants" / name
        folder.mkdir()
        (folder / "app.db").touch()
    (folder.parent / "b").chmod(0)
    yield folder.parent / "b"
    (folder.parent / "b").chmod(0o700)


def test_a_member_whose_folder_may_not_be_read_is_named_and_not_left_out(
    project: Project, closed: Path
) -> None:
    for command in ("migrate", "status"):
        done = without_privileges(project, command)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "tenants: 3 members" in done.stdout
        assert "! tenants/b failed" in done.stdout
        assert f"{closed}/app.db" in done.stdout
        assert "Schema version" not in done.stdout
    assert at_head(closed.parent / "a" / "app.db")
    assert at_head(closed.parent / "c" / "app.db")


def test_a_folder_of_members_that_may_not_be_read_is_refused(
    project: Project, closed: Path
) -> None:
    for pattern in ("state/tenants/*/*.db", "state/**/app.db"):
        project.configure("tenants", members=pattern)
        for command in ("migrate", "status"):
            refused = without_privileges(project, command)
            assert refused.returncode == 1
            assert f"{closed}: Permission denied" in refused.stderr
            assert "Schema version" not in refused.stdout


def test_a_file_whose_name_is_no_text_is_a_member(project: Project) -> None:
    paths = fleet(project, 1)
    other = paths[0].with_name(os.fsdecode(b"\xff.db"))
    other.touch()
    for command in ("migrate", "status", "backup"):
        assert "2 members" in project.sqlpair(command).stdout
    assert at_head(other)


def test_a_member_that_the_pattern_would_not_find_again_is_not_made(
    project: Project,
) -> None:
    paths = fleet(project, 1)
    project.configure("tenants", members="state/tenants/*")
    for name in (".hidden", "a.lock", "lost+found"):
        project.sqlpair("migrate", "--member", name, expect=2)
    assert [*paths[0].parent.iterdir()] == paths


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("state/**/*.db", {"/state/a.db", "/state/x/b.db", "/state/x/y/c.db"}),
        ("state/*/*.db", {"/state/x/b.db"}),
        ("state/x/[a-c].db", {"/state/x/b.db"}),
        ("state/x/y/**", {"/state/x/y/c.db"}),
        ("state/.*/d.db", {"/state/.h/d.db"}),
        ("*/a.db", {"/state/a.db"}),
        ("ROOT/state/?.db", {"/state/a.db"}),
        ("ROOT/state/**/c.db", {"/state/x/y/c.db"}),
        ("state/a.db/*", set()),
        ("state/loop/*", set()),
        ("none/*", set()),
    ],
)
def test_a_pattern_is_read_as_a_shell_reads_it(
    tmp_path: Path, pattern: str, found: set[str]
) -> None:
    for path in (
        "a.db",
        "x/b.db",
        "x/y/c.db",
        ".h/d.db",
        "x/b.db-wal",
        "lost+found/e.db",
    ):
        (tmp_path / "state" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / path).touch()
    (tmp_path / "state" / "loop").symlink_to("loop")
    text = pattern.replace("ROOT", str(tmp_path))
    source = MemberSource(SourceKind.PATTERN, text, "members", tmp_path)
    paths = [os.path.join(tmp_path, path) for _, path in files(source)]  # noqa: PTH118
    assert sorted(paths) == sorted(f"{tmp_path}{path}" for path in found)


def test_a_fleet_without_members_is_no_failure(project: Project) -> None:
    fleet(project, 0)
    done = project.sqlpair("migrate")
    assert "none is found by members in [tenants]" in done.stderr
    assert "tenants: 0 members" in done.stdout
    assert "Schema version 4" in done.stdout


def test_a_closed_folder_keeps_nobody_from_a_member_of_another(
    project: Project, closed: Path
) -> None:
    project.configure("tenants", members="state/tenants/*/*.db")
    for name, path in (("a/app", "a"), ("tenants/c/app", "c")):
        done = without_privileges(project, "migrate", "--member", name)
        assert done.returncode == 0, done.stderr
        assert at_head(closed.parent / path / "app.db")
    for name in ("b/app", "nobody"):
        refused = without_privileges(project, "migrate", "--member", name)
        assert refused.returncode == 1
        assert f"{closed}: Permission denied" in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sqlpair", "migrate", "--member", ""),
        ("sqlpair", "rollback", "--to", "2", "--member", " ", "--yes"),
        ("sqlpair", "status", "--member="),
        ("alembic", "-x", "member=", "upgrade", "heads"),
    ],
)
def test_an_empty_name_does_not_mean_every_member(
    project: Project, words: tuple[str, ...]
) -> None:
    paths = fleet(project, 2)

    done = project.raw(*words)

    assert done.returncode == 2, done.stderr
    assert "empty" in done.stderr
    assert [path.stat().st_size for path in paths] == [0, 0]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("state/tenants/a.db  # the first", "a comment behind an address"),
        ("state/tenants/t0000.db-wal", "beside a SQLite database is no member"),
        ("state/tenants/t0000.db.lock", "beside a SQLite database is no member"),
        ("./state/x/../tenants/t0000.db", "t0000.db (tenants.txt:2)"),
    ],
)
def test_a_line_that_is_no_members_address_is_refused(
    project: Project, lines: str, why: str
) -> None:
    paths = fleet(project, 1)
    project.configure("tenants", members="tenants.txt")
    text = f"state/tenants/t0000.db\n{lines}\n"
    (project.root / "tenants.txt").write_text(text)

    refused = project.sqlpair("migrate", expect=1)

    assert why in refused.stderr
    assert "tenants.txt:2" in refused.stderr
    assert [*paths[0].parent.iterdir()] == paths
    assert paths[0].stat().st_size == 0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("'a' AS name, ' ' AS address", "names no address"),
        ("'a' AS name, x'7801' AS address", "names no address"),
        ("'a' AS name, 7 AS address", "names no address"),
        ("'a' AS name, ' state/tenants/x.db' AS address", "has spaces around"),
        ("'a ' AS name, 'state/tenants/x.db' AS address", "has spaces around"),
        ("'a' AS name, 'x' || char(0) AS address", "a SQLite database here is a file"),
    ],
)
def test_a_row_that_is_no_members_address_is_refused(
    project: Project, row: str, why: str
) -> None:
    fleet(project, 0, members_query=f"SELECT {row}", members_from="sqlite")

    refused = project.sqlpair("migrate", expect=1)

    assert why in refused.stderr
    assert "row 1 of members_query" in refused.stderr
    assert not [*(project.root / "state" / "tenants").iterdir()]


def test_a_script_that_calls_alembic_needs_no_guard_for_its_processes(
    project: Project,
) -> None:
    paths = fleet(project, 60)
    script = project.root / "deploy.py"
    script.write_text(
        "from argparse import Namespace\n"
        "from alembic import command\n"
        "from alembic.config import Config\n"
        "print('begun')\n"
        "options = Namespace(x=['jobs=2'])\n"
        "command.upgrade(Config('alembic.ini', cmd_opts=options), 'heads')\n"
        "print('done')\n"
    )
    assert project.run("deploy.py").stdout == "begun\ndone\n"
    assert all(map(at_head, paths))


def test_as_many_members_are_at_once_as_was_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(project, 7)
    opened: list[tuple[int, set[int]]] = []

    def noting(jobs: int, scheduler: str = "") -> Workers:
        workers = open_workers(jobs, scheduler)
        sizes: set[int] = set()
        opened.append((jobs, sizes))

        def submit(job: Job, chunk: Chunk) -> Future[list[MemberResult]]:
            sizes.add(len(chunk))
            return workers.submit(job, chunk)

        return workers._replace(submit=submit)

    monkeypatch.setattr(fleet_run, "open_workers", noting)
    for words in (("--jobs", "3"), ("--jobs", "9"), ()):
        project.sqlpair("status", *words)
    assert opened == [(3, {1}), (7, {1}), (1, {1})]


def test_no_more_are_begun_than_may_fail_and_are_at_work(project: Project) -> None:
    paths = fleet(project, 80)
    for path in paths:
        rows(path, "CREATE TABLE b (mine text)")
    done = project.sqlpair("migrate", "--jobs", "2", "--stop-after", "1", expect=1)
    failed = done.stderr.count("004_b.sql:1: table b already exists")
    assert failed <= 5
    # Of those at work at once another may have failed by then, too.
    said = re.search(r"not begun: (\d+) failed \(--stop-after 1\)", done.stdout)
    assert said
    assert 1 <= int(said[1]) <= failed


def test_where_no_process_can_be_begun_that_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = fleet(project, 2)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")  # as of /dev/shm

    monkeypatch.setattr("_multiprocessing.SemLock", refuse)
    refused = project.sqlpair("migrate", "--jobs", "2", expect=1)
    assert "the system does not let 2 processes be begun" in refused.stderr
    assert "--jobs 1" in refused.stderr
    project.sqlpair("migrate", "--jobs", "1")
    assert all(map(at_head, paths))


def test_files_that_change_between_two_commands_are_seen_by_a_worker_of_both(
    project: Project,
) -> None:
    first, second = fleet(project, 2)
    settings = project.settings
    (tenants,) = settings.fleets
    with contextlib.ExitStack() as resources:
        members = find(settings, tenants, print, resources)
    files = files_of(settings, "tenants")
    jobs = [Job(settings, MemberAction.MIGRATE, files, run) for run in "ab"]
    assert not work(jobs[0], members[:1])[0].error
    project.add("tenants", "005_c", "CREATE TABLE c (x integer);", "DROP TABLE c;")

    (result,) = work(jobs[1], members[1:])

    assert "not those that the command began with" in result.error
    assert at_head(first)
    assert second.stat().st_size == 0


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("verify",),
        ("backup",),
        ("rollback", "--to", "3"),
        ("adopt", "--yes"),
    ],
)
def test_a_listed_file_that_is_lost_is_not_at_base_outside_development(
    project: Project, words: tuple[str, ...]
) -> None:
    there, lost = fleet(project, 2)
    project.configure("tenants", members="state/tenants.txt")
    (project.root / "state" / "tenants.txt").write_text(f"{there}\n{lost}\n")
    project.environ |= {"APP_ENV": "staging", "SQLITE_PATH": str(project.file)}
    project.sqlpair("migrate", "--create")
    lost.unlink()

    failed = project.sqlpair(*words, expect=1).stdout

    assert "there is no database, though it is listed" in failed
    assert "1  not known" in failed
    assert "at base" not in failed


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_nobody_foresaw_in_one_member_stops_no_other(
    project: Project, jobs: str
) -> None:
    paths = fleet(project, MEMBERS)
    # Of a module that is loaded once for all, as a fault of sqlpair's own would be.
    module = project.root / "alembic" / "versions" / "tenants" / "004_b.py"
    module.write_text(
        "from sqlpair.ledger import write_sql\n"
        + module.read_text()
        + "\nreal = write_sql.applied\n\n\n"
        "def fail(*words, **more):\n"
        "    fail.calls += 1\n"
        "    if fail.calls == 3:\n"
        "        raise ZeroDivisionError\n"
        "    return real(*words, **more)\n\n\n"
        "fail.calls = 0\n"
        "write_sql.applied = fail\n"
    )
    words = ("-m", "sqlpair", "migrate", "--jobs", jobs)

    done = project.run(*words, expect=1)

    assert "failed: tenants: ZeroDivisionError" in done.stderr
    failed = done.stderr.count("ZeroDivisionError")
    assert failed <= int(jobs)
    assert sum(map(at_head, paths)) == MEMBERS - failed
    assert all(map(whole_or_untouched, paths))
