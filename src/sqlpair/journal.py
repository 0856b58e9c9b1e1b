"""The log: one line for each step and outcome of every run that changes something.

Lines are ``key=value`` pairs; control characters and quotes in a value are escaped,
so that no name can forge a line. The file rotates at a megabyte, five old ones are
kept.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair import ledger
from sqlpair.errors import SettingsError

if TYPE_CHECKING:
    from sqlpair.plan import Step
    from sqlpair.settings import Settings

MAXIMUM_BYTES = 1_000_000
OLD_FILES = 5
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


class Journal:
    """Writes one deployment's lines to ``logs/migration.log``."""

    def __init__(self, settings: Settings, deployment: str):
        self.deployment = deployment
        self._environment = settings.environment
        path = settings.log_file
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
        form = "%(asctime)s.%(msecs)03dZ %(message)s"
        formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self._handler.setFormatter(formatter)

    def line(self, outcome: str, **fields: object) -> None:
        """Write one line."""
        values = {
            "outcome": outcome,
            "deployment": self.deployment,
            "environment": self._environment,
            "by": ledger.who(),
            **fields,
        }
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


def lines(path: Path) -> Iterator[dict[str, str]]:
    """Read the log's lines, oldest first, each with its time as ``at``.

    What is no line of it, or cut short, is passed over.
    """
    old = [path.with_name(f"{path.name}.{n}") for n in range(OLD_FILES, 0, -1)]
    for file in (*old, path):
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                at, _, rest = line.rstrip("\n").partition(" ")
                found = {"at": at} | {
                    key: _unescaped(plain or quoted)
                    for key, quoted, plain in _FIELD.findall(rest)
                }
                if at.endswith("Z") and "outcome" in found:
                    yield found


def _escaped(value: object) -> str:
    text = str(value).encode("unicode_escape").decode("ascii").replace('"', r"\"")
    return f'"{text}"' if " " in text or not text else text


def _unescaped(text: str) -> str:
    try:
        return text.encode("ascii").decode("unicode_escape")
    except UnicodeError:
        return text
