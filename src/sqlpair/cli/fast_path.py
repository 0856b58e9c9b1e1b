"""``sqlpair migrate`` where nothing was to do: the answer without the command line.

A service asks at every start, and nearly always this is the answer, so it is
remembered (``deploy/fast_path.py``). Whatever else it may be is left for ``cli`` to
find and to say: this module decides nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlpair.cli.streams import write

NOTHING_TO_DO = "Nothing to do: every migration is applied."


def answered(arguments: list[str]) -> bool:
    """Print the answer and return True where ``arguments`` ask for it and it holds."""
    if arguments != ["migrate"] or sys.stdout.isatty():  # a terminal gets colours
        return False
    from sqlpair.deploy import fast_path
    from sqlpair.errors import SqlpairError, printable
    from sqlpair.project import settings

    said: list[str] = []
    try:
        answer = fast_path.recall(settings.load(Path("alembic.ini")), said.append)
    except SqlpairError:
        return False
    if answer is None:
        return False
    for line in said:
        write(sys.stderr, f"{printable(line)}\n")
    told = map(printable, [NOTHING_TO_DO, *answer.where])
    write(sys.stdout, "".join(f"{line}\n" for line in told))
    return True
