"""dbmate: one file for both directions, ``-- migrate:up`` and ``-- migrate:down``.

The version is the digits with which the file's name begins, as a text.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlpair.authoring.imports import sections
from sqlpair.authoring.imports.foreign import (
    LINE,
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
)
from sqlpair.project.statement import Split

_UP = re.compile(LINE + rb"[ \t]*migrate:up\b([^\r\n]*)", re.MULTILINE)
_DOWN = re.compile(LINE + rb"[ \t]*migrate:down\b([^\r\n]*)", re.MULTILINE)
_ALONE = re.compile(rb"\btransaction:false\b")


def read(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder; None where no file has ``-- migrate:up``."""
    found = sections.history("dbmate", folder, _UP, _read)
    if found is None:
        return None
    names = (re.match("[0-9]+", m.source.name) for m in found.migrations)
    return sections.padded(found, [match[0] for match in names if match])


def _read(path: Path, content: bytes) -> tuple[ForeignMigration, list[NotCarried]]:
    up, down = sections.parted(content, _DOWN)
    parts = [
        None if half is None else SqlPart(half, alone=_is_alone(half, mark))
        for half, mark in ((up, _UP), (down, _DOWN))
    ]
    return ForeignMigration("", "", path, parts[0], parts[1]), []


def _is_alone(half: bytes, mark: re.Pattern[bytes]) -> bool:
    found = mark.search(half)
    return bool(found and _ALONE.search(found[1]))
