"""``sqlpair migrate`` where nothing was to do: the answer without the command line.

A service asks at every start, and nearly always this is the answer, so it is
remembered (``memo.py``). Whatever else it may be is left for ``cli`` to find and to
say: this module decides nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

NOTHING_TO_DO = "Nothing to do: every migration is applied."


def answered(arguments: list[str]) -> bool:
    """Print the answer and return True where ``arguments`` ask for it and it holds."""
    if arguments != ["migrate"] or sys.stdout.isatty():  # a terminal gets colours
        return False
    from sqlpair.deploy import fast_path
    from sqlpair.errors import SqlpairError
    from sqlpair.project import settings

    said: list[str] = []
    try:
        answer = fast_path.recall(settings.load(Path("alembic.ini")), said.append)
    except SqlpairError:
        return False
    if answer is None:
        return False
    for line in said:
        write(sys.stderr, f"{line}\n")
    write(sys.stdout, "\n".join([NOTHING_TO_DO, *answer.where, ""]))
    return True


def write(stream: TextIO, text: str) -> bool:
    """Write it at once; False where it cannot be written, which ends no work.

    Whoever stopped reading has seen enough. Where there is no room for a result, it
    goes to stderr.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _lead_nowhere(stream)
    except OSError as error:
        _lead_nowhere(stream)  # what it still holds would fail again at the end
        if stream is sys.stdout:
            sys.stdout = sys.stderr
            why = f"stdout cannot be written ({error.strerror}); it goes on here:\n"
            write(sys.stderr, why + text)
        return False
    return True


def _lead_nowhere(stream: TextIO) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
