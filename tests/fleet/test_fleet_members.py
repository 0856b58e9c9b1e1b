"""Which databases are the members, by which names, and who may not be one."""

from __future__ import annotations

import pytest

from conftest import Project
from fleets import SINGLE, applied, at_head, fleet, second


def test_two_fleets_with_a_member_in_common_are_refused(project: Project) -> None:
    paths = fleet(project, 2)
    second(project, "state/*/t0001.db")
    for words in (("migrate",), ("status",), ("migrate", "--member", "hosts/tenants")):
        refused = project.sqlpair(*words, expect=1).stderr
        assert "one and the same database has two names" in refused
        assert "tenants/t0001 (members in [tenants] of alembic.ini)" in refused
        assert "hosts/tenants (members in [hosts] of alembic.ini)" in refused
    assert [path.stat().st_size for path in paths] == [0, 0]


def test_a_member_that_another_machine_has_is_not_made_here(project: Project) -> None:
    fleet(project, 1)
    path = project.root / "state" / "far.db"
    (project.root / "list").write_text(f"sqlite://node7/{path}\n")
    project.configure("tenants", members="list")
    for command in ("migrate", "status", "backup"):
        refused = project.sqlpair(command, "--member", str(path), expect=2).stderr
        assert "is on the host node7" in refused
    assert not path.exists()


def test_a_path_goes_to_the_end_of_its_line(project: Project) -> None:
    (path,) = fleet(project, 1)
    project.configure("tenants", members="list")
    odd = path.with_name("a\u2028b\x85c.db")
    (project.root / "list").write_text(f"{path}\r\n{odd}\n", newline="")
    assert "2 members" in project.sqlpair("migrate").stdout
    assert at_head(odd)


def test_a_member_with_a_long_name_is_backed_up_into_its_own_folder(
    project: Project,
) -> None:
    (path,) = fleet(project, 1)
    for letter in "ab":
        path.with_name("\u00fc" * 120 + letter + ".db").touch()
    project.sqlpair("migrate")
    project.sqlpair("backup")
    assert len([*(project.root / "state/backups/tenants").iterdir()]) == 3


def test_a_member_may_be_named_as_a_fleet_is(project: Project) -> None:
    fleet(project, 0, members_query="SELECT * FROM main", members_from="sqlite")
    paths = {name: project.root / "state" / name for name in ("1.db", "2.db")}
    (project.root / "sql" / "sqlite" / f"{SINGLE}.sql").write_text(
        "CREATE TABLE main (name text, address text);"
        " INSERT INTO main VALUES ('tenants/a', 'state/1.db');"
    )
    project.sqlpair("migrate")
    project.sqlpair("rollback", "--to", "2", "--member", "tenants/a")
    assert applied(paths["1.db"]) == ["002_a"]

    project.lite("INSERT INTO main VALUES ('a', 'state/2.db')")
    project.sqlpair("migrate", "--member", "tenants/a")
    assert at_head(paths["2.db"])
    assert applied(paths["1.db"]) == ["002_a"]


def test_where_only_fleets_are_nothing_at_all_is_not_well(project: Project) -> None:
    import sqlpair

    fleet(project, 1)
    project.configure(
        "alembic",
        databases="tenants",
        version_locations="%(here)s/alembic/versions/tenants",
    )
    ini = project.root / "alembic.ini"
    for ask in (
        lambda: sqlpair.check(ini),
        lambda: sqlpair.open(ini).migrate(),
        lambda: sqlpair.open(ini).status(),
    ):
        with pytest.raises(sqlpair.UsageError, match="one member"):
            ask()
    for command in ("check", "current"):
        assert "one member" in project.alembic(command, expect=2).stderr
    project.alembic("history")
    project.alembic("upgrade", "heads")


def test_alembic_says_the_version_of_all_members(project: Project) -> None:
    fleet(project, 2)
    said = project.alembic("upgrade", "heads").stderr
    assert "schema version 4" in said
    assert "schema version 1" not in said


def test_nothing_is_pending_is_not_said_of_members_that_are_not_known(
    project: Project,
) -> None:
    paths = fleet(project, 2)
    project.sqlpair("migrate")
    paths[0].write_text("no database" * 99)
    said = project.sqlpair("status", expect=1).stdout
    assert "The schema version is not known of every member.\n" in said
