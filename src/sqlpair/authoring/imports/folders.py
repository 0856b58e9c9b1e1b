"""Diesel and Prisma: a folder for each migration.

Diesel (and Hasura) have ``NAME/up.sql`` and ``NAME/down.sql``; Prisma has
``NAME/migration.sql``, and ``down.sql`` where somebody made one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    SqlPart,
    driver_for,
    text_of,
)
from sqlpair.project.presence import is_file
from sqlpair.project.statement import Split

NAMES = ("up.sql", "down.sql", "migration.sql")


def diesel(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder; None where no folder in it has an ``up.sql``."""
    found = _read(folder, "up.sql", _diesel_id)
    return ForeignHistory("diesel", found) if found else None


def _diesel_id(name: str) -> str:
    return name.partition("_")[0].replace("-", "")


def prisma(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a folder; None where no folder in it has a ``migration.sql``."""
    found = _read(folder, "migration.sql", str)
    lock = folder / "migration_lock.toml"
    if not found:
        return None
    return ForeignHistory("prisma", found, driver=_provider(lock))


def _provider(lock: Path) -> str:
    if not is_file(lock):
        return ""
    try:
        provider = tomllib.loads(text_of(lock)).get("provider", "")
    except (ValueError, OSError):
        return ""
    return driver_for(str(provider), lock)


def _read(
    folder: Path, up: str, id_of: Callable[[str], str]
) -> tuple[ForeignMigration, ...]:
    found = []
    for path in (own / up for own in folder.iterdir()):
        if not is_file(path):
            continue
        name = path.parent.name
        down = path.with_name("down.sql")
        alone = _alone(path.with_name("metadata.toml"))
        found.append(
            ForeignMigration(
                id_of(name),
                re.sub(r"^[0-9-]+_?", "", name),
                path,
                SqlPart(path.read_bytes(), alone),
                SqlPart(down.read_bytes(), alone) if is_file(down) else None,
            )
        )
    return tuple(sorted(found, key=lambda item: (_order(item.id), item.id)))


def _order(id_: str) -> str:
    """Compare dates as texts, for some say the seconds; and numbers as such."""
    digits = re.match("[0-9]*", id_)
    return digits[0].zfill(8) if digits else ""


def _alone(metadata: Path) -> bool:
    """Whether Diesel's metadata want no transaction."""
    if not is_file(metadata):
        return False
    try:
        told = tomllib.loads(text_of(metadata))
    except ValueError:
        return False
    return told.get("run_in_transaction") is False
