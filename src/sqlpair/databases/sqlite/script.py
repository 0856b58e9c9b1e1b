"""A script for the sqlite3 shell: what stands around the migrations in it."""

from __future__ import annotations

# Nothing after a failure is to run: it would be recorded.
SCRIPT_HEADER = ".bail on\n-- Run it with: sqlite3 DATABASE < FILE\n"
# Outside the transaction, where alone it has an effect.
SCRIPT_BEGIN = "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n"
SCRIPT_RESET = ""
SCRIPT_COMMIT = "COMMIT;\n"
