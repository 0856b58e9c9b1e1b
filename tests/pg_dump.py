"""What the embedded server's pg_dump writes of a database."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from conftest import PROGRAMS
from sqlpair.databases.embedded import find_binaries
from sqlpair.databases.embedded.programs import major_version

# Older servers do not know the setting, which newer programs write of any server.
_UNKNOWN = re.compile(r"(?m)^SET transaction_timeout = .*\n")
# A random word, and the server's own note on a column: neither is twice the same.
_RANDOM = re.compile(r"(?m)^(\\(un)?restrict .*|.* SET \(pg_attver=\d+\);)\n")


def programs() -> Path:
    """Where the newest pg_dump and psql are: none reads a newer server."""
    return max([find_binaries(), PROGRAMS or find_binaries()], key=major_version)


def script_of(dsn: str, *arguments: str) -> str:
    """Return what any server that is supported runs."""
    command = [programs() / "pg_dump", *arguments, "-d", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return _UNKNOWN.sub("", done.stdout)


def comparable(dsn: str, *arguments: str) -> list[str]:
    """Return the lines that are the same of two databases with the same content."""
    return _RANDOM.sub("", script_of(dsn, *arguments)).splitlines()
