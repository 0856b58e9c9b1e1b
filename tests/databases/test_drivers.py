"""Both drivers offer all that a driver is to offer."""

from __future__ import annotations

import inspect
import os

import pytest

from conftest import Project
from sqlpair.databases import driver, interface


@pytest.mark.parametrize("engine", ["postgresql", "sqlite"])
def test_driver_offers_everything_and_takes_what_it_is_to_take(engine: str) -> None:
    offering = driver._drivers[engine]
    wanted = {name for name in vars(interface.Driver) if not name.startswith("_")}
    wanted |= set(interface.Driver.__annotations__)

    for name in wanted:
        offered = getattr(offering, name)
        if callable(offered):
            declared = inspect.signature(getattr(interface.Driver, name)).parameters
            assert [*inspect.signature(offered).parameters] == [*declared][1:], name
    with pytest.raises(AttributeError):
        _ = offering.nothing


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_sqlite_database_that_the_engine_makes_is_private(
    project: Project, umask: int
) -> None:
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    before = os.umask(umask)
    try:
        project.upgrade()
    finally:
        os.umask(before)

    assert project.file.stat().st_mode & 0o777 == 0o600


def test_sqlite_database_that_is_there_keeps_its_mode(project: Project) -> None:
    project.file.parent.mkdir(exist_ok=True)
    project.file.touch()
    project.file.chmod(0o640)
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")

    project.upgrade()

    assert project.file.stat().st_mode & 0o777 == 0o640
