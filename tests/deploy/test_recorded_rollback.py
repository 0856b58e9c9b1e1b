"""``sqlpair rollback --recorded``: the checkout was reverted, the databases not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Project
from saving import drop_kept
from sqlpair.deploy import recorded
from sqlpair.errors import HistoryError


@pytest.fixture
def reverted(project: Project) -> Iterator[Project]:
    """Two deployments on both databases; the files of the second are gone."""
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")
    add(project, "postgres", "001_a")
    add(project, "sqlite", "002_b")
    project.upgrade()
    add(project, "postgres", "003_c")
    add(project, "sqlite", "004_d")
    project.upgrade()
    revert(project, "003_c", "004_d")
    yield project
    drop_kept(project)


def add(project: Project, database: str, stem: str, down: str = "") -> None:
    name = stem[-1]
    project.add(
        database,
        stem,
        f"CREATE TABLE {name} (id integer PRIMARY KEY);\n",
        down or f"-- away with it\nDROP TABLE {name};\n",
    )


def revert(project: Project, *stems: str) -> None:
    for stem in stems:
        for file in [
            *project.root.glob(f"sql/*/{stem}*.sql"),
            *project.root.glob(f"alembic/versions/*/{stem}.py"),
        ]:
            file.unlink()


def at(project: Project) -> tuple[list[str], list[str]]:
    return project.applied("postgres"), project.applied("sqlite")


BOTH = (["001_a", "003_c"], ["002_b", "004_d"])


def test_it_undoes_the_last_deployment_on_both_databases_without_its_files(
    reverted: Project,
) -> None:
    done = reverted.sqlpair("rollback", "--recorded", "--yes")

    assert at(reverted) == (["001_a"], ["002_b"])
    assert (reverted.tables("postgres"), reverted.tables("sqlite")) == ({"a"}, {"b"})
    assert reverted.heads("postgres") == ["postgres_001"]
    assert (reverted.root / ".env").read_text() == "SCHEMA_VERSION=2\n"
    shown = done.stdout.splitlines()
    assert shown[:4] == [
        "sqlite 004_d, its rollback as recorded:",
        "    -- away with it",
        "    DROP TABLE d;",
        "",
    ]
    assert "Rolled back: 2 migrations undone in 2 databases" in done.stdout
    ids = reverted.pg("SELECT max(deployment) FROM schema_history")
    assert ids == reverted.lite("SELECT max(deployment) FROM schema_history")
    assert "Nothing to do" in reverted.sqlpair("migrate").stdout
    reverted.sqlpair("verify")


@pytest.mark.parametrize(
    "command", [("migrate",), ("rollback",), ("status",), ("verify",)]
)
def test_what_finds_the_databases_ahead_names_it(
    reverted: Project, command: tuple[str, ...]
) -> None:
    done = reverted.sqlpair(*command, expect=1)

    assert "sqlpair rollback --recorded" in done.stdout + done.stderr
    (reverted.root / ".env").unlink()
    done = reverted.sqlpair(*command, expect=1)
    assert "sqlpair rollback --recorded" in done.stdout + done.stderr


def test_it_goes_on_where_a_stage_failed(reverted: Project) -> None:
    reverted.configure("alembic", transaction="migration")
    reverted.pg("DROP TABLE c")

    failed = reverted.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "committed before it: sqlite 004_d" in failed.stderr
    assert at(reverted) == (["001_a", "003_c"], ["002_b"])
    reverted.pg("CREATE TABLE c (id int)")
    reverted.sqlpair("rollback", "--recorded", "--yes")
    assert at(reverted) == (["001_a"], ["002_b"])


def test_it_goes_back_to_a_version(reverted: Project) -> None:
    reverted.sqlpair("rollback", "--recorded", "--yes", "--to", "1")

    assert at(reverted) == (["001_a"], [])

    done = reverted.sqlpair("rollback", "--recorded", "--to", "1")
    assert "Nothing to do" in done.stdout
    assert "Nothing to do" not in reverted.sqlpair("migrate").stdout


def test_it_asks_and_changes_nothing_where_nobody_answers(reverted: Project) -> None:
    refused = reverted.sqlpair("rollback", "--recorded", expect=2)

    assert "DROP TABLE d;" in refused.stdout
    assert "no terminal to answer at" in refused.stderr
    assert at(reverted) == BOTH


def test_it_refuses_what_would_lose_rows_unless_allowed(reverted: Project) -> None:
    reverted.pg("INSERT INTO c VALUES (1)")

    refused = reverted.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "the downgrade would lose data: 1 row" in refused.stderr
    assert at(reverted) == BOTH
    assert reverted.tables("sqlite") == {"b", "d"}
    reverted.sqlpair("rollback", "--recorded", "--yes", "--allow-data-loss")
    assert at(reverted) == (["001_a"], ["002_b"])


def test_a_failure_in_one_database_leaves_both(reverted: Project) -> None:
    reverted.pg("DROP TABLE c")

    failed = reverted.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "003_c_rollback.sql:2" in failed.stderr
    assert at(reverted) == BOTH
    assert reverted.tables("sqlite") == {"b", "d"}


def test_it_backs_up_first_where_that_is_set(reverted: Project) -> None:
    reverted.sqlpair("rollback", "--recorded", "--yes", BACKUP="1")

    folder = next(reverted.settings.backups.folder.glob("2*"))
    assert at(reverted) == (["001_a"], ["002_b"])
    add(reverted, "postgres", "003_c")
    add(reverted, "sqlite", "004_d")
    reverted.sqlpair("restore", "--yes", str(folder))
    assert at(reverted) == BOTH
    revert(reverted, "003_c", "004_d")
    reverted.sqlpair("rollback", "--recorded", "--yes")  # restored with the ledger
    assert at(reverted) == (["001_a"], ["002_b"])


def test_it_runs_what_was_recorded_though_the_file_is_here_and_edited(
    project: Project,
) -> None:
    add(project, "postgres", "001_a")
    project.upgrade()
    file = project.root / "sql" / "postgres" / "001_a_rollback.sql"
    file.write_text("SELECT nope;\n")

    project.sqlpair("rollback", expect=1)
    project.sqlpair("rollback", "--recorded", "--yes")

    assert project.tables("postgres") == set()


def test_a_file_in_the_middle_that_is_gone_is_undone_too(project: Project) -> None:
    for stem in ("001_a", "002_b", "003_c"):
        add(project, "sqlite", stem)
    project.upgrade()
    revert(project, "002_b")

    project.sqlpair("rollback", "--recorded", "--yes", "--to", "1")

    assert project.tables("sqlite") == {"a"}


def test_what_is_not_recorded_is_named_and_nothing_runs(reverted: Project) -> None:
    reverted.lite("UPDATE schema_version SET rollback = NULL WHERE version = 4")

    refused = reverted.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "sqlite 004_d: the ledger holds no rollback of it" in refused.stderr
    assert at(reverted) == BOTH
    assert "holds no rollback" in reverted.log


@pytest.mark.parametrize("text", ["not base64", "", "eNorzkhNzMlRBAAepgSh"])
def test_a_record_that_was_altered_does_not_run(reverted: Project, text: str) -> None:
    reverted.pg(f"UPDATE schema_version SET rollback = '{text}' WHERE version = 3")

    refused = reverted.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "postgres 003_c: the " in refused.stderr
    assert at(reverted) == BOTH


def test_a_module_that_does_more_than_its_pair_leaves_no_rollback_to_run(
    project: Project,
) -> None:
    add(project, "postgres", "001_a")
    module = project.root / "alembic" / "versions" / "postgres" / "001_a.py"
    module.write_text(
        f"from alembic import op\n{module.read_text()}\nown = downgrade\n\n\n"
        "def downgrade():\n    own()\n    op.execute('SELECT 1')\n"
    )
    project.upgrade()
    revert(project, "001_a")

    refused = project.sqlpair("rollback", "--recorded", "--yes", expect=1)

    assert "its revision module does more" in refused.stderr
    assert project.tables("postgres") == {"a"}


def test_a_rollback_outside_transactions_is_refused_and_runs_when_allowed(
    project: Project,
) -> None:
    add(project, "sqlite", "001_a", "-- no-transaction\nDROP TABLE a;\nVACUUM;\n")
    project.upgrade()
    revert(project, "001_a")

    refused = project.sqlpair("rollback", "--recorded", "--yes", expect=1)
    assert "what its rollback loses cannot be known beforehand" in refused.stderr

    project.sqlpair("rollback", "--recorded", "--yes", "--allow-data-loss")
    assert project.tables("sqlite") == set()


def test_a_rollback_of_comments_is_said_to_undo_nothing(project: Project) -> None:
    add(project, "sqlite", "001_a", "-- nothing\n")
    project.upgrade()
    revert(project, "001_a")

    done = project.sqlpair("rollback", "--recorded", "--yes")

    assert "001_a_rollback.sql has no statement" in done.stderr


def test_what_changed_after_it_was_shown_is_not_undone(reverted: Project) -> None:
    shown = recorded.read(reverted.settings, print)
    reverted.sqlpair("rollback", "--recorded", "--yes")

    with pytest.raises(HistoryError) as refused:
        recorded.rollback(reverted.settings, shown, print)

    assert "another deployment ended" in str(refused.value)
    assert at(reverted) == (["001_a"], ["002_b"])


def test_a_ledger_that_says_otherwise_after_it_was_shown_is_not_undone(
    reverted: Project,
) -> None:
    shown = recorded.read(reverted.settings, print)
    reverted.pg("UPDATE schema_version SET rollback_checksum = 'x' WHERE version = 3")

    with pytest.raises(HistoryError) as refused:
        recorded.rollback(reverted.settings, shown, print)

    assert "the ledger changed after its rollbacks were shown" in str(refused.value)
    assert at(reverted) == BOTH


def test_a_rollback_of_a_megabyte_is_kept_whole(project: Project) -> None:
    down = "-- \u2603 %s {x} :y\r\n" * 60_000 + "DROP TABLE a;"
    file = Path(project.root / "sql" / "sqlite" / "001_a_rollback.sql")
    add(project, "sqlite", "001_a")
    file.write_text(down, newline="")
    project.upgrade()
    size = project.lite("SELECT length(rollback) FROM schema_version")[0][0]
    assert size < 20_000
    revert(project, "001_a")

    project.sqlpair("rollback", "--recorded", "--yes")

    assert project.tables("sqlite") == set()
