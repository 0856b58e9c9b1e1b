"""``sqlpair migrate`` where nothing is to do: the answer without the command line.

A service asks at every start, and nearly always this is the answer. Whatever else it
may be is left for ``cli`` to find again and to say: this module decides nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sqlpair.settings import Settings

NOTHING_TO_DO = "Nothing to do: every migration is applied."


def answered(arguments: list[str]) -> bool:
    """Print the answer and return True where ``arguments`` ask for it and it holds."""
    if arguments != ["migrate"] or sys.stdout.isatty():  # a terminal gets colours
        return False
    from sqlpair import memo, settings
    from sqlpair.errors import SqlpairError

    said: list[str] = []
    try:
        project = settings.load(Path("alembic.ini"))
        answer = memo.recall(project, said.append)
        where = answer.where if answer else _worked_out(project, said)
    except SqlpairError:
        return False
    if where is None:
        return False
    for line in said:
        write(sys.stderr, f"{line}\n")
    write(sys.stdout, "\n".join([NOTHING_TO_DO, *where, ""]))
    return True


def write(stream: TextIO, text: str) -> None:
    """Write it at once. Whoever stopped reading has seen enough: the work goes on."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _worked_out(project: Settings, said: list[str]) -> list[str] | None:
    from sqlpair import deployment
    from sqlpair.targets import Destination

    destination = Destination(("heads",), "upgrade", said.append)
    outcome = deployment.nothing_to_do(project, destination, said.append)
    return outcome.where() if outcome else None
