"""Projects with a fleet, for the tests of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from conftest import Project

NUMBERED = {
    "002_a": ("CREATE TABLE a (id integer PRIMARY KEY, x text);\n", "DROP TABLE a;\n"),
    "003_y": (
        "CREATE INDEX a_x ON a (x);\nALTER TABLE a ADD COLUMN y text;\n",
        "ALTER TABLE a DROP COLUMN y;\nDROP INDEX a_x;\n",
    ),
    "004_b": (
        "CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a (id));\n",
        "DROP TABLE b;\n",
    ),
}
SINGLE = "001_main"


def declare(
    project: Project, singles: str = "sqlite", driver: str = "sqlite", **section: str
) -> None:
    """Let the project have a fleet called tenants beside ``singles``."""
    names = [name for name in (*singles.split(), "tenants") if name]
    locations = "".join(f"\n    %(here)s/alembic/versions/{name}" for name in names)
    project.configure(
        "alembic", databases=", ".join(names), version_locations=locations
    )
    project.configure("tenants", driver=driver, **section)
    for folder in ("sql/tenants", "alembic/versions/tenants", "state/tenants"):
        (project.root / folder).mkdir(parents=True, exist_ok=True)


def fleet(project: Project, members: int = 5, **section: str) -> list[Path]:
    """Let it have ``members`` SQLite files, empty, and three migrations for each."""
    declare(project, **(section or {"members": "state/tenants/*.db"}))
    project.add("sqlite", SINGLE, "CREATE TABLE main (id integer);", "DROP TABLE main;")
    for stem, (up, down) in NUMBERED.items():
        project.add("tenants", stem, up, down)
    paths = [
        project.root / "state" / "tenants" / f"t{number:04}.db"
        for number in range(members)
    ]
    for path in paths:
        path.touch()
    return paths


def applied(path: Path) -> list[str]:
    """Return the stems in a member's ledger, each as often as it is there."""
    return [row[0] for row in rows(path, "SELECT migration_name FROM schema_version")]


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Query a member, outside the engine."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def at_head(path: Path) -> bool:
    """Say whether each migration is applied once."""
    try:
        return applied(path) == [*NUMBERED]
    except sqlite3.Error:
        return False


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    paths = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in paths for child in path.read_text().split()]


def descendants(pid: int) -> list[int]:
    """Return the pids of a process's children, and of theirs."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def second(project: Project, members: str) -> None:
    """Let it have another fleet, called hosts, with one migration."""
    names = ("sqlite", "tenants", "hosts")
    locations = "".join(f"\n    %(here)s/alembic/versions/{name}" for name in names)
    project.configure(
        "alembic", databases=", ".join(names), version_locations=locations
    )
    project.configure("hosts", driver="sqlite", members=members)
    for folder in ("sql/hosts", "alembic/versions/hosts", "state/hosts"):
        (project.root / folder).mkdir(parents=True, exist_ok=True)
    project.add("hosts", "005_h", "CREATE TABLE h (id integer);", "DROP TABLE h;")
