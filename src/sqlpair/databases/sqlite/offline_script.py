"""A script for the sqlite3 shell: what stands around the migrations in it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlpair.errors import UsageError

# Nothing after a failure is to run: it would be recorded.
SCRIPT_HEADER = ".bail on\n-- Run it with: sqlite3 DATABASE < FILE\n"
# Outside the transaction, where alone it has an effect.
SCRIPT_BEGIN = "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n"
SCRIPT_RESET = ""
SCRIPT_COMMIT = "COMMIT;\n"


def script_variables(names: Sequence[str]) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    raise UsageError(
        "the sqlite3 shell has no variables, which files in this range use",
        [", ".join(names)],
        "Let sqlpair migrate or alembic upgrade run them, without --sql.",
    )
