"""Plain SQL files, run by psql or sqlite3 in the order of their names.

``NAME_down.sql`` (or undo, revert, rollback; behind a dot, a dash or a line) undoes
``NAME.sql`` or ``NAME_up.sql``. Where some names begin with a number, the others are no
migrations.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    files,
    unknown,
)
from sqlpair.project.statement import Split

_NAME = re.compile(
    r"(?P<stem>.+?)(?:[._-](?P<way>up|down|undo|revert|rollback))?\.sql", re.IGNORECASE
)


def read(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder; None where it has no SQL file."""
    there = files(folder)
    matches = [(path, match) for path in there if (match := _NAME.fullmatch(path.name))]
    numbered = [(path, m) for path, m in matches if m["stem"][0].isdigit()]
    chosen = numbered or matches
    ups: dict[str, Path] = {}
    downs: dict[str, Path] = {}
    for path, match in chosen:
        is_up = (match["way"] or "up").lower() == "up"
        (ups if is_up else downs)[match["stem"]] = path
    if not ups:
        return None
    migrations = []
    for stem in sorted(ups, key=_order):
        down = downs.pop(stem, None)
        migrations.append(
            ForeignMigration(
                stem,
                re.sub(r"^[0-9]+[._-]*", "", stem) or stem,
                ups[stem],
                SqlPart(ups[stem].read_bytes()),
                SqlPart(down.read_bytes()) if down else None,
            )
        )
    left = [NotCarried(p, "undoes no migration", matters=False) for p in downs.values()]
    left += unknown(there, (path for path, _ in chosen))
    return ForeignHistory("plain SQL", tuple(migrations), tuple(left))


def _order(stem: str) -> tuple[int, str]:
    match = re.match("[0-9]+", stem)
    return (int(match[0]) if match else 0), stem
