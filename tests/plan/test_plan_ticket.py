"""sqlpair plan as a change ticket: Markdown, one HTML file, JSON."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from typing import Any
from unittest import mock

import pytest
from markdown_it import MarkdownIt

from conftest import Project
from dry_runs import prepared

BAD = "<script>alert(1)</script> | ``` [x](javascript:alert(2)) &lt; {{7*7}}"


@pytest.fixture
def pending(project: Project) -> Project:
    """Two migrations: one deletes and does not lead back, one cannot be run."""
    applied = prepared(project)
    applied.add(
        "postgres",
        "003_narrow",
        "-- Drop what nobody reads.\n-- Why: room.\n"
        "ALTER TABLE t DROP COLUMN b;\nCREATE INDEX t_a ON t (a);\n",
        "DROP INDEX t_a;\n",
    )
    applied.add("sqlite", "004_fill", "UPDATE s SET a = 'x';\n", "DELETE FROM s;\n")
    applied.add("postgres", "005_alone", "-- no-transaction\nVACUUM t;\n")
    return applied


def test_a_ticket_says_what_where_how_long_which_locks_and_what_is_lost(
    pending: Project,
) -> None:
    told = pending.sqlpair("plan", "--format", "markdown").stdout

    lines = told.splitlines()
    assert lines[0] == "### Change ticket: 3 migrations in 2 databases"
    assert lines[2].startswith("2 of 3 ran, and were rolled back.")
    assert "Environment: `development`." in lines[2]
    first, second, third = (
        line for line in lines if re.match(r"\| [123] \| [ps]", line)
    )
    assert "Drop what nobody reads." in first
    assert "t (ACCESS EXCLUSIVE)" in first
    assert "column t.b with 50 values" in first
    assert "2 values of s.a" in second
    assert "2 rows of s" in second
    assert "**not run**" in third
    assert "- rollback leaves: column t.b was dropped" in lines
    assert "| backed up | **NO** | there is no backup yet |" in lines
    assert re.search(r"\| postgres \| `t` \| ACCESS EXCLUSIVE \| .* \| \d+ ms \|", told)
    html = MarkdownIt("gfm-like", {"linkify": False}).render(told)
    assert html.count("<table>") == 5


def test_a_ticket_of_nothing_answers_the_checklist(project: Project) -> None:
    told = prepared(project).sqlpair("plan", "--format", "markdown").stdout

    assert told.startswith("### Change ticket: nothing is pending\n")
    assert "| rollback | yes | nothing is pending |" in told


def test_a_ticket_of_what_would_fail_says_why_and_exits_with_1(
    project: Project,
) -> None:
    applied = prepared(project)
    applied.add("postgres", "003_bad", "SELECT 1;\nSELECT nope;\n")

    for form in ("markdown", "html"):
        told = applied.sqlpair("plan", "--format", form, expect=1).stdout
        assert "Something would fail." in told
        assert "003_bad.sql:2" in told


def test_json_is_the_same_by_either_option(pending: Project) -> None:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: keys(one) for key, one in value.items()}
        return [keys(one) for one in value] if isinstance(value, list) else None

    old, new = (
        keys(json.loads(pending.sqlpair("plan", *options).stdout))
        for options in (("--json",), ("--format", "json"))
    )

    assert old == new


class Acting(HTMLParser):
    """What of a page acts, or asks for something."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("script", "img", "iframe", "object"):
            self.found.append(tag)
        self.found += [name for name in told if name.startswith("on")]
        target = told.get("href") or "#"
        if not target.startswith(("#", "data:,")):
            self.found.append(target)


def test_nothing_in_a_ticket_acts(project: Project) -> None:
    applied = prepared(project)
    applied.add(
        "postgres",
        "003_bad",
        f"-- {BAD}\n-- Why: {BAD}\n"
        f'CREATE TABLE "{BAD[:50]}" ("{BAD[:50]}" text DEFAULT \'{BAD}\');\n'
        f"CREATE VIEW v AS SELECT '{BAD}' AS a;\n"
        f'ALTER TABLE t ADD "{BAD[:50]}" int;\n',
        f'DROP VIEW v; DROP TABLE "{BAD[:50]}";\n',
    )

    page = applied.sqlpair("plan", "--format", "html").stdout
    told = applied.sqlpair("plan", "--format", "markdown").stdout

    assert Acting(page).found == []
    assert Acting(MarkdownIt("gfm-like", {"linkify": False}).render(told)).found == []
    assert "&lt;script&gt;" in page


def test_html_without_its_packages_names_the_extra(pending: Project) -> None:
    with mock.patch.dict(sys.modules, {"sqlpair.document.html": None}):
        for command in (("plan",), ("document",)):
            failure = pending.sqlpair(*command, "--format", "html", expect=1)
            assert "pip install 'sqlpair[document]'" in failure.stderr
            assert failure.stdout == ""
