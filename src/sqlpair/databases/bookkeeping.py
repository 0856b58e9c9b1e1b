"""The names of the tables that record migrations in each database."""

from __future__ import annotations

VERSION_TABLE = "alembic_version"


LEDGER = "schema_version"


HISTORY = "schema_history"


REPEATABLE = "schema_repeatable"


TABLES = (VERSION_TABLE, LEDGER, HISTORY, REPEATABLE)
