"""Flyway: ``V1_1__name.sql``, undone by ``U1_1__name.sql``; ``R__name.sql`` repeats.

``B1_1__name.sql`` makes in a new database what all versions up to it made. It is their
migration where none of them is there any more.

Versions are numbers between dots; ``1``, ``01`` and ``1.0`` are one.
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
    not_sql,
    placeholders,
    text_of,
    twice,
    unknown,
)
from sqlpair.ledger.record_tables import flyway_version
from sqlpair.project.presence import is_file
from sqlpair.project.statement import Split

_NAME = re.compile(
    r"(?P<kind>[VUB])(?P<version>[0-9]+(?:[._][0-9]+)*)(?:__(?P<name>.*))?"
    r"\.(?P<end>sql|java|kt|class|groovy|py)"
)
_REPEATABLE = re.compile(r"R__(.*)\.sql")
_CALLBACK = re.compile(r"(before|after|create)[A-Z]\w*\.\w+")
_ALONE = re.compile(r"^\s*executeInTransaction\s*=\s*false\b", re.MULTILINE)


def read(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder and those below; None where there is no ``V…__….sql``."""
    there = files(folder, deep=True)
    ups: dict[tuple[int, ...], ForeignMigration] = {}
    undos: dict[tuple[int, ...], Path] = {}
    baselines: dict[tuple[int, ...], Path] = {}
    left: list[NotCarried] = []
    repeatable = []
    known = []
    for path in there:
        match = _NAME.fullmatch(path.name)
        if match is None:
            if repeats := _REPEATABLE.fullmatch(path.name):
                known.append(path)
                left += placeholders(path, path.read_bytes())
                repeatable.append((repeats[1], path))
            elif why := _beside(path.name):
                known.append(path)
                left.append(NotCarried(path, why))
            continue
        known.append(path)
        version = flyway_version(match["version"])
        if match["kind"] == "U":
            undos[version] = path
        elif match["kind"] == "B":
            baselines[version] = path
        elif version in ups:
            what = f"two migrations have the version {match['version']}"
            raise twice(what, ups[version].source, path)
        else:
            name = match["name"] or path.stem
            ups[version] = _up(path, version, name, left)
    _begin(ups, baselines, left)
    if not any(item.up for item in ups.values()):
        return None
    migrations = []
    for version in sorted(ups):
        undo = undos.pop(version, None)
        down = _part(undo, left) if undo else None
        migrations.append(ups[version]._replace(down=down))
    left += [
        NotCarried(p, "undoes no migration", matters=False) for p in undos.values()
    ]
    left += unknown(there, known)
    return ForeignHistory(
        "flyway", tuple(migrations), tuple(left), repeatable=tuple(sorted(repeatable))
    )


def _begin(
    ups: dict[tuple[int, ...], ForeignMigration],
    baselines: dict[tuple[int, ...], Path],
    left: list[NotCarried],
) -> None:
    """Let the last baseline be the first migration if all that it replaces is gone."""
    last = max(baselines, default=())
    if last and not any(version <= last for version in ups):
        path = baselines.pop(last)
        ups[last] = _up(path, last, path.stem.partition("__")[2], left)
    left += [
        NotCarried(path, "a baseline for new databases", matters=False)
        for path in baselines.values()
    ]


def _up(
    path: Path, version: tuple[int, ...], name: str, left: list[NotCarried]
) -> ForeignMigration:
    if path.suffix == ".sql":
        part = _part(path, left)
    else:
        part = None
        left.append(not_sql(path))
    return ForeignMigration(".".join(map(str, version)), name, path, part, None)


def _part(path: Path, left: list[NotCarried]) -> SqlPart:
    content = path.read_bytes()
    left += placeholders(path, content)
    settings = path.with_name(f"{path.name}.conf")
    alone = is_file(settings) and _ALONE.search(text_of(settings))
    return SqlPart(content, bool(alone))


def _beside(name: str) -> str:
    if name.startswith("R__"):
        return "a repeatable migration that is not SQL, and left out"
    if _CALLBACK.fullmatch(name):
        return "a callback, which runs at each migrate of Flyway's"
    return ""
