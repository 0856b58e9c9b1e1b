"""Plain SQL files as the source of truth for several databases at once.

``__all__`` is the public API, described in docs/python.md. Everything below is private,
but for ``sqlpair.environment.run`` and ``sqlpair.revision.pair``, which projects' files
import.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if os.name == "nt":
    raise ImportError(
        "sqlpair does not run on Windows: it holds its locks by fcntl, as POSIX has it."
        " Run it in WSL or in a container."
    )

if TYPE_CHECKING:
    from sqlpair.api.check import check
    from sqlpair.api.project import Project, open  # noqa: A004
    from sqlpair.api.results import (
        Adopted,
        Backup,
        DatabaseHead,
        Deployed,
        MigrationRun,
        Recognition,
        RecordedFile,
    )
    from sqlpair.backup.restore import Restored
    from sqlpair.deploy.status import Status
    from sqlpair.errors import (
        BackupError,
        CommitError,
        ConnectError,
        DataLossError,
        HistoryError,
        LockError,
        SettingsError,
        SqlFileError,
        SqlpairError,
        StatementError,
        UsageError,
    )
    from sqlpair.plan.report import DryRun
    from sqlpair.verify import Verified
    from sqlpair.verify.problem import Problem

__all__ = [
    "Adopted",
    "Backup",
    "BackupError",
    "CommitError",
    "ConnectError",
    "DataLossError",
    "DatabaseHead",
    "Deployed",
    "DryRun",
    "HistoryError",
    "LockError",
    "MigrationRun",
    "Problem",
    "Project",
    "Recognition",
    "RecordedFile",
    "Restored",
    "SettingsError",
    "SqlFileError",
    "SqlpairError",
    "StatementError",
    "Status",
    "UsageError",
    "Verified",
    "check",
    "open",
]
# Where what is not an error, and is not in api.results, comes from.
_ELSEWHERE = {
    "DryRun": "plan.report",
    "Problem": "verify.problem",
    "Project": "api.project",
    "Restored": "backup.restore",
    "Status": "deploy.status",
    "Verified": "verify",
    "check": "api.check",
    "open": "api.project",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: most programs that import this need a part of it."""
    if name not in __all__:
        raise AttributeError(f"module 'sqlpair' has no attribute {name!r}")
    usual = "errors" if name.endswith("Error") else "api.results"
    module = import_module(f"sqlpair.{_ELSEWHERE.get(name, usual)}")
    found: object = getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
