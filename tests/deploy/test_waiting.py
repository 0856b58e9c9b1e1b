"""A deployment reads again what changed while it waited for its locks."""

from __future__ import annotations

import fcntl

import pytest

from conftest import Project
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.errors import HistoryError


@pytest.fixture
def two(project: Project) -> Project:
    """Two migrations of the file, the second pending."""
    project.add("sqlite", "001_a", "CREATE TABLE a (x text);\n", "DROP TABLE a;\n")
    project.sqlpair("migrate")
    project.add("sqlite", "002_b", "CREATE TABLE b (x text);\n", "DROP TABLE b;\n")
    return project


def _deploy(project: Project, *meanwhile: str) -> deployment.Outcome:
    """Deploy to head; ``meanwhile`` runs in the file while its lock is waited for."""
    lock = project.file.with_name(f"{project.file.name}.lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def said(line: str) -> None:
        if "waiting for another deployment" in line:
            for statement in meanwhile:
                project.lite(statement)
            lock.close()

    target = Destination(("heads",), "upgrade", said)
    with lock:
        return deployment.deploy(project.settings, target, said)


def test_what_another_has_applied_meanwhile_is_not_applied_again(two: Project) -> None:
    outcome = _deploy(
        two,
        "CREATE TABLE b (x text)",
        "INSERT INTO schema_version (version, migration_name) VALUES (2, '002_b')",
        "UPDATE alembic_version SET version_num = 'sqlite_002'",
    )

    assert outcome.done == ()
    assert two.applied("sqlite") == ["001_a", "002_b"]


def test_records_that_are_edited_meanwhile_are_refused(two: Project) -> None:
    with pytest.raises(HistoryError, match="disagree"):
        _deploy(two, "DELETE FROM schema_version")

    assert two.tables("sqlite") == {"a"}


def test_other_rows_that_come_meanwhile_are_in_nobodys_way(two: Project) -> None:
    outcome = _deploy(two, "INSERT INTO a VALUES ('x')")

    assert [step.migration.stem for step, *_ in outcome.done] == ["002_b"]
