"""Follow a page of the documents step by step, as a reader would in a new folder.

What stands in the page is marked by the first line of its fence, and is done in its
order: ``python path`` (or any other language and a path) is a file to write,
``ini path`` has keys to set there, ``console`` has commands to type, each after ``$``.
What follows a command is in its output, line by line and in that order. A command that
is to fail is followed by a line ``(exit 1)``.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\(exit (\d+)\)")


def follow(page: Path, folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Do what a page says in ``folder``; return the commands that ran."""
    ran: list[str] = []
    for language, path, text in FENCE.findall(page.read_text()):
        if language == "console":
            for block in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *said = _lines(block)
                _run(command, said, folder, environ)
                ran.append(command)
        elif path.endswith(".ini"):
            _set(folder / path, text)
        elif path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    return ran


def _lines(block: str) -> list[str]:
    """Join what a backslash parts, and leave out what is left out."""
    lines = block.replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip() not in ("", "…")]


def _run(
    command: str, said: list[str], folder: Path, environ: Mapping[str, str]
) -> None:
    expected = 0
    if said and (match := EXIT.fullmatch(said[-1])):
        expected = int(match[1])
        said = said[:-1]
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    told = done.stdout + done.stderr
    assert done.returncode == expected, f"{command}\n{told}"
    assert "Traceback" not in told, f"{command}\n{told}"
    rest = iter(told.splitlines())
    for line in said:
        parts = [re.escape(part) for part in line.strip().split("…")]
        pattern = re.compile(".*".join(parts))
        assert any(pattern.search(one) for one in rest), f"{command}\n{line}\n{told}"


def _set(path: Path, text: str) -> None:
    ini, given = ConfigParser(interpolation=None), ConfigParser(interpolation=None)
    ini.read(path)
    given.read_string(text)
    for section in given.sections():
        if section not in ini:
            ini[section] = {}
        ini[section].update(given[section])
    with path.open("w") as file:
        ini.write(file)
