"""What a worker process needs, imported once: each worker is a fork of what has it.

Imported by the process that forks workers.
"""

from __future__ import annotations

from sqlpair.databases.postgresql import session as postgresql
from sqlpair.databases.sqlite import session as sqlite
from sqlpair.databases.sqlite import split, unresolved
from sqlpair.deploy import run
from sqlpair.fleet import executors

__all__ = ["executors", "postgresql", "run", "split", "sqlite", "unresolved"]
