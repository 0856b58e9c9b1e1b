"""Two people both took 003."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.authoring import renumber as module
from sqlpair.authoring.renumber import renumber
from sqlpair.errors import HistoryError, UsageError
from sqlpair.project.revisions import missing


def git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=project.root, check=True, capture_output=True)


def add(project: Project, database: str, stem: str) -> None:
    """Write a migration as a colleague's checkout has it, whatever is here already."""
    table = stem.partition("_")[2]
    folder = project.root / "sql" / database
    (folder / f"{stem}.sql").write_text(f"CREATE TABLE {table} (id int);\n")
    (folder / f"{stem}_rollback.sql").write_text(
        f"-- Undo {stem}.\nDROP TABLE {table};\n"
    )
    number = stem.partition("_")[0]
    before = [
        p.stem for p in folder.glob("*.sql") if p.stem < number and "_ro" not in p.stem
    ]
    down = f'"{database}_{max(before)[:3]}"' if before else "None"
    label = "None" if before else f'"{database}"'
    (project.root / "alembic" / "versions" / database / f"{stem}.py").write_text(
        '"""A comment of its own."""\n\nfrom sqlpair.revision import pair\n\n'
        f'revision = "{database}_{number}"\ndown_revision = {down}\n'
        f"branch_labels = {label}\ndepends_on = None\n\n"
        f'upgrade, downgrade = pair("sql/{database}/{stem}.sql")\n'
    )


@pytest.fixture
def branched(project: Project) -> Project:
    """001 and 003 of main, and a branch that took 003 too, and 004 after it."""
    git(project, "init", "-q", "-b", "main")
    add(project, "postgres", "001_users")
    add(project, "sqlite", "002_trades")
    add(project, "postgres", "003_theirs")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Release")
    git(project, "switch", "-qc", "work")
    add(project, "postgres", "003_mine")
    add(project, "postgres", "004_mine_too")
    return project


def silent(_line: str) -> None:
    """Report nothing."""


def test_the_unreleased_ones_follow_the_released_in_their_own_order(
    branched: Project,
) -> None:
    moves = renumber(branched.settings, silent)

    assert [(m.old.stem, m.new.stem) for m in moves] == [
        ("003_mine", "004_mine"),
        ("004_mine_too", "005_mine_too"),
    ]
    names = {p.name for p in (branched.root / "sql" / "postgres").glob("*.sql")}
    assert {n for n in names if "mine" in n} == {
        "004_mine.sql",
        "004_mine_rollback.sql",
        "005_mine_too.sql",
        "005_mine_too_rollback.sql",
    }
    rollback = branched.root / "sql" / "postgres" / "004_mine_rollback.sql"
    assert rollback.read_text().startswith("-- Undo 004_mine.")


def test_what_is_renumbered_can_be_applied(branched: Project) -> None:
    branched.sqlpair("renumber")

    branched.upgrade()

    assert branched.applied("postgres") == [
        "001_users",
        "003_theirs",
        "004_mine",
        "005_mine_too",
    ]
    branched.alembic("downgrade", "base")


def test_a_module_keeps_what_is_its_own(branched: Project) -> None:
    renumber(branched.settings, silent)

    text = (
        branched.root / "alembic" / "versions" / "postgres" / "004_mine.py"
    ).read_text()
    assert text == (
        '"""A comment of its own."""\n\nfrom sqlpair.revision import pair\n\n'
        'revision = "postgres_004"\ndown_revision = "postgres_003"\n'
        "branch_labels = None\ndepends_on = None\n\n"
        'upgrade, downgrade = pair("sql/postgres/004_mine.sql")\n'
    )


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("-- Undo 003_mine.", True),
        ("sql/postgres/003_mine_rollback.sql", True),
        ("-- see 003_mine_too", False),
        ("-- see 1003_mine", False),
    ],
)
def test_only_its_own_name_is_replaced_in_a_file(text: str, renamed: bool) -> None:
    assert bool(module.own_name("003_mine").search(text)) is renamed


def test_a_second_run_has_nothing_to_do(branched: Project) -> None:
    branched.sqlpair("renumber")

    assert "Nothing to do" in branched.sqlpair("renumber").stdout


def test_the_one_that_is_named_gets_the_next_number(branched: Project) -> None:
    done = branched.sqlpair("renumber", "sql/postgres/003_mine.sql")

    assert done.stdout == "sql/postgres/003_mine.sql -> sql/postgres/005_mine.sql\n"
    branched.upgrade()


def test_a_late_number_is_told_with_the_command_that_helps(project: Project) -> None:
    for stem in ("001_a", "003_b"):
        project.add("sqlite", stem, f"CREATE TABLE {stem[-1]} (id int);\n")
    project.upgrade()
    project.add("sqlite", "002_late", "CREATE TABLE late (id int);\n")
    told = project.sqlpair("migrate", expect=1).stderr

    line = next(line for line in told.splitlines() if "sqlpair renumber" in line)
    project.sqlpair(*line.partition("sqlpair ")[2].split())
    project.sqlpair("migrate")

    assert project.applied("sqlite") == ["001_a", "003_b", "004_late"]
    project.sqlpair("status", "--exit-code")


def test_both_first_ones_of_a_database_can_be_put_in_order(project: Project) -> None:
    add(project, "postgres", "001_a")
    (project.root / "sql" / "postgres" / "001_b.sql").write_text("SELECT 1;\n")
    module = project.root / "alembic" / "versions" / "postgres" / "001_b.py"
    first = (module.parent / "001_a.py").read_text()
    module.write_text(first.replace("001_a", "001_b"))

    project.sqlpair("renumber", "sql/postgres/001_a.sql")

    project.upgrade()
    assert project.applied("postgres") == ["001_b", "002_a"]


def test_namesakes_do_not_overwrite_each_other(branched: Project) -> None:
    for number, table in (("003_same", "a"), ("005_same", "b")):
        add(branched, "sqlite", number)
        file = branched.root / "sql" / "sqlite" / f"{number}.sql"
        file.write_text(f"CREATE TABLE {table} (id int);\n")

    moves = renumber(branched.settings, silent)

    same = [move.new for move in moves if move.new.name == "same"]
    assert [item.stem for item in same] == ["005_same", "007_same"]
    texts = [item.up.read_text() for item in same]
    assert texts == [f"CREATE TABLE {table} (id int);\n" for table in "ab"]


def test_a_gap_is_closed(branched: Project) -> None:
    renumber(branched.settings, silent)
    add(branched, "sqlite", "009_late")

    moves = renumber(branched.settings, silent)

    assert [m.new.stem for m in moves] == ["006_late"]


def test_a_released_one_is_refused(branched: Project) -> None:
    with pytest.raises(HistoryError, match="003_theirs: released"):
        renumber(
            branched.settings, silent, branched.root / "sql/postgres/003_theirs.sql"
        )


def test_an_applied_one_is_refused_and_nothing_changes(branched: Project) -> None:
    theirs = [*branched.root.glob("**/003_theirs*")]
    texts = {path: path.read_bytes() for path in theirs}
    for path in theirs:
        path.unlink()
    chain = branched.root / "alembic/versions/postgres/004_mine_too.py"
    branched.upgrade()
    for path, text in texts.items():
        path.write_bytes(text)
    before = {p: p.read_bytes() for p in branched.root.glob("sql/**/*.sql")}

    failure = branched.sqlpair("renumber", expect=1)

    assert "postgres 003_mine: applied, so its number stays" in failure.stderr
    assert {p: p.read_bytes() for p in branched.root.glob("sql/**/*.sql")} == before
    assert chain.exists()


def test_a_database_that_cannot_be_reached_is_named(branched: Project) -> None:
    done = branched.sqlpair(
        "renumber", DATABASE_URL="postgresql://nobody@localhost:1/none"
    )

    assert "postgres was not asked" in done.stderr


def test_without_git_the_one_to_move_must_be_named(project: Project) -> None:
    add(project, "postgres", "001_a")

    with pytest.raises(UsageError, match="git does not say"):
        renumber(project.settings, silent)


def test_a_failure_halfway_leaves_every_file_as_it_was(
    branched: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything() -> dict[Path, bytes]:
        files = (p for p in branched.root.glob("*/**/*") if p.is_file())
        return {p: p.read_bytes() for p in files if "__pycache__" not in p.parts}

    before = everything()
    # In the way of the last move, after others have been made.
    obstacle = branched.root / "alembic" / "versions" / "postgres" / "004_mine.py"
    obstacle.mkdir()

    with pytest.raises(HistoryError, match="cannot be renumbered"):
        renumber(branched.settings, silent)

    assert everything() == before


def three(project: Project, elsewhere: str) -> tuple[Path, Path]:
    """Three migrations, the module of one moved out of the project: from, and to."""
    for stem in ("001_a", "002_b", "003_c"):
        add(project, "postgres", stem)
    path = project.root / "alembic/versions/postgres" / f"{elsewhere}.py"
    return path, path.rename(project.root.parent / "other.py")


@pytest.mark.parametrize("stem", ["002_b", "003_c"])  # moved, and corrected
def test_a_module_that_is_a_link_is_refused_and_not_written_through(
    project: Project, stem: str
) -> None:
    path, other = three(project, stem)
    path.symlink_to(other)
    text, files = other.read_bytes(), sorted(project.root.glob("[as]*/**/*.*"))

    failure = project.sqlpair("renumber", "sql/postgres/002_b.sql", expect=1)

    assert f"{path} is a link, not a file of its own" in failure.stderr
    assert (path.is_symlink(), other.read_bytes()) == (True, text)
    assert sorted(project.root.glob("[as]*/**/*.*")) == files


@pytest.mark.parametrize("stem", ["002_b", "003_c"])
def test_what_else_a_modules_file_is_named_stays_as_it_is(
    project: Project, stem: str
) -> None:
    path, other = three(project, stem)
    path.hardlink_to(other)
    text, mode = other.read_bytes(), other.stat().st_mode

    project.sqlpair("renumber", "sql/postgres/002_b.sql")

    new = path.with_name(path.name.replace("002", "004"))
    assert other.read_bytes() == text
    assert new.read_bytes() != text
    assert new.stat().st_mode == mode


def test_every_revision_has_its_sql_afterwards(branched: Project) -> None:
    from sqlpair.project.branches import branches

    renumber(branched.settings, silent)

    assert [missing(branch) for branch in branches(branched.settings)] == [(), ()]
    assert module.paths(branched.settings, ()) == []
