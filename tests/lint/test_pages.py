"""Every rule has its page, and every example on a page does what it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from sqlpair.authoring import scaffold
from sqlpair.lint import lint
from sqlpair.lint.rules import all_rules
from sqlpair.project.settings import load

PAGES = Path(__file__).parents[2] / "docs" / "lint"
# An example on another page need not be a whole pair.
OF_PAIRS = {"rollback-missing", "rollback-incomplete", "header-line-missing"}
PROJECT = """\
[tool.sqlpair.lint]
enumerated = ["side"]
filtered = ["created_at"]
main-branch = "main"

[tool.sqlpair.lint.forbidden-names]
razor = "a strategy: store its name in strategy_name, its settings in config"
deribit = "a broker: store its name in a broker column"
testnet = "an environment: store its name in an environment column"

[tool.sqlpair.references]
"sqlite.trades.user_id" = "postgres.users.id"
"""
_SECTION = re.compile(r"^## (Bad|Good)([^\n]*)\n(.*?)(?=^## |\Z)", re.DOTALL | re.M)
_BLOCK = re.compile(r"^```sql\n-- (\S+\.sql)(, released)?\n(.*?)^```", re.DOTALL | re.M)


class Example(NamedTuple):
    """A section of a page: the files in it, and whether the rule finds something."""

    rule: str
    title: str
    files: list[tuple[str, bool, str]]
    is_bad: bool


def examples() -> list[Example]:
    return [
        Example(page.stem, kind + more, _files(body), kind == "Bad")
        for page in sorted(PAGES.glob("*.md"))
        for kind, more, body in _SECTION.findall(page.read_text())
    ]


def _files(section: str) -> list[tuple[str, bool, str]]:
    return [(path, bool(mark), sql) for path, mark, sql in _BLOCK.findall(section)]


@pytest.mark.parametrize("example", examples(), ids=lambda e: f"{e.rule} {e.title}")
def test_an_example_has_its_finding_and_no_other(
    example: Example, tmp_path: Path
) -> None:
    scaffold.init(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    _write(tmp_path, [file for file in example.files if file[1]])
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-qm", "Release")
    _git(tmp_path, "switch", "-qc", "work")
    _write(tmp_path, [file for file in example.files if not file[1]])
    _git(tmp_path, "add", "-A")

    findings = lint(load(tmp_path / "alembic.ini", {}))

    aside = OF_PAIRS - {example.rule}
    found = [item for item in findings if item.rule not in aside]
    assert [item.rule for item in found] == [example.rule] * example.is_bad, found
    assert all(item.message and item.instead for item in found)


def test_every_rule_has_a_page_with_both_examples() -> None:
    of_silences = {"silence-without-reason", "silence-unused"}
    kinds = {(e.rule, e.is_bad) for e in examples()}

    assert {rule for rule, bad in kinds if bad} == all_rules().keys() | of_silences
    assert {rule for rule, bad in kinds if not bad} == {rule for rule, _ in kinds}
    for page in PAGES.glob("*.md"):
        assert page.read_text().startswith(f"# {page.stem}\n")


def _write(root: Path, files: list[tuple[str, bool, str]]) -> None:
    for path, _, sql in files:
        (root / path).write_text(sql)


def _git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True)
