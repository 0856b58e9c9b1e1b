"""How many backups are kept: ``backup_keep`` in alembic.ini."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlpair.backup.directory import PARTIAL, backups
from sqlpair.databases.interface import Report
from sqlpair.project.settings import Settings


def retain(settings: Settings, newest: Path, report: Report) -> None:
    """Remove the oldest backups over ``backup_keep``; never ``newest``."""
    others = [path for path in backups(settings) if path != newest]
    for path in others[: max(0, len(others) + 1 - settings.backups.keep)]:
        doomed = path.with_name(f"{PARTIAL}{path.name}")
        try:
            path.rename(doomed)
            shutil.rmtree(doomed)
        except OSError as error:
            report(f"An old backup stays: {path.name}: {error.strerror}")
