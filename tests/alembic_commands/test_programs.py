"""A program that calls ``alembic.command`` gets Alembic's behaviour, and no more."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from conftest import Project


@pytest.fixture
def program(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a migration on each database, used from another folder."""
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n", "DROP TABLE t1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id);\n", "DROP TABLE t2;\n")
    (project.root / "elsewhere").mkdir()
    monkeypatch.chdir(project.root / "elsewhere")
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    return project


def config(project: Project) -> Config:
    return Config(str(project.root / "alembic.ini"))


def test_program_migrates_from_another_folder(program: Project) -> None:
    command.upgrade(config(program), "heads")

    assert program.applied("postgres") == ["001_t1"]
    assert program.applied("sqlite") == ["002_t2"]
    assert not list(Path().iterdir())

    command.downgrade(Config("../alembic.ini"), "-1")
    assert program.applied("postgres") == program.applied("sqlite") == []
    command.stamp(config(program), ["postgres_001", "sqlite_002"])
    assert program.heads("sqlite") == ["sqlite_002"]


def test_every_command_can_be_called(
    program: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(program)
    settings.attributes["anything"] = object()

    command.upgrade(settings, "heads")
    command.current(settings, verbose=True, check_heads=True)
    command.check(settings)
    command.history(settings, indicate_current=True)
    command.heads(settings)
    command.show(settings, "current")
    made = command.revision(settings, "add x", head="postgres@head")

    assert made is not None
    assert not isinstance(made, list)
    assert made.revision == "postgres_003"


def test_failure_reaches_a_program_as_alembics_own_error(program: Project) -> None:
    program.add("sqlite", "003_bad", "SELECT nope;\n")

    with pytest.raises(CommandError, match=r"sqlite 003_bad.sql:1: no such column"):
        command.upgrade(config(program), "heads")
    with pytest.raises(CommandError, match="no database is called 'mysql'"):
        command.upgrade(config(program), "mysql@head")
    with pytest.raises(CommandError, match=r"section \[alembic\] of an alembic.ini"):
        command.upgrade(_bare(program.root), "heads")


def _bare(root: Path) -> Config:
    bare = Config()
    bare.set_main_option("script_location", str(root / "alembic"))
    return bare


def test_what_is_not_a_connection_is_refused_as_one(program: Project) -> None:
    settings = config(program)
    settings.attributes["connection"] = object()

    with pytest.raises(CommandError, match="not a connection of SQLAlchemy"):
        command.upgrade(settings, "heads")

    assert program.tables("postgres") == set()


def test_loggers_of_the_program_stay_as_they_are(program: Project) -> None:
    own = logging.getLogger("program.part")
    handler = logging.NullHandler()
    own.addHandler(handler)
    own.setLevel(logging.DEBUG)
    root = logging.getLogger()
    before = root.level, list(root.handlers)

    command.upgrade(config(program), "heads")

    assert own.handlers == [handler]
    assert own.level == logging.DEBUG
    assert not own.disabled
    assert (root.level, root.handlers) == before
    assert logging.getLogger("sqlpair").handlers == []
    own.handlers.clear()


def test_environment_of_the_program_stays_as_it_is(program: Project) -> None:
    (program.root / ".env").write_text("PGAPPNAME=from_env_file\nSCHEMA_VERSION=0\n")
    before = dict(os.environ)

    command.upgrade(config(program), "heads")

    assert dict(os.environ) == before


def test_ini_named_on_the_command_line_is_the_projects_folder(program: Project) -> None:
    program.run("-m", "alembic", "-c", "alembic.ini", "upgrade", "heads")
    elsewhere = program.root / "elsewhere"
    root, program.root = program.root, elsewhere

    done = program.alembic("-c", "../alembic.ini", "current")
    program.root = root

    assert done.stdout.splitlines() == ["postgres_001 (head)", "sqlite_002 (head)"]
    assert not list(elsewhere.iterdir())
