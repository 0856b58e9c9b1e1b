"""The record of what was proved on this machine: ``state/proved.json``, by checksum.

A pair of which either file was edited since is not proved.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlpair.databases.interface import Report
from sqlpair.project import atomic_write
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import is_file
from sqlpair.project.settings import Settings
from sqlpair.project.sql_file import checksum_of


def proved(settings: Settings, item: Migration) -> str | None:
    """Return when the pair, as its files are now, was proved; None if it was not."""
    found = _read(_path(settings)).get(_name(item))
    whole = item.repeatable or is_file(item.down)
    if not found or not whole or found[0] != _sum(item):
        return None
    return found[1]


def keep(settings: Settings, items: Sequence[Migration], report: Report) -> None:
    """Record that ``items`` are proved; say so where that cannot be written."""
    if not items:
        return
    path = _path(settings)
    try:
        _write(path, items)
    except OSError as error:
        report(f"What is proved could not be recorded: {path}: {error.strerror}")


def _write(path: Path, items: Sequence[Migration]) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    known = _read(path) | {_name(item): [_sum(item), now] for item in items}
    path.parent.mkdir(mode=0o700, exist_ok=True)
    atomic_write.put(path, f"{json.dumps(known, indent=1, sort_keys=True)}\n".encode())


def _path(settings: Settings) -> Path:
    return settings.root / "state" / "proved.json"


def _name(item: Migration) -> str:
    return f"{item.database} {item.stem}"


def _sum(item: Migration) -> str:
    files = [item.up] if item.repeatable else [item.up, item.down]
    return " ".join(map(checksum_of, files))


def _read(path: Path) -> dict[str, list[str]]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
