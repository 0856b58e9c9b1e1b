"""The real squawk, and what of it becomes a finding."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from sqlpair.errors import SettingsError

from .conftest import Linted

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, a text);\n"
INDEX = "CREATE INDEX i ON t (a);\n"


def test_its_findings_keep_their_names_and_lines(linted: Linted) -> None:
    found = linted(
        {
            "postgres/001_t.sql": TABLE,
            "postgres/002_i.sql": f"BEGIN;\n\n{INDEX}COMMIT;\n",
        }
    )

    assert [(f.rule, f.path, f.line) for f in found] == [
        ("require-concurrent-index-creation", "sql/postgres/002_i.sql", 3)
    ]
    assert "https://squawkhq.com/docs/" in found[0].instead


def test_a_file_runs_in_a_transaction_unless_it_says_not(linted: Linted) -> None:
    concurrent = INDEX.replace("INDEX", "INDEX CONCURRENTLY IF NOT EXISTS")

    found = linted(
        {
            "postgres/001_t.sql": TABLE,
            "postgres/002_i.sql": f"-- no-transaction\n{concurrent}",
        }
    )

    assert found == []


def test_a_rollback_may_drop_what_it_undoes(linted: Linted) -> None:
    files = {
        "postgres/001_t.sql": TABLE,
        "postgres/001_t_rollback.sql": "DROP TABLE t;",
    }

    assert linted(files) == []


def test_what_our_rule_says_is_not_said_twice(linted: Linted) -> None:
    rename = "ALTER TABLE t RENAME COLUMN a TO b;\n"

    found = linted({"postgres/001_t.sql": TABLE, "postgres/002_r.sql": rename})

    assert [f.rule for f in found] == ["rename"]


def test_a_rule_of_it_can_be_left_out(linted: Linted) -> None:
    files = {"postgres/001_t.sql": TABLE, "postgres/002_i.sql": INDEX}

    excluded = 'squawk-exclude = ["require-concurrent-index-creation"]'
    assert linted(files, excluded) == []


def test_what_it_cannot_parse_is_said(linted: Linted) -> None:
    sql = "SELECT 1 FROM;\nCREATE TABLE t (\n  a text DEFLT 'x',\n  b int\n);\n"

    found = linted({"postgres/001_t.sql": sql})

    assert {f.rule for f in found} == {"table-without-primary-key", "unparsed"}
    found = [item for item in found if item.rule == "unparsed"]
    assert [item.line for item in found] == [1, 3]
    assert found[0].message.endswith("it: expected from item, got SEMICOLON")
    assert "-- lint: allow unparsed:" in found[0].instead


def test_what_our_rule_cannot_read_is_said_once(linted: Linted) -> None:
    sql = "ALTER TABLE t\n  FROB a,\n  ADD c text;\nSELECT 1;\n"

    found = linted({"postgres/001_t.sql": TABLE, "postgres/002_x.sql": sql})

    assert [(f.rule, f.line) for f in found] == [("unparsed", 1)]


def test_its_absence_is_an_error_that_names_the_extra(
    linted: Linted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = shutil.which("git")
    assert git
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path / "bin"))

    with pytest.raises(SettingsError, match=r"pip install 'sqlpair\[lint\]'"):
        linted({"postgres/001_t.sql": TABLE})


def test_a_setting_it_does_not_know_is_an_error(linted: Linted) -> None:
    with pytest.raises(SettingsError, match="squawk failed"):
        linted({"postgres/001_t.sql": TABLE}, 'squawk-exclude = ["no-such-rule"]')


def test_sqlite_needs_no_squawk(
    linted: Linted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))

    assert linted({"sqlite/001_t.sql": TABLE.replace("bigint", "INTEGER")}) == []
