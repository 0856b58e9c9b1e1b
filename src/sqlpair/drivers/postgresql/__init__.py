"""PostgreSQL: how it connects, locks, runs statements and describes itself."""

from sqlpair.drivers.postgresql.copying import copied, script
from sqlpair.drivers.postgresql.dump import DUMP_SUFFIX, check_dump, dump
from sqlpair.drivers.postgresql.exchange import exchange
from sqlpair.drivers.postgresql.observe import observer
from sqlpair.drivers.postgresql.parameters import RESET
from sqlpair.drivers.postgresql.sampling import contents, literal, tables
from sqlpair.drivers.postgresql.schema_sql import schema_sql
from sqlpair.drivers.postgresql.scratch import scratch
from sqlpair.drivers.postgresql.session import connect, table
from sqlpair.drivers.postgresql.split import split

# The script is UTF-8, whatever the database is.
_SETTINGS = "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
SCRIPT_HEADER = f"-- Run it with: psql -v ON_ERROR_STOP=1 -f FILE\n{_SETTINGS}"
SCRIPT_BEGIN = "BEGIN;\n"
SCRIPT_RESET = RESET.replace("; ", ";\n") + _SETTINGS
SCRIPT_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;\n"

__all__ = [
    "DUMP_SUFFIX",
    "SCRIPT_BEGIN",
    "SCRIPT_COMMIT",
    "SCRIPT_HEADER",
    "SCRIPT_RESET",
    "check_dump",
    "connect",
    "contents",
    "copied",
    "dump",
    "exchange",
    "literal",
    "observer",
    "schema_sql",
    "scratch",
    "script",
    "split",
    "table",
    "tables",
]
