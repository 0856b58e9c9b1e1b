"""sqlpair lint, as a person and as a workflow runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sqlpair.lint import Finding
from sqlpair.lint.report import as_github

from .conftest import HEADER

SQL = HEADER + "CREATE TABLE orders (\n  id INTEGER PRIMARY KEY,\n  side TEXT\n);\n"


def run(root: Path, *arguments: str, expect: int = 1) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sqlpair", "lint", *arguments],
        cwd=root,
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def faulty(root: Path) -> Path:
    """A project with one finding."""
    folder = root / "sql" / "sqlite"
    (folder / "001_create_orders.sql").write_text(SQL)
    (folder / "001_create_orders_rollback.sql").write_text("DROP TABLE orders;\n")
    return root


def test_text_says_where_what_and_what_instead(faulty: Path) -> None:
    assert run(faulty) == (
        "sql/sqlite/001_create_orders.sql:7: enumeration-without-check\n"
        "  orders.side accepts any text: a misspelt value is stored, and no query finds"
        " it\n"
        "  instead: side TEXT CHECK (side IN ('…', '…'))\n"
        "\n"
        "1 finding in 1 file.\n"
    )


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_what_was_imported_is_read_and_checked_only_where_it_is_named(
    root: Path, tmp_path: Path, database: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "1_a.up.sql").write_text("CREATE TABLE o (id int NOT NULL);\n")
    (theirs / "2_b.up.sql").write_text("DROP INDEX x; SELECT 'never ends;\n")
    sqlpair = [sys.executable, "-m", "sqlpair"]
    subprocess.run([*sqlpair, "import", str(theirs), database], cwd=root, check=False)
    folder = root / "sql" / database

    said = run(root)
    assert "sql/" + database in said
    assert {
        line.partition(": ")[2] for line in said.splitlines() if ".sql:" in line
    } == {"unusable-file"}
    assert "2 imported migrations read, and not checked: sqlpair lint FILE" in said
    assert "table-without-primary-key" in run(root, str(folder / "001_a.sql"))

    (folder / "002_b.sql").write_text("SELECT 1;\n")
    (folder / "003_c.sql").write_text(HEADER + "ALTER TABLE o DROP COLUMN id;\n")
    assert "003_c.sql:5: drop" in run(root)


def test_json_has_every_field(faulty: Path) -> None:
    (finding,) = json.loads(run(faulty, "--format", "json"))

    assert finding.keys() == set(Finding._fields)
    assert finding["line"] == 7


def test_github_gets_an_annotation_on_the_line(faulty: Path) -> None:
    line = run(faulty, "--format", "github")

    assert line.startswith(
        "::error file=sql/sqlite/001_create_orders.sql,line=7,"
        "title=enumeration-without-check::orders.side accepts any text"
    )
    assert "%0AWrite instead:%0Aside TEXT" in line
    assert line.count("\n") == 1


def test_github_wants_paths_from_the_repositorys_folder(tmp_path: Path) -> None:
    finding = Finding("drop", "sqlite", "sql/a,b.sql", 3, "100 %: gone", "x")

    (line,) = as_github(
        [finding], tmp_path / "app", {"GITHUB_WORKSPACE": str(tmp_path)}
    )

    assert line.startswith("::error file=app/sql/a%2Cb.sql,line=3,title=drop::100 %25:")


def test_no_findings_is_exit_code_0(faulty: Path) -> None:
    path = faulty / "sql" / "sqlite" / "001_create_orders.sql"
    path.write_text(SQL.replace("side TEXT", "side TEXT CHECK (side IN ('buy'))"))

    assert run(faulty, expect=0) == "No findings.\n"
    assert run(faulty, "--format", "json", expect=0) == "[]\n"


def test_a_file_of_no_migration_is_exit_code_2(faulty: Path) -> None:
    assert "belongs to no migration" in run(faulty, "nope.sql", expect=2)


def test_other_commands_do_not_load_the_rules(faulty: Path) -> None:
    program = (
        "import sys; from sqlpair import cli\n"
        "for name in cli.NAMES: cli.command(name)\n"
        "print('sqlpair.lint.run' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


def test_the_page_of_rules_names_every_rule() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "lint.md").read_text()

    missing = [p.stem for p in docs.glob("lint/*.md") if f"(lint/{p.name})" not in page]
    assert missing == []


def test_the_hook_asks_for_what_the_extra_asks() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["lint"]
    hook = (root / ".pre-commit-hooks.yaml").read_text()

    assert json.dumps(extra) in hook
