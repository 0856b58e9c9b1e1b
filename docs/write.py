"""Write what of the documents is generated: docs/commands.md, and the others' output.

What stands between ``<!-- $ command -->`` and ``<!-- end -->`` is what the command
prints, run in a fresh copy of this project for each document, one after the other;
with ``!`` for ``$`` it ends with exit code 1. What stands between ``<!-- > path -->``
and ``<!-- end -->`` is written to that file of the copy. A test compares all with what
is there, times and ids aside. Run: make docs
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import click

from sqlpair import cli

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DOCUMENTS = (README, *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"(<!-- (?P<mark>[$!>]) (?P<command>[^\n]+?) -->\n)(?P<text>.*?)(<!-- end -->)",
    re.DOTALL,
)


def main() -> None:
    """Write all files."""
    COMMANDS.write_text(commands())
    ARCHITECTURE.write_text(with_way(with_rooms(ARCHITECTURE.read_text())))
    for document in DOCUMENTS:
        if not BLOCK.search(document.read_text()):
            continue
        with tempfile.TemporaryDirectory() as folder:
            project = fresh_copy(Path(folder) / "project")
            document.write_text(filled(document.read_text(), project, os.environ))


def with_rooms(text: str) -> str:
    """Return the architecture page with the rooms of the import contract drawn."""
    return _put(text, "rooms", rooms())


def with_way(text: str) -> str:
    """Return the architecture page with the modules that one migration enters."""
    return _put(text, "way", way())


def _put(text: str, name: str, block: str) -> str:
    before, mark, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end {name} -->")
    return f"{before}{mark}{block}{end}{after}"


def rooms() -> str:
    """Draw the floors of the import contract in pyproject.toml, as Mermaid."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (layers,) = (
        contract["layers"]
        for contract in settings["importlinter"]["contracts"]
        if contract["id"] == "rooms"
    )
    floors = [" & ".join(floor.split(" | ")) for floor in layers]
    arrows = [f"  {upper} --> {lower}" for upper, lower in pairwise(floors)]
    return "\n".join(["```mermaid", "flowchart TD", *arrows, "```", ""])


def way() -> str:
    """Return the modules that one migration enters, in order, each with its docstring.

    From a process of its own: what this one has imported and remembers changes nothing.
    """
    walk = [sys.executable, str(ROOT / "docs" / "walk.py")]
    walked = subprocess.run(walk, stdout=subprocess.PIPE, text=True, check=True)
    modules = [line for line in walked.stdout.splitlines() if line[0] != " "]
    return "".join(f"- `{module}`: {_first_line(module)}\n" for module in modules)


def _first_line(module: str) -> str:
    text = (ROOT / "src" / "sqlpair" / module).read_text()
    said = ast.get_docstring(ast.parse(text)) or ""
    return said.partition("\n\n")[0].replace("\n", " ").rstrip(".")


def fresh_copy(root: Path) -> Path:
    """Copy the project to ``root``, with the programs of this Python as its .venv."""
    root.mkdir()
    for name in ("Makefile", "alembic.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in ("alembic", "scripts", "sql"):
        shutil.copytree(ROOT / name, root / name)
    (root / ".venv").mkdir()
    (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (root / ".venv" / ".installed").touch()
    return root


def filled(text: str, project: Path, environ: Mapping[str, str]) -> str:
    """Return ``text`` with what its commands print, run in ``project``.

    Files that it holds are written there.
    """

    def block(match: re.Match[str]) -> str:
        command = match["command"]
        if match["mark"] == ">":
            _, *lines, _ = match["text"].splitlines(keepends=True)
            (project / command).write_text("".join(lines))
            return match[0]
        code = "$!".index(match["mark"])
        printed = run(command, project, environ, code)
        return f"{match[1]}```text\n$ {command}\n{printed}```\n<!-- end -->"

    return BLOCK.sub(block, text)


def run(command: str, project: Path, environ: Mapping[str, str], code: int) -> str:
    """Return what ``command`` prints to stdout; it is to exit with ``code``."""
    programs = f"{project / '.venv' / 'bin'}:{environ['PATH']}"
    done = subprocess.run(  # noqa: S602 - the commands are the README's own
        command,
        shell=True,
        cwd=project,
        env={**environ, "PATH": programs, "LOGNAME": "you"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == code, command
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def commands() -> str:
    """Return docs/commands.md: each command's own help."""
    return "\n".join(
        [
            "# Commands",
            "",
            "Written by `make docs` from what `sqlpair COMMAND --help` says.",
            "",
            "Results go to stdout; progress and failures to stderr. Exit codes:",
            "0 clean, 1 failed or problems found, 2 misuse, 130 interrupted,",
            "143 terminated, 129 the terminal was closed.",
            "With `SQLPAIR_DEBUG=1` a failure also shows its traceback.",
            *_sections(),
            "",
        ]
    )


def _sections() -> Iterator[str]:
    for name in cli.NAMES:
        command = cli.command(name)
        context = click.Context(command)
        usage, told = [name], []
        for parameter in command.params:
            words, said = parameter.get_help_record(context) or ("", "")
            told.append(f"- `{words}`: {' '.join(said.split())}")
            usage += parameter.get_usage_pieces(context)
        if any(line.startswith("- `-") for line in told):
            usage.insert(1, "[OPTIONS]")
        yield f"\n## sqlpair {' '.join(usage)}\n"
        yield inspect.cleandoc(str(command.help))
        if told:
            yield ""
            yield from told


if __name__ == "__main__":
    main()
