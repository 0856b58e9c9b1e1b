"""PostgreSQL: how it connects, locks, runs statements and describes itself."""

from sqlpair.drivers.postgresql.dump import DUMP_SUFFIX, check_dump, dump
from sqlpair.drivers.postgresql.scratch import scratch
from sqlpair.drivers.postgresql.session import connect, table
from sqlpair.drivers.postgresql.split import split

SCRIPT_BEGIN = "BEGIN;\nSET LOCAL standard_conforming_strings = on;"
SCRIPT_RESET = "RESET ALL;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\n"
SCRIPT_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;"

__all__ = [
    "DUMP_SUFFIX",
    "SCRIPT_BEGIN",
    "SCRIPT_COMMIT",
    "SCRIPT_RESET",
    "check_dump",
    "connect",
    "dump",
    "scratch",
    "split",
    "table",
]
