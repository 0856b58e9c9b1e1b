"""Lint: check every migration against rules, before anything runs.

One rule is one module in ``rules/``, one function in it, and one page in
``docs/lint/``. The rules are imported only when something is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlpair.project.settings import Settings


class Finding(NamedTuple):
    """A place that breaks a rule, and what to write instead.

    ``path`` is relative to the project; ``line`` counts from 1.
    """

    rule: str
    database: str
    path: str
    line: int
    message: str
    instead: str


def lint(settings: Settings, files: Sequence[Path] = ()) -> tuple[Finding, ...]:
    """Return the findings in every migration, or in those that ``files`` belong to.

    Connects to no database. UsageError for a file that belongs to no migration;
    SettingsError where squawk is not installed and PostgreSQL files are checked.
    """
    from sqlpair.lint.run import run

    return run(settings, files)
