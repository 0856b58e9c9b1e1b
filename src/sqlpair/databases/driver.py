"""The driver of a database: which module of its engine offers what.

What such a part is to be, for both engines, is said in the module of the same name in
this room, or else in ``interface.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sqlpair.databases.interface import Driver, Report, Session
    from sqlpair.project.settings import Database

# Where a driver's package keeps what the driver offers.
_MODULES = {
    "connect": "session",
    "table": "session",
    "split": "split",
    "SCRIPT_HEADER": "offline_script",
    "SCRIPT_BEGIN": "offline_script",
    "SCRIPT_RESET": "offline_script",
    "SCRIPT_COMMIT": "offline_script",
    "script_variables": "offline_script",
    "DUMP_SUFFIX": "dump",
    "dump": "dump",
    "prove_backup": "backup_proof",
    "exchange": "swap",
    "scratch": "scratch",
    "copied": "clone",
    "is_shared": "scratch",
    "own": "verification",
    "properties": "verification",
    "dangling": "verification",
    "query": "queries",
    "assert_direct": "no_transaction",
    "run_alone": "no_transaction",
    "inspector": "data_loss",
    "column": "reference_column",
    "contents": "row_values",
    "literal": "row_values",
    "tables": "row_values",
    "member": "members",
    "is_there": "members",
    "schemas": "members",
    "new_schema": "members",
    "observer": "observer",
    "schema_mark": "schema_mark",
    "schema_sql": "schema_sql",
    "keys": "keys",
    "droppable": "droppable",
}


class _Driver:
    """A driver whose modules are imported when they are first needed.

    Most runs have nothing to do, and need just ``connect``.
    """

    def __init__(self, name: str):
        self._package = f"sqlpair.databases.{name}"

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(name)
        module = import_module(f"{self._package}.{_MODULES[name]}")
        offered = getattr(module, name)
        setattr(self, name, offered)
        return offered


_drivers = {name: _Driver(name) for name in ("postgresql", "sqlite")}


def driver_of(database: Database) -> Driver:
    """Return the driver for ``database``."""
    return cast("Driver", _drivers[database.driver])


@contextmanager
def reading(database: Database, report: Report) -> Iterator[Session | None]:
    """Connect to read, within the block; None when there is no database yet."""
    session = driver_of(database).connect(database, read_only=True, report=report)
    if session is None:
        yield None
        return
    with closing(session):
        yield session


def silent(_line: str) -> None:
    """Be a report that nobody reads."""
