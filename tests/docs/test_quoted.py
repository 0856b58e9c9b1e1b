"""What a message, a help text, a docstring or a template quotes is there."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from alembic.config import CommandLine

from sqlpair import cli

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sqlpair"
# Before these words "sqlpair" is the subject of a sentence, or part of a name.
PROSE = {"does", "keeps", "makes", "pg_dump", "opens", "reads", "that"}
WORDS = re.compile(r"[^\s`'\"<]+(?=<)|[^\s`'\"]+")


@cache
def texts() -> tuple[tuple[Path, str], ...]:
    """Return every string of the code, and every other file that is shipped, whole."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[Path, str]]:
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix == ".py":
            whole = list(ast.walk(ast.parse(path.read_text())))
            joined = [n for n in whole if isinstance(n, ast.JoinedStr)]
            parts = {value for node in joined for value in node.values}
            for node in whole:
                if isinstance(node, ast.JoinedStr):
                    yield path, "".join(_said(value) for value in node.values)
                elif (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and node not in parts
                ):
                    yield path, node.value
        elif path.is_file() and path.suffix not in (".pyc", ".typed"):
            yield path, path.read_text()


def _said(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    return "VALUE"


def quoted(program: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield the words after each mention of ``program``, up to a punctuation mark."""
    for path, text in texts():
        for match in re.finditer(rf"(?<![\w./-]){program} (?=[a-z-])", text):
            words = []
            for word in WORDS.findall(" ".join(text[match.end() :].split())):
                words.append(word.rstrip(".,;:)"))
                if words[-1] != word:
                    break
            yield path, words


def options(words: list[str]) -> list[str]:
    """Return the options among the words that a command is followed by."""
    found = []
    for word in words:
        if re.match("--?[a-z]", word) and "VALUE" not in word:
            found.append(word.partition("=")[0])
        elif not re.fullmatch(r"[A-Z@<>_0-9a-z./…|-]+", word) or word == "or":
            break
    return found


def test_every_sqlpair_command_that_is_quoted_is_there() -> None:
    seen = set()
    for path, [name, *rest] in quoted("sqlpair"):
        if name in PROSE:
            continue
        assert name in cli.NAMES, f"{path}: sqlpair {name}"
        seen.add(name)
        known = {word for p in cli.command(name).params for word in p.opts}
        if name == "psql":  # which takes psql's
            continue
        for option in options(rest):
            assert option in known, f"{path}: sqlpair {name} {option}"
    assert {"migrate", "rollback", "repair", "adopt", "restore"} <= seen


def test_every_alembic_command_that_is_quoted_is_there() -> None:
    parser = CommandLine("alembic").parser
    (commands,) = (
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    seen = set()
    for path, words in quoted("alembic"):
        while words and words[0].startswith("-"):  # -x key=value
            words = words[2:]
        name, *rest = words
        assert name in commands, f"{path}: alembic {name}"
        seen.add(name)
        known = commands[name]._option_string_actions
        for option in options(rest):
            assert option in known, f"{path}: alembic {name} {option}"
    assert {"upgrade", "downgrade", "revision", "stamp"} <= seen


def test_no_message_names_a_make_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)
    advised = re.compile(rf"\bmake ({'|'.join(targets)})\b(?! (of|for)\b)")

    for path, text in texts():
        assert not advised.search(" ".join(text.split())), f"{path}: {text}"
    assert len(targets) > 20


def test_every_import_that_is_quoted_works() -> None:
    seen = 0
    for path, text in texts():
        for module, name in re.findall(r"from (sqlpair[\w.]*) import (\w+)", text):
            assert hasattr(importlib.import_module(module), name), f"{path}: {module}"
            seen += 1
    assert seen


def test_every_module_that_is_quoted_is_there() -> None:
    seen = 0
    for path, text in texts():
        for name in re.findall(r"(?<![\w./\[])sqlpair(?:\.[a-zA-Z]\w*)+", text):
            name = name.partition(".VALUE")[0]
            assert _resolves(name), f"{path}: {name}"
            seen += 1
    assert seen


def _resolves(name: str) -> bool:
    first, *rest = name.split(".")
    found = importlib.import_module(first)
    for index, part in enumerate(rest):
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join([first, *rest[: index + 1]]))
            except ImportError:
                return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("mark", ["``", "`"])
def test_every_path_that_is_quoted_is_there(mark: str) -> None:
    pattern = re.compile(rf"(?<!`){mark}([\w./-]+(?:\.py|/))`")
    for path, text in texts():
        for name in pattern.findall(text):
            there = [*SOURCE.rglob(name), *ROOT.glob(name)]
            assert there, f"{path}: {name}"


def test_every_page_of_the_docs_that_is_quoted_is_there() -> None:
    for path, text in texts():
        for name in re.findall(r"(?<!/)\bdocs/[\w/.-]*\w", text):
            assert (ROOT / name).exists(), f"{path}: {name}"


# Of the first word of a quoted name with a dot, those that are no module of sqlpair.
ELSEWHERE = {"alembic", "context", "op", "sqlite3", "sqlpair", "table"}
ENDINGS = ("ini", "json", "pid", "plan", "py", "sql", "toml")


def test_every_function_that_is_quoted_with_its_module_is_there() -> None:
    seen = 0
    for path, text in texts():
        for module, name in re.findall(r"(?<!`)``([a-z]\w*)\.([a-z]\w*)``", text):
            if module in ELSEWHERE or name in ENDINGS:
                continue
            found = [
                *SOURCE.rglob(f"{module}.py"),
                *SOURCE.rglob(f"{module}/{name}.py"),
            ]
            assert any(
                file.stem == name or re.search(rf"\b{name}\b", file.read_text())
                for file in found
            ), f"{path}: {module}.{name}"
            seen += 1
    assert seen
