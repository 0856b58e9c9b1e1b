"""Files that cannot run as they are: all told at once, and given their header lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Project

INDEX = "CREATE INDEX CONCURRENTLY i{0} ON t (id);\n"


def sql(project: Project, database: str) -> Path:
    return project.root / "sql" / database


@pytest.fixture
def foreign(project: Project) -> Project:
    """A history of which no file but the first runs in a transaction."""
    project.add("postgres", "001_t", "CREATE TABLE t (id int);", "DROP TABLE t;")
    for number in (2, 3):
        project.add(
            "postgres",
            f"{number:03}_index",
            f"-- Index {number}.\n" + INDEX.format(number),
            f"DROP INDEX CONCURRENTLY i{number};\n",
        )
    project.add("sqlite", "004_u", "CREATE TABLE u (id);\nVACUUM;\n", "DROP TABLE u;")
    (sql(project, "sqlite") / "004_u.sql").write_bytes(
        b"\xef\xbb\xbfCREATE TABLE u (id);\r\nVACUUM;\r\n"
    )
    return project


def test_every_file_that_cannot_run_is_told_at_once(foreign: Project) -> None:
    told = foreign.sqlpair("migrate", expect=1).stderr

    assert told.startswith("3 files cannot run as they are\n")
    for line in (
        "postgres 002_index.sql:2: CREATE INDEX CONCURRENTLY cannot run inside a",
        "postgres 003_index.sql:2: CREATE INDEX CONCURRENTLY cannot run inside a",
        "sqlite 004_u.sql:2: VACUUM cannot run inside a",
        "sqlpair revisions --adapt puts that line where it is needed.",
    ):
        assert told.count(line) == 1
    assert foreign.tables("postgres") == set()


def test_adapt_writes_the_header_lines_and_touches_no_statement(
    foreign: Project,
) -> None:
    before = {path: path.read_bytes() for path in foreign.root.glob("sql/*/*.sql")}

    shown = foreign.sqlpair("revisions", "--adapt").stdout

    headers = {path: path.read_bytes() for path in before}
    changed = {path.name for path in before if headers[path] != before[path]}
    assert changed == {
        *("002_index.sql", "002_index_rollback.sql", "004_u.sql"),
        *("003_index.sql", "003_index_rollback.sql"),
    }
    for path, text in headers.items():
        assert (
            text.replace(b"-- no-transaction\r\n", b"").replace(
                b"-- no-transaction\n", b""
            )
            == before[path]
        )
    assert headers[sql(foreign, "sqlite") / "004_u.sql"] == (
        b"\xef\xbb\xbf-- no-transaction\r\nCREATE TABLE u (id);\r\nVACUUM;\r\n"
    )
    assert shown.count("-- no-transaction\n") == len(changed)
    assert "sql/sqlite/004_u.sql: -- no-transaction\n  sqlite 004_u.sql:2: VACUUM" in (
        shown
    )

    foreign.sqlpair("migrate")
    assert "Nothing to do" in foreign.sqlpair("revisions", "--adapt").stdout


def test_a_file_that_needs_two_headers_gets_both(project: Project) -> None:
    path = sql(project, "postgres") / "001_t.sql"
    text = "CREATE TABLE t (a text DEFAULT :'A', b text DEFAULT :'B');\nVACUUM t;\n"
    path.write_text(text)

    shown = project.sqlpair("revisions", "--adapt").stdout

    assert "sql/postgres/001_t.sql: -- no-transaction\n" in shown
    assert "sql/postgres/001_t.sql: -- variables: A" in shown
    assert path.read_text().endswith(text)
    project.sqlpair("migrate", A="it's", B="x")
    assert "Nothing to do" in project.sqlpair("revisions", "--adapt").stdout


def test_what_no_header_helps_keeps_its_bytes_and_is_told(foreign: Project) -> None:
    path = sql(foreign, "postgres") / "003_index.sql"
    path.write_text("VACUUM;\nSELECT 'never ends;\n")

    told = foreign.sqlpair("revisions", "--adapt", expect=1).stderr

    assert told.startswith("postgres 003_index.sql:2: a string that never ends\n")
    assert path.read_text() == "VACUUM;\nSELECT 'never ends;\n"
