"""What is asked of all members, and what is done beside their migrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Project
from fleets import NUMBERED, SINGLE, applied, at_head, fleet, rows, second


def status(project: Project, expect: int = 0, *words: str) -> dict[str, Any]:
    done = project.sqlpair("status", "--json", *words, expect=expect)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_status_counts_the_members_at_each_version_and_says_who_is_behind_and_why(
    project: Project,
) -> None:
    paths = fleet(project, 4)
    rows(paths[1], "CREATE TABLE b (mine text)")
    project.sqlpair("migrate", expect=1)

    said = project.sqlpair("status").stdout

    assert "3  at 004_b" in said
    assert "1  at base" in said
    assert "tenants/t0001 has 3 pending: failed on 20" in said
    assert "tenants 004_b.sql:1" in said
    assert "Schema version 1; 3 pending: sqlpair migrate" in said


def test_status_as_json_has_each_member(project: Project) -> None:
    fleet(project, 3)
    project.sqlpair("migrate")

    found = status(project)

    assert found["version"] == found["latest"] == 4
    assert found["databases"]["sqlite"]["head"] == SINGLE
    assert {name: m["version"] for name, m in found["fleets"]["tenants"].items()} == {
        "t0000": 4,
        "t0001": 4,
        "t0002": 4,
    }


def test_a_version_counts_when_every_member_has_it(project: Project) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    project.sqlpair("rollback", "--member", "t0001", "--to", "2")
    assert applied(paths[1]) == ["002_a"]
    assert status(project)["version"] == 2


def test_version_goes_over_the_members_too(project: Project) -> None:
    fleet(project, 2)
    project.sqlpair("migrate")
    assert "2  at 004_b" in project.sqlpair("version").stdout
    assert "004_b" in project.sqlpair("version", "--member", "t0000").stdout


def test_env_that_expects_another_version_is_a_problem(project: Project) -> None:
    fleet(project, 2)
    project.sqlpair("migrate")
    (project.root / ".env").write_text("SCHEMA_VERSION=3\n")
    assert ".env is behind" in project.sqlpair("status", expect=1).stdout
    project.sqlpair("migrate")
    assert (project.root / ".env").read_text() == "SCHEMA_VERSION=4\n"


def test_verify_names_the_member_that_has_drifted(project: Project) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    project.sqlpair("verify")
    rows(paths[2], "ALTER TABLE a ADD COLUMN mine text")

    found = project.sqlpair("verify", expect=1).stdout

    assert "tenants/t0002: column a.mine" in found
    assert "tenants/t0001" not in found
    assert "a.mine" in project.sqlpair("verify", "--member", "t0002", expect=1).stdout
    project.sqlpair("verify", "--member", "t0001")


def test_rollback_goes_back_in_every_member_and_then_in_the_others(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    project.sqlpair("rollback", "--to", "2")
    assert [applied(path) for path in paths] == [["002_a"]] * 3
    assert project.applied("sqlite") == [SINGLE]
    project.sqlpair("rollback", "--to", "0")
    assert project.applied("sqlite") == []
    assert [applied(path) for path in paths] == [[]] * 3


def test_rollback_wants_to_know_how_far(project: Project) -> None:
    paths = fleet(project, 2)
    project.sqlpair("migrate")
    refused = project.sqlpair("rollback", expect=2)
    assert "rollback --to N" in refused.stderr
    assert all(map(at_head, paths))


def test_a_member_whose_rows_would_go_is_named_and_keeps_them(
    project: Project,
) -> None:
    paths = fleet(project, 3)
    project.sqlpair("migrate")
    rows(paths[1], "INSERT INTO a (y) VALUES ('kept')")

    refused = project.sqlpair("rollback", "--to", "2", expect=1)

    assert "tenants/t0001 failed" in refused.stdout
    assert rows(paths[1], "SELECT y FROM a") == [("kept",)]
    assert applied(paths[0]) == ["002_a"]
    assert project.applied("sqlite") == [SINGLE]
    project.sqlpair("rollback", "--to", "2", "--allow-data-loss")
    assert applied(paths[1]) == ["002_a"]


def test_members_that_would_lose_other_rows_are_not_told_to_be_the_same(
    project: Project,
) -> None:
    first, second = fleet(project, 2)
    project.sqlpair("migrate")
    rows(first, "INSERT INTO a (id) VALUES (1)")
    rows(second, "INSERT INTO b (id) VALUES (1)")
    failed = project.sqlpair("rollback", "--to", "1", expect=1).stdout
    assert "1 row of a" in failed
    assert "the same kind, each with details of its own in the log, in t0001" in failed
    log = (project.root / "logs" / "migration.log").read_text()
    assert "1 row of b" in log


def test_each_member_has_its_own_backups(project: Project) -> None:
    paths = fleet(project, 3)
    project.configure("tenants", members="state/tenants/*")
    project.sqlpair("migrate")
    rows(paths[1], "INSERT INTO a (y) VALUES ('saved')")
    for _ in range(2):
        project.sqlpair("backup")
    folders = sorted((project.root / "state" / "backups" / "tenants").iterdir())
    names = ["t0000.db", "t0001.db", "t0002.db"]
    assert [folder.name for folder in folders] == names
    assert [len([*folder.iterdir()]) for folder in folders] == [2, 2, 2]

    rows(paths[1], "DELETE FROM a")
    newest = max(folders[1].iterdir())
    of_another = ("restore", "--member", "t0002.db", "--yes", str(newest))
    refused = project.sqlpair(*of_another, expect=1).stderr
    assert "the backup is of t0001.db, and not of t0002.db" in refused
    project.sqlpair("restore", "--member", "t0001.db", "--yes", str(newest))
    assert rows(paths[1], "SELECT y FROM a") == [("saved",)]
    # What is kept of the database as it was is no member.
    assert "tenants: 3 members" in project.sqlpair("status").stdout


@pytest.mark.parametrize("command", ["adopt --yes", "verify"])
def test_no_name_is_not_taken_for_all(project: Project, command: str) -> None:
    fleet(project, 1)

    for name in ("", "nope"):
        failure = project.sqlpair(*command.split(), name, expect=2)
        assert f"no database is called {name!r}" in failure.stderr


def test_members_without_records_are_adopted(project: Project) -> None:
    paths = fleet(project, 3)
    for path in paths[:2]:
        for up, _ in [*NUMBERED.values()][:2]:
            for statement in up.split(";"):
                rows(path, statement)
    done = project.sqlpair("adopt", "--yes").stdout
    assert [applied(path) for path in paths[:2]] == [["002_a", "003_y"]] * 2
    assert "  2 adopted" in done
    assert "  0 adopted" in project.sqlpair("adopt", "--yes").stdout
    project.sqlpair("migrate")
    assert all(map(at_head, paths))


def test_single_databases_are_adopted_too(project: Project) -> None:
    paths = fleet(project, 1)
    rows(paths[0], "CREATE TABLE a (id integer PRIMARY KEY, x text)")
    project.lite("CREATE TABLE main (id integer)")

    assert "adopt sqlite" in project.sqlpair("verify", expect=1).stdout
    done = project.sqlpair("adopt", "sqlite", "--yes").stdout
    assert "Adopted: schema version 1." in done
    assert project.applied("sqlite") == [SINGLE]
    assert rows(paths[0], "SELECT name FROM sqlite_master") == [("a",)]

    project.lite("DROP TABLE schema_version")
    project.lite("DROP TABLE alembic_version")
    project.sqlpair("adopt", "--yes")
    assert project.applied("sqlite") == [SINGLE]
    assert applied(paths[0]) == ["002_a"]
    project.sqlpair("adopt", "nope", expect=2)


def test_plan_without_a_member_is_of_the_others(project: Project) -> None:
    fleet(project, 2)
    done = project.sqlpair("plan")
    assert "tenants: left out" in done.stderr
    assert SINGLE in done.stdout
    assert "004_b" in project.sqlpair("plan", "--member", "t0001").stdout


def test_a_command_of_one_member_wants_it_where_there_is_nothing_else(
    project: Project,
) -> None:
    fleet(project, 2)
    project.configure(
        "alembic",
        databases="tenants",
        version_locations="%(here)s/alembic/versions/tenants",
    )
    assert "--member NAME" in project.sqlpair("plan", expect=2).stderr
    project.sqlpair("migrate")
    assert "2  at 004_b" in project.sqlpair("status").stdout


@pytest.mark.parametrize("command", ["lint", "prove", "snapshot", "revisions"])
def test_commands_of_the_files_take_the_fleet_as_one_database(
    project: Project, command: str
) -> None:
    fleet(project, 2)
    project.sqlpair(command, expect=0 if command != "lint" else 1)
    if command == "snapshot":
        assert (
            "CREATE TABLE a"
            in (project.root / "sql" / "tenants" / "schema.sql").read_text()
        )


def test_alembic_reads_one_member(project: Project, tmp_path: Path) -> None:
    fleet(project, 2)
    project.alembic("upgrade", "heads")
    told = project.alembic("-x", "member=t0001", "current")
    assert "tenants_004" in told.stdout
    assert "sqlite_001" in project.alembic("current").stdout
    assert "tenants: left out" in project.alembic("check").stderr
    project.alembic("heads")
    project.alembic("-x", "member=t0001", "current", "--check-heads")
    refused = project.alembic("current", "--check-heads", expect=2).stderr
    assert "sqlpair status --exit-code" in refused


def test_a_number_stays_that_a_member_has(project: Project) -> None:
    paths = fleet(project, 3)
    project.add("tenants", "005_z", "CREATE TABLE z (id integer);", "DROP TABLE z;")
    file = "sql/tenants/004_b.sql"
    project.sqlpair("migrate", "--member", "t0001")

    refused = project.sqlpair("renumber", file, expect=1).stderr
    assert "tenants 004_b: applied, so its number stays" in refused

    paths[1].unlink()
    project.sqlpair("renumber", file)
    assert (project.root / "sql" / "tenants" / "006_b.sql").exists()


def test_why_a_member_is_behind_is_what_happened_to_it_last(project: Project) -> None:
    paths = fleet(project, 3)
    rows(paths[1], "CREATE TABLE b (mine text)")
    project.sqlpair("migrate", expect=1)
    rows(paths[1], "DROP TABLE b")
    project.sqlpair("migrate", "--member", "t0001")
    project.add("tenants", "005_c", "CREATE TABLE c (x integer);", "DROP TABLE c;")
    rows(paths[2], "CREATE TABLE c (mine text)")
    project.sqlpair("migrate", "--member", "t0002", expect=1)

    said = project.sqlpair("status").stdout

    assert "tenants/t0001 has 1 pending\n" in said
    assert "tenants/t0002 has 1 pending: failed on 20" in said
    assert "tenants 005_c.sql:1" in said


def test_the_history_of_a_member_is_not_another_fleets(project: Project) -> None:
    fleet(project, 2)
    second(project, "state/hosts/*.db")
    host = project.root / "state" / "hosts" / "t0001.db"
    rows(host, "CREATE TABLE h (mine text)")
    project.sqlpair("migrate", "--member", "hosts/t0001", expect=1)
    project.sqlpair("migrate", "--member", "tenants/t0001")

    words = ("history", "--json", "--member")
    of_tenant = json.loads(project.sqlpair(*words, "tenants/t0001").stdout)
    of_host = json.loads(project.sqlpair(*words, "hosts/t0001").stdout)

    assert [event["action"] for event in of_tenant] == ["upgrade"] * 3
    assert [event["action"] for event in of_host] == ["failed"]
