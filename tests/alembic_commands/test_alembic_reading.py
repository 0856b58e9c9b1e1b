"""Alembic's reading commands answer for all databases, and change nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Project

# Several commands in one process, which is quicker than one each.
SERIES = """
import json, sys
from alembic.config import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as left:
        print("exit", *arguments, left.code)
"""
READING = [
    ("current",),
    ("current", "-v"),
    ("current", "--check-heads"),
    ("history",),
    ("history", "-i", "-v"),
    ("history", "-r", "base:current"),
    ("heads", "-v"),
    ("branches",),
    ("show", "current"),
    ("check",),
]
CLASSES = "SELECT relname, relfilenode FROM pg_class ORDER BY oid"


@pytest.fixture
def one_each(project: Project) -> Project:
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n", "DROP TABLE t1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id);\n", "DROP TABLE t2;\n")
    return project


def files(project: Project) -> dict[str, bytes]:
    """Everything in the project's folder, but what Python keeps for itself."""
    return {
        str(path.relative_to(project.root)): path.read_bytes()
        if path.is_file()
        else b""
        for path in project.root.rglob("*")
        if "__pycache__" not in path.parts
    }


def test_reading_commands_leave_a_fresh_project_as_it_is(one_each: Project) -> None:
    before, classes = files(one_each), one_each.pg(CLASSES)

    done = one_each.run("-c", SERIES, json.dumps(READING))

    assert done.stdout.splitlines()[-1] == "exit check -1"
    assert files(one_each) == before
    assert one_each.pg(CLASSES) == classes


def test_reading_commands_leave_a_migrated_project_as_it_is(one_each: Project) -> None:
    one_each.upgrade()
    one_each.lite("PRAGMA journal_mode = WAL")
    before, classes = files(one_each), one_each.pg(CLASSES)

    done = one_each.run("-c", SERIES, json.dumps(READING))

    assert "exit" not in done.stdout
    assert done.stdout.endswith("No new upgrade operations detected.\n")
    assert files(one_each) == before
    assert one_each.pg(CLASSES) == classes


def test_reading_commands_start_no_server_where_there_is_none(
    one_each: Project,
) -> None:
    before = files(one_each)

    done = one_each.alembic("current", DATABASE_URL="")

    assert "postgres: there is no database yet" in done.stderr
    assert files(one_each) == before


def test_current_names_the_revision_of_each_database(one_each: Project) -> None:
    assert one_each.alembic("current").stdout == ""
    one_each.upgrade()

    assert one_each.alembic("current").stdout.splitlines() == [
        "postgres_001 (head)",
        "sqlite_002 (head)",
    ]
    shown = one_each.alembic("current", "-v").stdout
    assert "Current revision(s) for postgresql+psycopg2://" in shown
    assert f"Current revision(s) for sqlite:///{one_each.file}" in shown


def test_check_heads_and_check_name_the_database_that_is_behind(
    one_each: Project,
) -> None:
    one_each.upgrade("postgres@head")

    for command in (["current", "--check-heads"], ["check"]):
        behind = one_each.raw("alembic", *command)
        assert behind.returncode not in (0, 2)
        assert "sqlite: " in behind.stderr
        assert "postgres: " not in behind.stderr

    one_each.upgrade()
    assert one_each.alembic("current", "--check-heads").stdout
    assert "No new upgrade operations" in one_each.alembic("check").stdout


def test_history_marks_what_is_current_and_takes_ranges(one_each: Project) -> None:
    one_each.upgrade("postgres@head")

    marked = one_each.alembic("history", "-i").stdout.splitlines()
    assert [line for line in marked if "(current)" in line] == [
        "<base> -> postgres_001 (postgres) (head) (current), t1"
    ]
    for bounds in ("postgres_001:", "base:current", "postgres@base:postgres@head"):
        lines = one_each.alembic("history", "-r", bounds).stdout.splitlines()
        assert lines == ["<base> -> postgres_001 (postgres) (head), t1"], bounds


def test_history_of_the_files_needs_no_database(one_each: Project) -> None:
    nowhere = "postgresql://localhost:1/nowhere"

    done = one_each.alembic("history", DATABASE_URL=nowhere)
    assert len(done.stdout.splitlines()) == 2
    failure = one_each.alembic("history", "-i", DATABASE_URL=nowhere, expect=1)
    assert "cannot connect" in failure.stderr


def test_heads_show_and_branches_speak_of_the_files(one_each: Project) -> None:
    assert one_each.alembic("heads").stdout.splitlines() == [
        "postgres_001 (postgres) (head)",
        "sqlite_002 (sqlite) (head)",
    ]
    assert "Rev: sqlite_002 (head)" in one_each.alembic("show", "sqlite@head").stdout
    assert one_each.alembic("branches").stdout == ""


def test_edit_opens_the_revisions_that_are_current(one_each: Project) -> None:
    one_each.upgrade("postgres@head")
    editor = one_each.root / "editor"
    editor.write_text('#!/bin/sh\necho "$@" >> edited\n')
    editor.chmod(0o755)

    one_each.alembic("edit", "current", EDITOR=str(editor))

    assert (one_each.root / "edited").read_text().strip().endswith("001_t1.py")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="sqlpair-tests-"))
    folder.chmod(0o755)
    before = os.umask(0o022)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


# The other user may be unable to read this virtual environment: all imports, and
# Python's own files, come first.
READ = """
import os, sys
from pathlib import Path
from sqlpair.databases.driver import driver_of
from sqlpair.ledger import tables
from sqlpair.project import settings
database = settings.load(Path(sys.argv[1]) / "alembic.ini").database("sqlite")
connect = driver_of(database).connect
if os.geteuid() == 0:
    os.setuid(65534)
session = connect(database, read_only=True, report=print)
print(*tables.read(session).revisions)
session.close()
"""


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_in_a_folder_of_others_can_be_read(
    public: Path, postgres: str, journal: str
) -> None:
    project = Project(public / "project", postgres)
    project.add("sqlite", "001_t1", "CREATE TABLE t1 (id);\n")
    project.upgrade("sqlite@head")
    project.lite(f"PRAGMA journal_mode = {journal}")
    folder = project.file.parent
    folder.chmod(0o555)
    project.file.chmod(0o444)
    names = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", READ, str(project.root)],
        env=os.environ | {"DATABASE_URL": postgres},
        capture_output=True,
        text=True,
        check=False,
    )

    folder.chmod(0o755)
    assert done.stdout == "sqlite_001\n", done.stderr
    assert sorted(path.name for path in folder.iterdir()) == names
    with sqlite3.connect(project.file) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    assert mode == journal.lower()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('= "sqlite_001"', '= "sqlite_007"', "does not fit its place on the branch"),
        ('revision = "', 'revision = 1 / 0 + "', "ZeroDivisionError: division by zero"),
        ("from sqlpair", "from (sqlpair", "SyntaxError: "),
        ('= "sqlite_001"', '= "sqlite_003"', "does not fit its place on the branch"),
        ("depends_on = None", 'depends_on = "postgres_002"', "in the order of their"),
        ('revision = "sqlite_003"', 'revision = "x"', "revision = 'x'"),
    ],
)
def test_module_that_alembic_stumbles_over_is_named(
    project: Project, old: str, new: str, message: str
) -> None:
    for stem in ("001_first", "003_second"):
        project.add("sqlite", stem, "SELECT 1;\n")
    project.add("postgres", "002_other", "SELECT 1;\n")
    project.upgrade()
    module = project.root / "alembic/versions/sqlite/003_second.py"
    module.write_text(module.read_text().replace(old, new, 1))

    for command in READING:
        failure = project.raw("alembic", *command)
        assert failure.returncode in (1, 255)
        assert "Traceback" not in failure.stderr
        said = failure.stdout + failure.stderr
        assert "sqlite 003_second: the revision module" in said
        assert message in said


def test_module_that_is_missing_is_told_and_nothing_is_stamped(
    one_each: Project,
) -> None:
    one_each.add("sqlite", "003_t3", "CREATE TABLE t3 (id);\n")
    (one_each.root / "alembic/versions/sqlite/002_t2.py").unlink()

    for command in [one for one in READING if one[0] != "show"]:
        failure = one_each.raw("alembic", *command)
        assert failure.returncode in (1, 255)
        assert "Traceback" not in failure.stderr
        said = failure.stdout + failure.stderr
        if command[0] in ("current", "check"):
            assert "sqlite 002_t2: the SQL file has no revision module" in said
        else:
            assert "down_revision = 'sqlite_002', which no module" in said
    for command in (("stamp", "heads"), ("stamp", "--sql", "heads")):
        failure = one_each.alembic(*command, expect=1)
        assert "sqlite 002_t2: the SQL file has no revision module" in failure.stderr
    assert not one_each.file.exists()
