"""What an interrupted restore leaves in the folder of backups: a folder with its id.

Light: every run looks, and hardly ever finds any. ``backup.swap`` knows what is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlpair.ids import ID
from sqlpair.project.settings import Settings


def folder(settings: Settings, identifier: str) -> Path:
    """Return the folder in which the restore ``identifier`` works."""
    return settings.backups.folder / f"{_prefix(settings)}{identifier}"


def interrupted(settings: Settings) -> tuple[str, ...]:
    """Return the ids of restores that were interrupted, or still run."""
    prefix = _prefix(settings)
    try:
        found = os.listdir(settings.backups.folder)  # noqa: PTH208 - names are enough
    except OSError:
        return ()
    names = (name.removeprefix(prefix) for name in found if name.startswith(prefix))
    return tuple(sorted(name for name in names if ID.fullmatch(name)))


def _prefix(settings: Settings) -> str:
    # Another environment has other databases, and the same folder.
    return f".restore-{settings.environment}-"
