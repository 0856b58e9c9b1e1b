"""goose: one file for both directions, ``-- +goose Up`` and ``-- +goose Down``.

What stands between StatementBegin and StatementEnd is sent as it is; the marks stay as
the comments that they are. Where such a block ends without a ``;`` one is put there,
for here a statement ends with it.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from sqlpair.authoring.imports import sections
from sqlpair.authoring.imports.foreign import (
    LINE,
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    placeholders,
)
from sqlpair.project.statement import Split


def _mark(words: bytes) -> re.Pattern[bytes]:
    line = LINE + rb"[ \t]*\+goose[ \t]+" + words.replace(b" ", rb"[ \t]+")
    return re.compile(line + rb"[ \t]*\r?$\n?", re.MULTILINE | re.IGNORECASE)


_UP, _DOWN = _mark(b"up"), _mark(b"down")
_ALONE = _mark(b"no transaction")
_ON, _OFF = _mark(b"envsub on"), _mark(b"envsub off")
_VARIABLE = re.compile(rb"\$\{[^}\n]*\}|\$[A-Za-z_]\w*(?![\w$])")


def read(folder: Path, split: Split) -> ForeignHistory | None:
    """Read a folder; None where no file has ``-- +goose Up``."""
    return sections.history("goose", folder, _UP, partial(_read, split), (".go",))


def _read(
    split: Split, path: Path, content: bytes
) -> tuple[ForeignMigration, list[NotCarried]]:
    up, down = sections.parted(content, _DOWN)
    alone = bool(_ALONE.search(content))
    parts = [None if half is None else _part(half, alone, split) for half in (up, down)]
    return ForeignMigration("", "", path, parts[0], parts[1]), _variables(path, content)


def _part(half: bytes, alone: bool, split: Split) -> SqlPart:
    return sections.with_ends(SqlPart(half, alone), split)


def _variables(path: Path, content: bytes) -> list[NotCarried]:
    """Name what is taken from the environment."""
    spans = []
    for on in _ON.finditer(content):
        off = _OFF.search(content, on.end())
        spans.append((on.end(), off.start() if off else len(content)))
    return placeholders(path, content, _VARIABLE, spans)
