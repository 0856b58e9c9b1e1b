"""``sqlpair migrate`` where nothing is to do: the answer without the command line.

A service asks at every start, and nearly always this is the answer. Whatever else it
may be is left for ``cli`` to find again and to say: this module decides nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

NOTHING_TO_DO = "Nothing to do: every migration is applied."


def answered(arguments: list[str]) -> bool:
    """Print the answer and return True where ``arguments`` ask for it and it holds."""
    if arguments != ["migrate"] or sys.stdout.isatty():  # a terminal gets colours
        return False
    from sqlpair import deployment, settings
    from sqlpair.errors import SqlpairError
    from sqlpair.targets import Destination

    said: list[str] = []
    try:
        project = settings.load(Path("alembic.ini"))
        if any(database.embedded for database in project.databases):
            return False  # its server would start twice
        destination = Destination(("heads",), "upgrade", said.append)
        outcome = deployment.nothing_to_do(project, destination, said.append)
    except SqlpairError:
        return False
    if outcome is None:
        return False
    for line in said:
        print(line, file=sys.stderr)
    print(NOTHING_TO_DO, *outcome.where(), sep="\n")
    return True
