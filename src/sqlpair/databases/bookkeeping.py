"""The names of the tables that record migrations in each database."""

from __future__ import annotations

VERSION_TABLE = "alembic_version"


LEDGER = "schema_version"


HISTORY = "schema_history"


TABLES = (VERSION_TABLE, LEDGER, HISTORY)
