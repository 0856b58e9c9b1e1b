"""The log: one line for each step and outcome of every run that changes something.

Lines are ``key=value`` pairs; control characters in a value are escaped, so that no
name can forge a line. The file rotates at a megabyte, five old ones are kept.
"""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.errors import SettingsError

if TYPE_CHECKING:
    from sqlpair.plan import Step

MAXIMUM_BYTES = 1_000_000
OLD_FILES = 5


class Journal:
    """Writes one deployment's lines to ``logs/migration.log``."""

    def __init__(self, path: Path, deployment: str):
        self.deployment = deployment
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = RotatingFileHandler(
                path, maxBytes=MAXIMUM_BYTES, backupCount=OLD_FILES, encoding="utf-8"
            )
        except OSError as error:
            raise SettingsError(
                "the log cannot be written",
                [f"{path}: {error.strerror}"],
                "Make it writable, or set log_file in alembic.ini. Nothing has run.",
            ) from None
        formatter = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        self._handler.setFormatter(formatter)

    def line(self, outcome: str, **fields: object) -> None:
        """Write one line."""
        values = {"outcome": outcome, "deployment": self.deployment} | fields
        message = " ".join(f"{key}={_escaped(value)}" for key, value in values.items())
        self._handler.handle(
            logging.LogRecord("sqlpair", logging.INFO, "", 0, message, None, None)
        )

    def step(self, step: Step, milliseconds: int) -> None:
        """Say that a step has run; it counts once ``committed`` follows."""
        self.line(
            "ran",
            database=step.branch.name,
            migration=step.migration.stem,
            direction=step.direction,
            ms=milliseconds,
        )

    def failed(self, error: BaseException) -> None:
        """Say how the run ended, and close."""
        self.line("failed", error=str(error) or type(error).__name__)
        self.close()

    def finished(self, version: int) -> None:
        """Say how the run ended, and close."""
        self.line("committed", version=version)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def _escaped(value: object) -> str:
    text = str(value).encode("unicode_escape").decode("ascii")
    return f'"{text}"' if " " in text or not text else text
