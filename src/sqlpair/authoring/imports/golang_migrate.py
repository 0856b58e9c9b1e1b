"""golang-migrate: ``0001_name.up.sql`` and ``0001_name.down.sql``.

The version is a number; the record table holds the last one alone, without its zeros.
Where numbered files stand beside them that say no direction, these are migrations of
another tool, which runs both: plain SQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    files,
    in_order,
    not_sql,
    unknown,
)
from sqlpair.project.statement import Split

_NAME = re.compile(r"(?P<number>[0-9]+)_(?P<name>.*)\.(?P<way>up|down)\.(?P<end>.*)")


def read(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder; None where no file in it ends in ``.up.sql``, or not every one."""
    ups: list[tuple[int, ForeignMigration]] = []
    downs: dict[int, Path] = {}
    left: list[NotCarried] = []
    there = files(folder)
    for path in there:
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        number, is_sql = int(match["number"]), match["end"].endswith("sql")
        if match["way"] == "down":
            if is_sql:
                downs[number] = path
            continue
        up = SqlPart(path.read_bytes()) if is_sql else None
        if not is_sql:
            left.append(not_sql(path))
        item = ForeignMigration(str(number), match["name"], path, up, None)
        ups.append((number, item))
    numbers = {number for number, _ in ups} | {*downs}
    if not ups or any(_is_other(path, numbers) for path in there):
        return None
    migrations = []
    for item in in_order(ups):
        down = downs.pop(int(item.id), None)
        part = SqlPart(down.read_bytes()) if down else None
        migrations.append(item._replace(down=part))
    left += [
        NotCarried(p, "a down without its up", matters=False) for p in downs.values()
    ]
    known = [path for path in there if _NAME.fullmatch(path.name)]
    left += unknown(there, known)
    return ForeignHistory("golang-migrate", tuple(migrations), tuple(left))


def _is_other(path: Path, numbers: Collection[int]) -> bool:
    """Whether a file is a migration of a number of its own, and says no direction."""
    match = re.fullmatch(r"([0-9]+)[._-].*\.sql", path.name)
    return (
        match is not None
        and _NAME.fullmatch(path.name) is None
        and int(match[1]) not in numbers
    )
