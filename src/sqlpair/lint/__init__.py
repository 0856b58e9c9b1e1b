"""Lint: what a careful colleague would say of a migration, before anything runs.

One rule is one module in ``rules/``, one function in it, and one page in
``docs/lint/``. The parser is imported only when something is linted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.project.settings import Settings


class Finding(NamedTuple):
    """One thing that goes wrong, where, and the SQL to write instead.

    ``path`` is relative to the project; ``line`` counts from 1.
    """

    rule: str
    database: str
    path: str
    line: int
    message: str
    instead: str


def lint(settings: Settings, files: Sequence[Path] = ()) -> tuple[Finding, ...]:
    """Return the findings over every migration, or over those that ``files`` belong to.

    Opens no database. UsageError for a file that is no migration's; SettingsError
    where the parser or squawk is not installed.
    """
    try:
        from sqlpair.lint.run import run
    except ModuleNotFoundError as error:
        if error.name != "sqlglot":
            raise
        raise SettingsError(
            "lint needs sqlglot, which is not installed",
            remedy="Run: pip install 'sqlpair[lint]'",
        ) from error
    return run(settings, files)
