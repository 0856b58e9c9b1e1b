"""A fleet: many databases of one kind, each moved by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import Project
from fleets import (
    NUMBERED,
    SINGLE,
    applied,
    at_head,
    children,
    fleet,
    rows,
    second,
)


def env_version(project: Project) -> str:
    return (project.root / ".env").read_text().strip()


def test_migrate_moves_the_single_databases_and_then_every_member(
    project: Project,
) -> None:
    paths = fleet(project, 5)
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")

    done = project.sqlpair("migrate")

    assert project.applied("sqlite") == [SINGLE]
    assert all(map(at_head, paths))
    assert "tenants: 5 members, 15 migrations applied in 5" in done.stdout
    assert env_version(project) == "SCHEMA_VERSION=4"


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    before = [path.read_bytes() for path in paths]
    log = project.log

    done = project.sqlpair("migrate")

    assert "5  at" not in done.stdout
    assert "3  at 004_b" in done.stdout
    assert [path.read_bytes() for path in paths] == before
    assert project.log == log


def test_the_members_are_moved_by_several_processes(project: Project) -> None:
    paths = fleet(project, 50)
    project.sqlpair("migrate", "--jobs", "2")
    assert all(map(at_head, paths))


def test_the_members_are_moved_where_the_system_tells_no_affinity(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = fleet(project, 3)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    project.sqlpair("migrate")
    assert all(map(at_head, paths))


def test_alembic_upgrades_the_members_too(project: Project) -> None:
    paths = fleet(project, 3)
    project.alembic("upgrade", "heads")
    assert project.applied("sqlite") == [SINGLE]
    assert all(map(at_head, paths))


def test_alembic_moves_one_member_by_its_own_words(project: Project) -> None:
    paths = fleet(project, 3)
    project.alembic("-x", "member=t0001", "upgrade", "tenants@+2")
    assert applied(paths[1]) == ["002_a", "003_y"]
    assert [path.stat().st_size for path in (paths[0], paths[2])] == [0, 0]


def test_alembic_takes_no_steps_over_all_members(project: Project) -> None:
    paths = fleet(project, 2)
    project.sqlpair("migrate")
    refused = project.alembic("downgrade", "-1", expect=2)
    assert "member=" in refused.stderr
    assert all(map(at_head, paths))


def test_a_failing_member_is_named_with_file_and_line_and_others_go_on(
    project: Project,
) -> None:
    paths = fleet(project, 4)
    rows(paths[2], "CREATE TABLE b (mine text)")
    (project.root / ".env").write_text("SCHEMA_VERSION=1\n")

    failed = project.sqlpair("migrate", expect=1)

    assert "tenants/t0002 failed" in failed.stdout
    assert "004_b.sql:1" in failed.stdout
    assert [at_head(path) for path in paths] == [True, True, False, True]
    # It is as it was: the whole deployment of that member was rolled back.
    assert rows(paths[2], "SELECT name FROM sqlite_master") == [("b",)]
    assert "outcome=failed" in project.log
    assert "database=tenants/t0002" in project.log
    assert env_version(project) == "SCHEMA_VERSION=1"

    rows(paths[2], "DROP TABLE b")
    again = project.sqlpair("migrate")
    assert "3 migrations applied in 1" in again.stdout
    assert all(map(at_head, paths))
    assert env_version(project) == "SCHEMA_VERSION=4"


def test_no_member_is_touched_where_the_single_databases_fail(
    project: Project,
) -> None:
    paths = fleet(project, 2)
    project.add("sqlite", "005_bad", "SELECT nope;")
    project.sqlpair("migrate", expect=1)
    assert [path.stat().st_size for path in paths] == [0, 0]


def test_stop_after_begins_no_more_members(project: Project) -> None:
    paths = fleet(project, 6)
    for path in paths[:3]:
        rows(path, "CREATE TABLE b (mine text)")
    failed = project.sqlpair("migrate", "--jobs", "1", "--stop-after", "2", expect=1)
    assert "4  not begun: 2 failed (--stop-after 2)" in failed.stdout
    assert [path.stat().st_size for path in paths[3:]] == [0, 0, 0]


def test_a_canary_that_fails_leaves_the_others_alone(project: Project) -> None:
    paths = fleet(project, 6)
    rows(paths[1], "CREATE TABLE b (mine text)")
    failed = project.sqlpair("migrate", "--canary", "2", expect=1)
    assert "(--canary)" in failed.stdout
    assert at_head(paths[0])
    assert [path.stat().st_size for path in paths[2:]] == [0, 0, 0, 0]


def test_a_fleet_behind_one_that_stopped_is_named(project: Project) -> None:
    paths = fleet(project)
    rows(paths[0], "CREATE TABLE a (mine text)")
    second(project, "state/hosts/*.db")
    host = project.root / "state" / "hosts" / "h.db"
    host.touch()
    for words in (("--canary", "1"), ("--stop-after", "1", "--jobs", "1")):
        failed = project.sqlpair("migrate", *words, expect=1)
        assert "hosts: none is begun, for tenants has stopped" in failed.stderr
    assert host.stat().st_size == 0


def test_canaries_that_are_well_let_the_others_follow(project: Project) -> None:
    paths = fleet(project, 4)
    project.sqlpair("migrate", "--canary", "2")
    assert all(map(at_head, paths))


def test_shards_share_the_members_among_them(project: Project) -> None:
    paths = fleet(project, 20)
    project.sqlpair("migrate", "--shard", "1/2")
    first = {path for path in paths if at_head(path)}
    assert 0 < len(first) < 20
    project.sqlpair("migrate", "--shard", "2/2")
    assert all(map(at_head, paths))


def test_a_rollback_of_one_part_leaves_what_the_other_members_rest_on(
    project: Project,
) -> None:
    paths = fleet(project, 20)
    project.sqlpair("migrate")
    done = project.sqlpair("rollback", "--to", "0", "--shard", "1/2")
    assert "sqlite: as before; without --shard once all parts are done" in done.stderr
    assert 0 < sum(map(at_head, paths)) < 20
    assert project.applied("sqlite") == [SINGLE]
    project.sqlpair("rollback", "--to", "0")
    assert project.applied("sqlite") == []


def test_members_that_went_back_are_told_where_a_single_database_does_not(
    project: Project,
) -> None:
    fleet(project, 3)
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")
    project.sqlpair("migrate")
    project.lite("INSERT INTO main VALUES (1)")

    failed = project.sqlpair("rollback", "--to", "0", expect=1).stderr

    assert "1 row of main" in failed
    assert "before it, 3 members went back" in failed
    assert "Nothing was changed" not in failed
    assert "SCHEMA_VERSION=1" in (project.root / ".env").read_text()


@pytest.mark.parametrize("words", ["0/2", "3/2", "x", "1/0", "1"])
def test_a_shard_that_is_none_is_misuse(project: Project, words: str) -> None:
    fleet(project, 1)
    project.sqlpair("migrate", "--shard", words, expect=2)


def test_up_to_a_version_and_no_further(project: Project) -> None:
    paths = fleet(project, 2)
    project.sqlpair("migrate", "--to", "3")
    assert [applied(path) for path in paths] == [["002_a", "003_y"]] * 2
    project.sqlpair("migrate", "--to", "9", expect=2)


def test_a_new_member_is_made_by_its_name(project: Project) -> None:
    fleet(project, 2)
    project.sqlpair("migrate")
    project.sqlpair("migrate", "--member", "new")
    assert at_head(project.root / "state" / "tenants" / "new.db")
    assert "member=new" in project.log


@pytest.mark.parametrize("name", ["tenants/t0001", "t0001", "state/tenants/t0001.db"])
def test_one_member_is_moved_alone(project: Project, name: str) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate", "--member", name)
    assert [path.stat().st_size > 0 for path in paths] == [False, True, False]


def test_a_member_that_cannot_be_is_refused_with_what_is_close(
    project: Project,
) -> None:
    fleet(project, 3)
    refused = project.sqlpair("migrate", "--member", "../x", expect=2)
    assert "no member is called ../x" in refused.stderr
    refused = project.sqlpair("verify", "--member", "t/0001", expect=2)
    assert "t0001" in refused.stderr


def test_only_what_migrates_makes_a_member(project: Project) -> None:
    fleet(project, 1)
    project.sqlpair("status", "--member", "other")
    assert not (project.root / "state" / "tenants" / "other.db").exists()


def test_sigterm_stops_between_members(project: Project) -> None:
    paths = fleet(project, 400)
    project.add(
        "tenants",
        "005_slow",
        "CREATE TABLE s AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n;",
        "DROP TABLE s;",
    )
    for jobs in ("1", "2"):
        running = subprocess.Popen(
            [sys.executable, "-m", "sqlpair", "migrate", "--jobs", jobs],
            cwd=project.root,
            env=project.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        before = sum(path.stat().st_size > 0 for path in paths)
        while sum(path.stat().st_size > 0 for path in paths) < before + 3:
            assert running.poll() is None
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGTERM)  # as systemd does; and the workers', too
        out, err = running.communicate()
        assert running.returncode == 128 + signal.SIGTERM, err
        assert "not begun: a signal came" in out
        moved = sum(path.stat().st_size > 0 for path in paths) - before
        assert f" applied in {moved:,}\n" in out
        whole = [*NUMBERED, "005_slow"]
        assert {tuple(applied(path)) for path in paths if path.stat().st_size} == {
            tuple(whole)
        }
        assert any(path.stat().st_size == 0 for path in paths)


@pytest.mark.parametrize("which", ["a worker", "what forks them"])
def test_a_process_that_is_killed_costs_no_member(project: Project, which: str) -> None:
    paths = fleet(project, 60)
    running = subprocess.Popen(
        [sys.executable, "-m", "sqlpair", "migrate", "--jobs", "2"],
        cwd=project.root,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while sum(path.stat().st_size > 0 for path in paths) < 3:
        assert running.poll() is None
        time.sleep(0.002)
    forking, worker = _a_worker(running.pid)
    os.kill(worker if which == "a worker" else forking, signal.SIGKILL)
    out, err = running.communicate()
    assert running.returncode == 0, out + err
    assert all(map(at_head, paths))


def _a_worker(parent: int) -> tuple[int, int]:
    """Return the pids of what forks the workers, and of one of them."""
    return next((child, pid) for child in children(parent) for pid in children(child))


def test_its_processes_have_the_environment_of_each_run(project: Project) -> None:
    paths = fleet(project, 60)
    module = project.root / "alembic" / "versions" / "tenants" / "004_b.py"
    module.write_text(
        "import os\n"
        + module.read_text().replace("upgrade,", "up,")
        + "\n\ndef upgrade():\n    up()\n    assert os.environ['RUN'] == 'second'\n"
    )
    # What forks the processes stays for as long as this one, which runs two commands.
    project.sqlpair("migrate", "--jobs", "2", RUN="first", expect=1)
    project.sqlpair("migrate", "--jobs", "2", RUN="second")
    assert all(map(at_head, paths))


def test_the_log_has_a_line_for_each_member(project: Project) -> None:
    fleet(project, 4)
    project.sqlpair("migrate")
    lines = [line for line in project.log.splitlines() if "database=tenants/" in line]
    assert len(lines) == 4
    history = project.sqlpair("history").stdout
    assert "tenants/t0003" in history


def test_the_history_of_a_member_is_its_own(project: Project) -> None:
    fleet(project, 3)
    project.sqlpair("migrate", "--member", "t0001")
    project.sqlpair("migrate")

    whole = project.sqlpair("history").stdout
    for member in ("t0000", "t0001"):
        said = json.loads(
            project.sqlpair("history", "--member", member, "--json").stdout
        )
        assert [event["version"] for event in said] == [2, 3, 4]
        assert {event["database"] for event in said} == {"tenants"}
        assert {event["note"] for event in said} == {""}

    assert "tenants/t0001" in whole
    assert "in the log alone" not in whole


def test_an_application_checks_the_one_member_it_has(project: Project) -> None:
    import sqlpair

    fleet(project, 2)
    project.sqlpair("migrate", "--member", "t0001")
    ini = project.root / "alembic.ini"
    assert sqlpair.check(ini, member="t0001") == 4
    with pytest.raises(sqlpair.HistoryError, match="tenants"):
        sqlpair.check(ini, member="t0000")
    one = sqlpair.open(ini, member="t0000")
    assert one.migrate().version == 4
    assert sqlpair.check(ini, member="t0000") == 4
    for name in ("", " "):
        with pytest.raises(sqlpair.UsageError, match="empty"):
            sqlpair.check(ini, member=name)
        with pytest.raises(sqlpair.UsageError, match="empty"):
            sqlpair.open(ini, member=name).status()


def test_where_no_fleet_is_an_application_names_no_member(project: Project) -> None:
    import sqlpair

    project.add("sqlite", "001_a", "CREATE TABLE a (i int);\n", "DROP TABLE a;\n")
    project.sqlpair("migrate")
    ini = project.root / "alembic.ini"
    with pytest.raises(sqlpair.UsageError):
        sqlpair.check(ini, addresses={}, member="acme")


def test_variables_and_repeatable_files_reach_the_members_of_every_process(
    project: Project,
) -> None:
    paths = fleet(project, 45)
    folder = project.root / "sql" / "tenants" / "repeatable"
    folder.mkdir()
    (folder / "seen.sql").write_text(
        "-- variables: SEEN\nDROP VIEW IF EXISTS seen;\n"
        "CREATE VIEW seen AS SELECT :'SEEN' AS x;\n"
    )
    (project.root / ".env").write_text("SEEN=found\n")
    project.run("-m", "sqlpair", "migrate", "--jobs", "2")
    assert {rows(path, "SELECT x FROM seen")[0] for path in paths} == {("found",)}


def test_a_member_that_differs_is_told_among_those_with_nothing_to_do(
    project: Project,
) -> None:
    paths = fleet(project, 6)
    project.sqlpair("migrate", "--jobs", "1")
    project.sqlpair("rollback", "--member", paths[2].stem, "--to", "3")
    rows(paths[3], "UPDATE schema_version SET checksum = 'x' WHERE version = 3")
    rows(paths[4], "UPDATE alembic_version SET version_num = '003_y'")
    row = "INSERT INTO schema_version (version, migration_name) VALUES (9, '9_y')"
    rows(paths[4], row)
    rows(paths[5], "DROP TABLE schema_version")
    done = project.sqlpair("migrate", "--jobs", "1", expect=1)
    assert applied(paths[2]) == [*NUMBERED]
    failed = {path.stem for path in paths if f"{path.stem} failed" in done.stdout}
    assert failed == {path.stem for path in paths[3:]}


def test_a_member_that_ran_what_is_gone_is_no_member_with_nothing_to_do(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    folder = project.root / "sql" / "tenants" / "repeatable"
    folder.mkdir()
    file = folder / "all_of_a.sql"
    file.write_text("CREATE VIEW all_of_a AS SELECT * FROM a;\n")
    project.sqlpair("migrate", "--member", paths[2].stem)
    told = project.sqlpair("status").stdout
    assert "t0000 has 1 pending: to run: repeatable/all_of_a" in told
    assert "t0002" not in told
    file.unlink()
    folder.rmdir()
    project.sqlpair("migrate", "--jobs", "1")
    recorded = rows(paths[2], "SELECT name, checksum FROM schema_repeatable")
    assert recorded[1:] == [("all_of_a", "")]
