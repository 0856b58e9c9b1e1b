"""A miniature project to run dry runs in."""

from __future__ import annotations

from conftest import Project
from sqlpair.plan.report import DryRun


def nobody(_line: object) -> None:
    pass


def prepared(project: Project) -> Project:
    """Apply a migration on each database: two tables and rows, and one with rows."""
    project.add(
        "postgres",
        "001_t",
        "CREATE TABLE parent (id integer PRIMARY KEY);\n"
        "CREATE TABLE t (id serial PRIMARY KEY, a integer, b varchar(9) DEFAULT 'x');\n"
        "ALTER TABLE t ADD CONSTRAINT small CHECK (a < 100) NOT VALID;\n"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RETURN NEW; END$$;\n"
        "INSERT INTO t (a) SELECT generate_series(1, 50);\n",
        "DROP TABLE t; DROP TABLE parent; DROP FUNCTION f();\n",
    )
    project.add(
        "sqlite",
        "002_s",
        "CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT);\n"
        "INSERT INTO s (a) VALUES ('one'), ('two');\n",
        "DROP TABLE s;\n",
    )
    project.upgrade()
    return project


def reasons(found: DryRun) -> dict[str, str]:
    return {item.step.migration.stem: item.reason for item in found.steps}
