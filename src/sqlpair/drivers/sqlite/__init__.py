"""SQLite: how it connects, locks, runs statements and describes itself."""

from sqlpair.drivers.sqlite.copying import copied, script
from sqlpair.drivers.sqlite.dump import DUMP_SUFFIX, check_dump, dump
from sqlpair.drivers.sqlite.exchange import exchange
from sqlpair.drivers.sqlite.observe import observer
from sqlpair.drivers.sqlite.sampling import contents, literal, tables
from sqlpair.drivers.sqlite.schema_sql import schema_sql
from sqlpair.drivers.sqlite.scratch import scratch
from sqlpair.drivers.sqlite.session import connect, table
from sqlpair.drivers.sqlite.split import split

SCRIPT_HEADER = "-- Run it with: sqlite3 -bail DATABASE < FILE\n"
# Outside the transaction, where alone it has an effect.
SCRIPT_BEGIN = "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n"
SCRIPT_RESET = ""
SCRIPT_COMMIT = "COMMIT;\n"

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
