"""A script for psql: what stands around the migrations in it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlpair.databases.postgresql.parameters import RESET

# The script is UTF-8, whatever the database is.
_SETTINGS = "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
# Nothing after a failure is to run, whatever a ~/.psqlrc says: it would be recorded.
_STOP = "\\set ON_ERROR_STOP on\n\\set ON_ERROR_ROLLBACK off\n\\set AUTOCOMMIT on\n"
SCRIPT_HEADER = f"{_STOP}-- Run it with: psql -f FILE\n{_SETTINGS}"
SCRIPT_BEGIN = "BEGIN;\n"
SCRIPT_RESET = RESET.replace("; ", ";\n") + _SETTINGS
SCRIPT_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;\n"


def script_variables(names: Sequence[str]) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    return "".join(
        f"\\if :{{?{name}}}\n\\else\n\\warn 'Run it with: psql -v {name}=VALUE'\n"
        f'SELECT "{name} has no value";\n\\endif\n'
        for name in names
    )
