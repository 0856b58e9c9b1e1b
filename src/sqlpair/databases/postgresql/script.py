"""A script for psql: what stands around the migrations in it."""

from __future__ import annotations

from sqlpair.databases.postgresql.parameters import RESET

# The script is UTF-8, whatever the database is.
_SETTINGS = "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
SCRIPT_HEADER = f"-- Run it with: psql -v ON_ERROR_STOP=1 -f FILE\n{_SETTINGS}"
SCRIPT_BEGIN = "BEGIN;\n"
SCRIPT_RESET = RESET.replace("; ", ";\n") + _SETTINGS
SCRIPT_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;\n"
