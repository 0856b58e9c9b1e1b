"""Applied migrations whose files were renamed, or squashed into one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conftest import Project
from saving import drop_kept
from sqlpair.authoring import file_changes

FIRST = "CREATE TABLE {0} (id integer PRIMARY KEY, note text UNIQUE);\n"
SECOND = "ALTER TABLE {0} ADD COLUMN more text;\nINSERT INTO {0} (id) VALUES (1);\n"
BACK = "DELETE FROM {0};\nALTER TABLE {0} DROP COLUMN more;\n"


@pytest.fixture
def old(project: Project) -> Project:
    """001 to 004, two of each database, and 005 and 006 above them; all applied."""
    for number, database, table in ((1, "postgres", "p"), (2, "sqlite", "s")):
        add(project, database, number, "first", FIRST, "DROP TABLE {0};", table)
        add(project, database, number + 2, "second", SECOND, BACK, table)
        add(project, database, number + 4, "third", FIRST, "DROP TABLE {0};", table * 2)
    project.sqlpair("migrate")
    return project


def add(
    project: Project, database: str, number: int, name: str, up: str, down: str, of: str
) -> None:
    project.add(database, f"{number:03}_{name}", up.format(of), down.format(of))


def files(project: Project, database: str) -> list[str]:
    return sorted(
        path.stem for path in (project.root / "sql" / database).glob("0*.sql")
    )


def rename(project: Project, database: str, old: str, new: str) -> None:
    """Give a migration's files another name, and its chain of modules the number."""
    folder = project.root / "sql" / database
    for end in ("", "_rollback"):
        (folder / f"{old}{end}.sql").rename(folder / f"{new}{end}.sql")
    for module in (project.root / "alembic" / "versions" / database).glob("0*.py"):
        module.unlink()


def write_modules(project: Project) -> None:
    project.sqlpair("revisions")


# -- renamed ---------------------------------------------------------------------------


def test_another_name_with_the_same_text_is_accepted(old: Project) -> None:
    rename(old, "sqlite", "004_second", "004_add_more")
    write_modules(old)
    assert "accept the name: sqlpair repair" in old.sqlpair("verify", expect=1).stdout

    done = old.sqlpair("repair", "--yes")

    assert "sqlite: 004_second is called 004_add_more now" in done.stdout
    assert old.applied("sqlite") == ["002_first", "004_add_more", "006_third"]
    old.sqlpair("verify")
    assert "Nothing to do" in old.sqlpair("migrate").stdout
    old.sqlpair("rollback", "--to", "2", "--allow-data-loss")
    assert old.applied("sqlite") == ["002_first"]


def test_another_number_is_accepted_where_the_order_is_kept(old: Project) -> None:
    before = old.pg("SELECT applied_at FROM schema_version ORDER BY version")
    rename(old, "postgres", "005_third", "009_third")
    rename(old, "postgres", "003_second", "007_second")
    write_modules(old)
    refused = old.sqlpair("migrate", expect=1)
    assert "sqlpair repair" in refused.stderr

    old.sqlpair("repair", "--yes")

    assert old.applied("postgres") == ["001_first", "007_second", "009_third"]
    assert old.heads("postgres") == ["postgres_009"]
    assert old.pg("SELECT applied_at FROM schema_version ORDER BY version") == before
    assert old.pg("SELECT version FROM schema_version ORDER BY 1") == [(1,), (7,), (9,)]
    old.sqlpair("verify")
    old.sqlpair("rollback", "--to", "7")
    assert old.applied("postgres") == ["001_first", "007_second"]


def test_numbers_that_moved_up_by_one_are_each_its_own(old: Project) -> None:
    rename(old, "sqlite", "006_third", "008_third")
    rename(old, "sqlite", "004_second", "006_second")
    write_modules(old)

    old.sqlpair("repair", "--yes")

    assert old.applied("sqlite") == ["002_first", "006_second", "008_third"]
    old.sqlpair("verify")


def test_another_order_is_refused(old: Project) -> None:
    rename(old, "sqlite", "002_first", "008_first")
    write_modules(old)
    before = old.lite("SELECT * FROM schema_version")

    old.sqlpair("migrate", expect=1)
    refused = old.sqlpair("repair", "--yes", expect=1)

    assert "the renamed files are in another order" in refused.stderr
    assert old.lite("SELECT * FROM schema_version") == before


def test_files_that_exchanged_their_texts_are_another_order(old: Project) -> None:
    folder = old.root / "sql" / "sqlite"
    one, other = folder / "002_first.sql", folder / "006_third.sql"
    first, third = one.read_text(), other.read_text()
    one.write_text(third)
    other.write_text(first)
    before = old.lite("SELECT * FROM schema_version")

    refused = old.sqlpair("repair", "--yes", expect=1).stderr

    assert "files have exchanged their texts" in refused
    assert "002_first, 006_third" in refused
    assert old.lite("SELECT * FROM schema_version") == before
    one.write_text(first)
    other.write_text(f"-- edited\n{third}")
    old.sqlpair("repair", "--yes")


def test_another_text_is_no_rename(old: Project) -> None:
    rename(old, "sqlite", "006_third", "008_third")
    path = old.root / "sql" / "sqlite" / "008_third.sql"
    path.write_text("-- edited\n" + path.read_text())
    write_modules(old)

    refused = old.sqlpair("repair", "--yes", expect=1)

    assert "alembic_version says sqlite_006" in refused.stderr
    assert old.applied("sqlite")[-1] == "006_third"


def test_files_of_one_text_are_matched_in_their_order(project: Project) -> None:
    for number in (1, 2, 3):
        project.add("sqlite", f"{number:03}_empty", "-- nothing\n")
    project.sqlpair("migrate")
    for number in (3, 2, 1):
        rename(project, "sqlite", f"{number:03}_empty", f"{number + 3:03}_none")
    write_modules(project)

    project.sqlpair("repair", "--yes")

    assert project.applied("sqlite") == ["004_none", "005_none", "006_none"]


# -- squashed --------------------------------------------------------------------------


def test_one_pair_takes_the_place_of_the_first(old: Project) -> None:
    done = old.sqlpair("squash", "--to", "4", "--yes")

    assert files(old, "postgres") == [
        *("003_squashed", "003_squashed_rollback", "005_third", "005_third_rollback")
    ]
    assert "postgres: 2 migrations became 003_squashed" in done.stdout
    assert "003_second.sql:2 | INSERT INTO p (id) VALUES (1);" in done.stdout
    text = (old.root / "sql/sqlite/004_squashed.sql").read_text()
    assert text.count("-- squashed: ") == 2
    assert "more text" in text
    assert sorted(p.stem for p in old.root.glob("alembic/versions/postgres/*.py")) == [
        *("003_squashed", "005_third")
    ]


def test_repair_lets_the_ledger_name_the_one(old: Project) -> None:
    old.sqlpair("squash", "--to", "4", "--yes")
    for command in ("migrate", "status", "verify"):
        said = old.sqlpair(command, expect=1)
        assert "squashed into 003_squashed" in said.stdout + said.stderr
        assert "sqlpair repair" in said.stdout + said.stderr

    done = old.sqlpair("repair", "--yes")

    assert "postgres: 2 migrations, 001_first to 003_second, squashed" in done.stdout
    assert old.applied("postgres") == ["003_squashed", "005_third"]
    assert old.applied("sqlite") == ["004_squashed", "006_third"]
    assert old.heads("postgres") == ["postgres_005"]
    old.sqlpair("verify")
    assert "Nothing to do" in old.sqlpair("migrate").stdout
    assert "Nothing to repair" in old.sqlpair("repair").stdout


def test_adopt_does_the_same_by_the_tables(old: Project) -> None:
    old.sqlpair("squash", "--to", "4", "--yes")

    old.sqlpair("adopt", "--yes")

    assert old.applied("postgres") == ["003_squashed", "005_third"]
    old.sqlpair("verify")


@pytest.mark.parametrize("command", ["repair", "adopt", "migrate"])
def test_a_database_below_it_is_refused_with_what_to_do(
    old: Project, command: str
) -> None:
    old.sqlpair("rollback", "--to", "2", "--allow-data-loss")
    before = old.lite("SELECT * FROM schema_version")
    old.sqlpair("squash", "--to", "4", "--yes")

    words = ["--yes"] if command != "migrate" else []
    refused = old.sqlpair(command, *words, expect=1)

    assert "the database is not where 003_squashed begins" in refused.stderr
    assert "not applied: 003_second" in refused.stderr
    assert "from the commit before the squash: sqlpair migrate" in refused.stderr
    assert old.lite("SELECT * FROM schema_version") == before


def test_one_that_applied_another_text_is_refused(old: Project) -> None:
    old.lite("UPDATE schema_version SET checksum = 'x' WHERE version = 2")
    old.sqlpair("squash", "--to", "4", "--yes")

    refused = old.sqlpair("repair", "--yes", expect=1)

    assert "applied with another text: 002_first" in refused.stderr


def test_a_new_database_begins_with_it_and_goes_back(old: Project) -> None:
    old.sqlpair("squash", "--to", "4", "--yes")
    before = old.schema("postgres"), old.schema("sqlite")
    for table in ("alembic_version", "schema_version", "schema_history", "p", "pp"):
        old.pg(f"DROP TABLE {table}")
    old.file.unlink()

    old.sqlpair("migrate")

    assert (old.schema("postgres"), old.schema("sqlite")) == before
    old.sqlpair("rollback")
    assert old.tables("postgres") == old.tables("sqlite") == set()
    old.sqlpair("prove")


def test_a_rollback_of_the_last_deployment_is_not_of_all_that_was_squashed(
    old: Project,
) -> None:
    old.sqlpair("squash", "--to", "6", "--yes")
    old.sqlpair("repair", "--yes")

    refused = old.sqlpair("rollback", expect=1)

    assert "005_squashed: squashed on" in refused.stderr
    assert old.tables("postgres") == {"p", "pp"}


def test_what_was_squashed_is_squashed_again(old: Project) -> None:
    old.sqlpair("squash", "--to", "4", "--yes")
    old.sqlpair("repair", "--yes")
    old.sqlpair("squash", "--to", "6", "--yes")

    old.sqlpair("repair", "--yes")

    assert old.applied("postgres") == ["005_squashed"]
    old.sqlpair("verify")


def test_what_a_schema_has_no_place_for_is_named(project: Project) -> None:
    project.add(
        "postgres",
        "001_x",
        "CREATE TABLE t (id int);\nGRANT SELECT ON t TO PUBLIC;\n"
        "ALTER TABLE t OWNER TO CURRENT_USER;\nDO $$ BEGIN END $$;\n"
        "COMMENT ON TABLE t IS 'kept';\nALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES"
        " TO PUBLIC;\n",
    )
    project.add("postgres", "002_y", "UPDATE t SET id = 1;\nCREATE INDEX ON t (id);\n")

    done = project.sqlpair("squash", "--to", "2", "--yes")

    named = [
        line.split(" | ")[0].strip()
        for line in done.stdout.splitlines()
        if " | " in line
    ]
    assert named == [
        *("001_x.sql:2", "001_x.sql:3", "001_x.sql:4", "001_x.sql:6", "002_y.sql:1")
    ]
    text = (project.root / "sql/postgres/002_squashed.sql").read_text()
    assert "COMMENT ON TABLE public.t IS 'kept';" in text


def test_everything_that_can_be_made_goes_again(project: Project) -> None:
    project.add(
        "postgres",
        "001_x",
        "CREATE SCHEMA other;\nCREATE TYPE other.m AS ENUM ('a');\n"
        "CREATE DOMAIN d AS int CHECK (VALUE > 0);\nCREATE SEQUENCE q;\n"
        "CREATE TABLE other.t (m other.m, d d DEFAULT nextval('q'), r int4range)"
        " PARTITION BY LIST (m);\nCREATE TABLE other.t1 PARTITION OF other.t DEFAULT;\n"
        "CREATE TYPE pair AS (a int, b int);\n",
    )
    project.add(
        "postgres",
        "002_y",
        "CREATE FUNCTION f(p pair) RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        "CREATE MATERIALIZED VIEW mv AS SELECT * FROM other.t;\n"
        "CREATE TABLE u (a int CHECK (f((a, a)::pair) > 0));\n",
    )

    done = project.sqlpair("squash", "--to", "2", "--yes")

    assert "its rollback leaves" not in done.stdout
    project.sqlpair("prove")


def test_virtual_tables_go_with_what_they_keep(project: Project) -> None:
    for number, name in enumerate(("fts5 (a)", "rtree (id, low, high, +note)"), 1):
        project.add(
            "sqlite",
            f"00{number}_v",
            f"CREATE VIRTUAL TABLE v{number} USING {name};",
            f"DROP TABLE v{number};",
        )

    project.sqlpair("squash", "--to", "2", "--yes")

    project.sqlpair("prove")


def test_files_with_variables_are_refused(old: Project) -> None:
    old.add("postgres", "007_x", '-- variables: R\nCREATE TABLE :"R" (a int);')

    refused = old.sqlpair("squash", "--to", "7", "--yes", expect=1)

    assert "files with variables are not squashed" in refused.stderr
    assert "postgres 007_x" in refused.stderr


def test_it_asks_and_refuses_what_is_no_number(old: Project) -> None:
    before = files(old, "postgres")

    assert "no terminal" in old.sqlpair("squash", "--to", "4", expect=2).stderr
    assert (
        "no migration has"
        in old.sqlpair("squash", "--to", "9", "--yes", expect=2).stderr
    )
    assert (
        "nothing to squash"
        in old.sqlpair("squash", "--to", "1", "--yes", expect=2).stderr
    )
    assert files(old, "postgres") == before


def test_a_failure_leaves_every_file_as_it_was(
    old: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in old.root.rglob("sql/*/*.sql")}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_changes.FileChanges, "create", full)
    refused = old.sqlpair("squash", "--to", "4", "--yes", expect=1)

    assert "the migrations cannot be squashed" in refused.stderr
    assert "Every file is as it was." in refused.stderr
    assert {path: path.read_bytes() for path in old.root.rglob("sql/*/*.sql")} == before


def test_lint_and_renumber_leave_it_where_it_is(old: Project) -> None:
    old.sqlpair("squash", "--to", "4", "--yes")

    found = old.sqlpair("lint", "sql/postgres/003_squashed.sql")

    assert "No findings." in found.stdout


def test_a_restored_commit_before_it_brings_a_database_there(
    old: Project, tmp_path: Path
) -> None:
    old.sqlpair("rollback", "--to", "2", "--allow-data-loss")
    kept = tmp_path / "before"
    for name in ("sql", "alembic"):
        shutil.copytree(old.root / name, kept / name)
    old.sqlpair("squash", "--to", "4", "--yes")
    after = tmp_path / "after"
    for name in ("sql", "alembic"):
        shutil.move(old.root / name, after / name)
        shutil.copytree(kept / name, old.root / name)

    old.sqlpair("migrate")
    for name in ("sql", "alembic"):
        shutil.rmtree(old.root / name)
        shutil.copytree(after / name, old.root / name)
    old.sqlpair("repair", "--yes")

    assert old.applied("postgres") == ["003_squashed", "005_third"]
    old.sqlpair("verify")
    drop_kept(old)


def test_what_files_set_in_the_header_of_sqlite_is_squashed_too(
    project: Project,
) -> None:
    project.add(
        "sqlite",
        "001_a",
        "CREATE TABLE a (id INTEGER PRIMARY KEY);\nPRAGMA user_version = 1;\n",
        "DROP TABLE a;\nPRAGMA user_version = 0;\n",
    )
    project.add(
        "sqlite",
        "002_b",
        "CREATE TABLE b (id INTEGER PRIMARY KEY);\nPRAGMA user_version = 2;\n",
        "DROP TABLE b;\nPRAGMA user_version = 1;\n",
    )
    project.sqlpair("migrate")

    said = project.sqlpair("squash", "--to", "2", "--yes").stdout

    assert "not carried over" not in said
    project.sqlpair("repair", "--yes")
    project.sqlpair("verify")
    project.sqlpair("rollback", "--to", "0", "--yes", "--allow-data-loss")
    assert project.lite("PRAGMA user_version") == [(0,)]
    project.sqlpair("migrate")
    assert project.lite("PRAGMA user_version") == [(2,)]
