"""``alembic revision`` writes a numbered SQL pair and the module that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Project
from sqlpair.authoring import scaffold
from sqlpair.errors import SqlpairError, UsageError


def files(project: Project) -> set[str]:
    found = [*project.root.glob("sql/**/*.sql"), *project.root.glob("alembic/**/0*.py")]
    return {path.relative_to(project.root).as_posix() for path in found}


def test_revision_writes_pair_and_module_numbered_next_in_the_shared_sequence(
    project: Project,
) -> None:
    project.add("postgres", "000_baseline", "SELECT 1;\n")
    project.add("sqlite", "001_trades", "CREATE TABLE trades (id);\n")
    before = files(project)

    project.alembic(
        "revision", "-m", "Add e-mail: to Users!", "--head", "postgres@head"
    )

    assert files(project) - before == {
        "sql/postgres/002_add_e_mail_to_users.sql",
        "sql/postgres/002_add_e_mail_to_users_rollback.sql",
        "alembic/versions/postgres/002_add_e_mail_to_users.py",
    }
    module = project.root / "alembic/versions/postgres/002_add_e_mail_to_users.py"
    assert module.read_text() == (
        '"""add e mail to users"""\n\n'
        "from sqlpair.revision import pair\n\n"
        'revision = "postgres_002"\n'
        'down_revision = "postgres_000"\n'
        "branch_labels = None\n"
        "depends_on = None\n\n"
        'upgrade, downgrade = pair("sql/postgres/002_add_e_mail_to_users.sql")\n'
    )
    text = (project.root / "sql/postgres/002_add_e_mail_to_users.sql").read_text()
    assert text.startswith("-- Add e mail to users.\n-- Why: ")


def test_what_revision_wrote_migrates_at_once(project: Project) -> None:
    # The first revision of two empty branches, and two of one name.
    for database in ("sqlite", "postgres", "postgres"):
        project.alembic("revision", "-m", "first steps", "--head", f"{database}@head")

    done = project.alembic("upgrade", "heads")

    assert "schema version 3" in done.stderr
    assert project.applied("sqlite") == ["001_first_steps"]
    assert project.applied("postgres") == ["002_first_steps", "003_first_steps"]
    assert project.alembic("heads").stdout.splitlines() == [
        "postgres_003 (postgres) (head)",
        "sqlite_001 (sqlite) (head)",
    ]
    project.alembic("downgrade", "base")


def test_new_writes_what_alembic_revision_writes(project: Project) -> None:
    project.alembic("revision", "-m", "add x", "--head", "postgres@head")
    written = {
        path.name: path.read_text()
        for path in [*project.root.rglob("001_*.py"), *project.root.rglob("001_*.sql")]
    }
    for path in [*project.root.rglob("001_*.py"), *project.root.rglob("001_*.sql")]:
        path.unlink()

    scaffold.new(project.settings, "postgres", "add x")

    for name, text in written.items():
        (path,) = project.root.rglob(name)
        assert path.read_text() == text


def test_revision_without_a_head_says_which_there_are(project: Project) -> None:
    project.add("postgres", "001_t1", "SELECT 1;\n")

    failure = project.alembic("revision", "-m", "add x", expect=2)

    assert "--head postgres@head or sqlite@head" in failure.stderr
    assert len(files(project)) == 3


def test_only_database_needs_no_head(project: Project) -> None:
    ini = project.root / "alembic.ini"
    ini.write_text(ini.read_text().replace("= postgres, sqlite", "= postgres"))

    project.alembic("revision", "-m", "add x")

    assert "sql/postgres/001_add_x.sql" in files(project)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--autogenerate", "--head", "postgres@head"], "no models"),
        (["--head", "mysql@head"], "no database is called 'mysql'"),
        (["--head", "postgres_001"], "--head postgres@head"),
        (["--head", "postgres@head", "--rev-id", "abc"], "--rev-id"),
        (["--head", "postgres@head", "--splice"], "--splice"),
        (["--head", "postgres@head", "--depends-on", "sqlite@head"], "--depends-on"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_no_file(
    project: Project, arguments: list[str], message: str
) -> None:
    project.add("postgres", "001_t1", "SELECT 1;\n")
    project.add("postgres", "002_t2", "SELECT 1;\n")
    before = files(project)

    failure = project.raw("alembic", "revision", "-m", "add x", *arguments)

    assert failure.returncode == 2
    assert message in failure.stderr
    assert "Traceback" not in failure.stderr
    assert files(project) == before


@pytest.mark.parametrize("name", ["", "  ", "日本", "%", "rollback", "undo / verify"])
def test_message_that_is_no_file_name_is_refused(project: Project, name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name for a migration"):
        scaffold.new(project.settings, "postgres", name)

    assert files(project) == set()


@pytest.mark.parametrize(
    ("message", "stem"),
    [
        ("Añadir Überblick", "001_anadir_uberblick"),
        ("100% sure? \"yes\" 'no' {a} ${b} %(c)s", "001_100_sure_yes_no_a_b_c_s"),
        ("../../etc/passwd", "001_etc_passwd"),
        ("norollback", "001_norollback"),
        ("two\nlines", "001_two_lines"),
        ("x" * 300, f"001_{'x' * 100}"),
    ],
)
def test_any_other_message_becomes_a_file_name(
    project: Project, message: str, stem: str
) -> None:
    project.alembic("revision", "-m", message, "--head", "sqlite@head")

    assert files(project) == {
        f"sql/sqlite/{stem}.sql",
        f"sql/sqlite/{stem}_rollback.sql",
        f"alembic/versions/sqlite/{stem}.py",
    }
    project.upgrade()
    assert project.applied("sqlite") == [stem]


def test_numbers_stay_as_wide_as_they_are(project: Project) -> None:
    project.add("sqlite", "0009_old", "SELECT 1;\n")

    item = scaffold.new(project.settings, "postgres", "add x")

    assert item.stem == "0010_add_x"


def test_pair_without_a_module_is_named_before_a_new_one_is_made(
    project: Project,
) -> None:
    (project.root / "sql/postgres/001_t1.sql").write_text("SELECT 1;\n")
    before = files(project)

    failure = project.alembic(
        "revision", "-m", "add x", "--head", "postgres@head", expect=1
    )

    assert "postgres 001_t1" in failure.stderr
    assert "sqlpair revisions" in failure.stderr
    assert files(project) == before


def test_revision_needs_no_database(project: Project) -> None:
    project.alembic(
        *("revision", "-m", "add x", "--head", "postgres@head"),
        DATABASE_URL="postgresql://localhost:1/nowhere",
    )

    assert not project.file.exists()


def test_file_that_is_there_is_not_overwritten(project: Project) -> None:
    module = project.root / "alembic/versions/postgres/001_add_x.py"
    Path(module).write_text("# mine\n")

    with pytest.raises(SqlpairError):
        scaffold.new(project.settings, "postgres", "add x")

    assert module.read_text() == "# mine\n"
    assert not list(project.root.rglob("*.sql"))
