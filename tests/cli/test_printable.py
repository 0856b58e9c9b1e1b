"""What steers a terminal, or forges a line, reaches neither it nor a report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import SqlpairError, printable
from test_cli_terminal import Terminal

# ESC and the C1 CSI, a bell, overrides of the direction, every kind of new line.
HOSTILE = "\x1b[2J\x9b31m\x07\u202e\u2066\x7f\r\x0b\x0c\x1c\x85\u2028\u2029"
FORGED = "x\n  009_forged  2026-01-01 00:00:00  upgrade  nobody"


def clean(*texts: str) -> None:
    """Assert that no letter of the texts steers anything, and no line is forged."""
    for text in texts:
        lines = text.split("\n")
        assert [line for line in lines if not line.isprintable()] == []
        assert [line for line in lines if line.lstrip().startswith("009_forged")] == []


def test_text_is_printable_on_one_line_and_stays_where_it_was() -> None:
    assert printable("naïve ☃ 日本 'quoted' \\") == "naïve ☃ 日本 'quoted' \\"
    assert printable(HOSTILE).isprintable()
    assert printable("a\n\x1b\udcff\u202e") == r"a\n\x1b\udcff\u202e"
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    error = SqlpairError(f"a{FORGED}", [HOSTILE, FORGED], f"do\nthis{HOSTILE}")
    clean(str(error))
    assert len(str(error).split("\n")) == 5


@pytest.fixture
def hostile(project: Project) -> Project:
    """Objects, comments, values and messages of servers that are hostile."""
    name = f"{HOSTILE}{FORGED}"[:40]
    project.add(
        "postgres",
        "001_p",
        f"-- {HOSTILE.replace(chr(13), '')}\n"
        "CREATE TABLE p (id integer PRIMARY KEY, a text);\n"
        f"INSERT INTO p VALUES (1, {quote(name)});\n"
        f"DO $$ BEGIN RAISE NOTICE E{quote(name)}; END $$;\n",
        "DROP TABLE p;\n",
    )
    project.add("sqlite", "002_s", "CREATE TABLE s (id);\n", "DROP TABLE s;\n")
    (project.root / "sql/postgres/001_p_verify.sql").write_text("SELECT * FROM p;\n")
    return project


def drift(project: Project) -> None:
    name = f"{HOSTILE}{FORGED}"
    project.pg(f"CREATE TABLE {identifier(name[:20])} (id int)")
    project.pg(f"COMMENT ON TABLE p IS {quote(name)}")
    project.lite(f"CREATE TABLE {identifier(name)} (id)")


def test_reports_are_clean_whatever_ledger_and_names_hold(hostile: Project) -> None:
    done = hostile.raw("sqlpair", "migrate", LOGNAME=f"me{FORGED}")
    assert done.returncode == 0
    clean(done.stdout, done.stderr, hostile.log)
    drift(hostile)
    name = quote(f"{HOSTILE}{FORGED}")
    for query in (hostile.pg, hostile.lite):
        query(f"UPDATE schema_version SET applied_by = {name}, checksum = '\x1b\n'")
        query(f"UPDATE schema_history SET applied_by = {name}, action = 'up\x1b[2J'")

    for command in ("status", "history", "verify", "version", "plan"):
        done = hostile.raw("sqlpair", command)
        clean(done.stdout, done.stderr)
        assert done.stdout
    clean(hostile.alembic("current").stdout)


def test_json_holds_what_is_there(hostile: Project) -> None:
    hostile.sqlpair("migrate")
    name = f"{HOSTILE}{FORGED}é☃"
    hostile.lite(f"UPDATE schema_version SET applied_by = {quote(name)}")

    text = hostile.raw("sqlpair", "status", "--json").stdout

    clean(text)
    (row,) = json.loads(text)["databases"]["sqlite"]["applied"]
    assert row["applied_by"] == name
    assert "é☃" in text


@pytest.mark.parametrize(
    ("database", "sql"),
    [
        ("postgres", "SELECT '{}' FROM nowhere;\n"),
        ("postgres", 'SELECT "{}" FROM p;\n'),
        ("postgres", "DO $$ BEGIN RAISE EXCEPTION '{}' USING HINT = '{}'; END $$;\n"),
        ("sqlite", 'SELECT [{}] FROM s;\nSELECT "\n'),
        ("sqlite", "INSERT INTO [{}] VALUES (1);\n"),
    ],
)
@pytest.mark.parametrize("program", [("sqlpair", "migrate"), ("alembic", "upgrade")])
def test_failures_are_clean_whatever_statements_and_servers_say(
    hostile: Project, program: tuple[str, ...], database: str, sql: str
) -> None:
    hostile.sqlpair("migrate")
    hostile.add(database, "003_bad", sql.replace("{}", f"{HOSTILE}{FORGED}"))
    if program[0] == "alembic":
        program = (*program, "heads")

    done = hostile.raw(*program)
    debugged = hostile.raw(*program, SQLPAIR_DEBUG="1")

    assert done.returncode == debugged.returncode == 1
    clean(done.stdout, done.stderr, hostile.log)
    assert all(line.isprintable() for line in debugged.stderr.split("\n"))


def test_user_of_any_bytes_is_recorded(hostile: Project) -> None:
    environ = {key.encode(): value.encode() for key, value in hostile.environ.items()}
    environ[b"LOGNAME"] = b"m\xff\x1b\n"
    for command in ("migrate", "status", "history"):
        done = subprocess.run(
            [sys.executable, "-m", "sqlpair", command],
            cwd=hostile.root,
            env=environ,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert rb"m\udcff\x1b\n@" in done.stdout


def test_names_of_files_are_shown_as_they_are_written(hostile: Project) -> None:
    folder = hostile.root / "sql/postgres"
    Path(folder, f"003_{FORGED}.sql".replace("/", "")).write_text("SELECT 1;\n")
    Path(folder, "004_\x1b[2J.sql").write_text("SELECT 1;\n")

    done = hostile.raw("sqlpair", "migrate")

    assert done.returncode == 1
    clean(done.stdout, done.stderr, hostile.log)


def test_a_terminal_is_sent_no_other_sequences_than_ours(hostile: Project) -> None:
    hostile.sqlpair("migrate")
    name = quote(f"{HOSTILE}{FORGED}")
    hostile.lite(f"UPDATE schema_version SET applied_by = {name}")

    screen = Terminal(hostile, "status", columns=500)
    screen.end()
    screen.close()

    assert "\x1b[2J" not in screen.drawn
    assert r"\x1b[2J\x9b31m" in screen.shown.replace("\n", "").replace("\r", "")
