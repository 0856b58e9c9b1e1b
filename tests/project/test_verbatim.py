"""SQL files run as they are written, and a faulty one is named before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.errors import SqlpairError

NOTES = ["100%", "%s %(x)s", ":name ::jsonb $1 ?", "tab\there", '{"a":1}', "C:\\new"]
TABLE = "CREATE TABLE notes (id integer PRIMARY KEY, note text);\n"
ROWS = "".join(f"INSERT INTO notes VALUES ({n}, '{t}');\n" for n, t in enumerate(NOTES))
AT_HOME = {
    "postgres": "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '%;'; $$;\n"
    "UPDATE notes SET note = note || ('{\"k\":\"\"}'::jsonb ->> 'k');\n",
    "sqlite": "CREATE TRIGGER t AFTER DELETE ON notes BEGIN"
    " SELECT '%;'; SELECT 1; END;\n",
}


def stored(project: Project, database: str) -> list[str]:
    query = project.pg if database == "postgres" else project.lite
    return [note for (note,) in query("SELECT note FROM notes ORDER BY id")]


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_arrives_as_it_is_written(
    project: Project, database: str, ends: str, mark: str
) -> None:
    project.add(database, "001_notes", TABLE)
    text = mark + (TABLE + ROWS + AT_HOME[database]).replace("\n", ends)
    (project.root / "sql" / database / "001_notes.sql").write_bytes(text.encode())

    project.upgrade()

    assert stored(project, database) == NOTES


@pytest.mark.parametrize(
    "text", ["", "-- nothing\n", "/* nothing */", "\ufeff", " \n;;\n"]
)
def test_file_without_a_statement_is_a_step(project: Project, text: str) -> None:
    for database in ("postgres", "sqlite"):
        number = 1 if database == "postgres" else 2
        project.add(database, f"00{number}_empty", text, text)

    project.upgrade()
    assert project.heads("postgres") == ["postgres_001"]
    assert project.applied("sqlite") == ["002_empty"]
    project.downgrade("base")
    assert project.heads("sqlite") == []


def _late(project: Project, sql: Path, versions: Path) -> None:
    project.add("sqlite", "002_late", "SELECT 1;\n")


def _twice(project: Project, sql: Path, versions: Path) -> None:
    (sql / "0005_again.sql").write_text("SELECT 1;\n")


def _no_sql(project: Project, sql: Path, versions: Path) -> None:
    (sql / "005_new.sql").unlink()
    (sql / "005_new_rollback.sql").unlink()


def _no_module(project: Project, sql: Path, versions: Path) -> None:
    (versions / "005_new.py").unlink()


def _two_heads(project: Project, sql: Path, versions: Path) -> None:
    path = versions / "005_new.py"
    path.write_text(path.read_text().replace('"sqlite_003"', '"sqlite_001"'))


def _broken(project: Project, sql: Path, versions: Path) -> None:
    (sql / "005_new.sql").write_text("CREATE TABLE x (id);\nSELECT 'open;\n")


Break = Callable[[Project, Path, Path], None]


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (_late, "sqlite 002_late: numbered below what is applied already"),
        (_twice, "sqlite: two migrations have the number 5"),
        (_no_sql, "sqlite 005_new: the revision has no SQL file"),
        (_no_module, "sqlite 005_new: the SQL file has no revision module"),
        (_two_heads, "sqlite 005_new: the revision module does not fit its place"),
        (_broken, "sqlite 005_new.sql:2"),
    ],
)
def test_fault_is_named_before_anything_runs(
    project: Project, breaking: Break, message: str
) -> None:
    for stem in ("001_old", "003_old"):
        project.add("sqlite", stem, "SELECT 1;\n")
    project.upgrade()
    project.add("postgres", "004_first", "CREATE TABLE first ();\n")
    project.add("sqlite", "005_new", "SELECT 1;\n")
    breaking(
        project, project.root / "sql/sqlite", project.root / "alembic/versions/sqlite"
    )

    with pytest.raises(SqlpairError) as failure:
        project.upgrade()

    assert message in str(failure.value)
    assert project.tables("postgres") == set()
    assert project.applied("sqlite") == ["001_old", "003_old"]


def test_missing_rollback_is_named_before_anything_is_undone(project: Project) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n", "DROP TABLE t1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id);\n", "DROP TABLE t2;\n")
    project.upgrade()
    (project.root / "sql/postgres/001_t1_rollback.sql").unlink()

    failure = project.alembic("downgrade", "base", expect=1)

    assert "postgres 001_t1: the rollback file is gone" in failure.stderr
    assert project.tables("sqlite") == {"t2"}
