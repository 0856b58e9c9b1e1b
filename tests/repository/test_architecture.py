"""The rooms of the engine: what a reader of src/sqlpair can rely on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from sqlpair.databases.interface import Session

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "src" / "sqlpair"
MODULES = sorted(ENGINE.rglob("*.py"))
# Of a driver's own parts each engine has one, by the same name.
SHARED = {"KeptRows", "DeploymentLock", "Parameters"}
# Words that a reader would have to guess, each with the field's word for it.
BANNED = {
    r"rehears\w*": "dry run",
    r"promise[sd]?": "prepare, prepared transaction",
    r"settl(e|es|ing)\b": "recover, resolve",
    r"whoever": "anyone",
    r"anew": "again",
    r"aloud": "by name",
    r"nothing is off": "no problems found",
    r"(?<!there )is no (name|way|version|number)\b": "is not a valid ...",
    r"data may go": "allow data loss",
}


# A key of plan --json, which programs read.
KEPT = "rehearsed"


def texts(path: Path) -> Iterator[str]:
    """What a module says to a reader: every string, docstrings among them."""
    for node in ast.walk(ast.parse(path.read_text())):
        said = node.value if isinstance(node, ast.Constant) else None
        if isinstance(said, str) and said != KEPT:
            yield said


IMPORTING = """
import os, pkgutil, signal, importlib, sqlpair
def state():
    return [*map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))], dict(os.environ)
before = state()
for _, name, _ in pkgutil.walk_packages(sqlpair.__path__, "sqlpair."):
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert state() == before, (before, state())
"""


def test_to_import_a_module_leaves_signals_and_environment_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTING], stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()


def test_no_module_is_longer_than_350_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert {str(path): n for path, n in lines.items() if n > 350} == {}


def test_each_room_has_its_folder_of_tests() -> None:
    rooms = {path.parent.name for path in ENGINE.glob("*/__init__.py")}
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert tested - rooms == {"docs", "faults", "repository", "tradebaas"}
    assert rooms - tested == set()


def test_a_class_name_means_one_thing() -> None:
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ENGINE)))
    assert {
        name: paths
        for name, paths in found.items()
        if len(paths) > 1 and name not in SHARED
    } == {}


def test_what_is_there_is_asked_in_one_place() -> None:
    """``Path.exists`` and its like say no of what they may not look at."""
    asking = {"exists", "is_file", "is_dir", "isfile", "isdir"}
    asked = [
        f"{path.relative_to(ENGINE)}: {ast.unparse(node)}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in asking
    ]
    # An entry of os.scandir, which is there.
    assert asked == ["project/migrations.py: entry.is_file(follow_symlinks=False)"]


def test_a_session_is_a_connection_with_a_transaction_and_no_more() -> None:
    methods = [name for name, value in vars(Session).items() if callable(value)]
    assert len([name for name in methods if name[0] != "_"]) <= 18


def test_the_engine_knows_no_project() -> None:
    words = re.compile(r"tradebaas|user_strateg|\btrades\b|\bbroker|testnet", re.I)
    assert [str(path) for path in MODULES if words.search(path.read_text())] == []


def test_messages_and_pages_use_the_fields_words() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    said = [(str(p), p.read_text()) for p in pages]
    said += [(str(p), text) for p in MODULES for text in texts(p)]
    for name, text in said:
        # Names of tests and of files may be older than the words.
        plain = re.sub(r"`[^`]*`|\w*_\w*", "", text)
        for word, instead in BANNED.items():
            assert not re.search(rf"\b{word}", plain, re.I), (name, word, instead, text)
