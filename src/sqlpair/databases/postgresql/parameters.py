"""The run-time parameters a migration runs under, and how they are put back.

A file may SET what it likes, even the role: neither the ledger nor the next file is
to see any of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import psycopg2

from sqlpair.databases.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from psycopg2.extensions import connection

    from sqlpair.project.settings import Database

# RESET ALL leaves out the role; the rest takes what else lasts for a session, and would
# stand in for a table of the same name, or in the way of one of the same name.
RESET = (
    "RESET ALL; RESET SESSION AUTHORIZATION; RESET ROLE;"
    " CLOSE ALL; DEALLOCATE ALL; DISCARD TEMP; "
)
# Whatever the database's own defaults: the ledger is read afresh by each statement.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
CHECK_INTERVAL = "client_connection_check_interval"
# What a role or a database may have set, and what would stop long work that writes.
UNHINDERED = {
    "default_transaction_read_only": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
}

# Of each connection: whether it has that parameter, and whether it commits without
# waiting. What it begins with stays, from one member of a fleet to the next.
_found: WeakKeyDictionary[connection, tuple[bool, bool]] = WeakKeyDictionary()


class Parameters:
    """What is set for one session's transactions."""

    def __init__(self, database: Database, raw: connection, *, lasts: bool = True):
        """Set them over ``raw``; what is committed ``lasts``, but in a scratch one."""
        self._pairs = {
            "lock_timeout": f"'{database.lock_timeout * 1000:.0f}ms'",
            "standard_conforming_strings": "on",
            # RESET ALL forgets what was negotiated at the start, behind a pooler.
            "client_encoding": "'UTF8'",
        }
        if database.search_path:
            self._pairs["search_path"] = path_of(database)
        has_check_interval, asynchronous = _found.get(raw) or (
            _has_check_interval(raw),
            _commits_asynchronously(raw),
        )
        _found[raw] = has_check_interval, asynchronous
        if has_check_interval:
            # Or the statement of a client that was killed runs on, with its locks.
            self._pairs[CHECK_INTERVAL] = "'1s'"
        # We idle in a transaction while another database is at work.
        self._local = {"idle_in_transaction_session_timeout": "0"}
        if raw.server_version >= 170000:
            self._local["transaction_timeout"] = "0"
        if lasts and asynchronous:
            # A commit that is lost after another database's would part the two.
            self._local["synchronous_commit"] = "on"

    def local(self) -> str:
        """Return the SQL that sets them for one transaction."""
        pairs = self._pairs | self._local
        return "".join(f"SET LOCAL {name} = {value}; " for name, value in pairs.items())

    def lasting(self) -> str:
        """Return the SQL that sets them for statements outside a transaction."""
        pairs = self._pairs | {"default_transaction_read_only": "off"}  # as BEGIN is
        return "".join(f"SET {name} = {value}; " for name, value in pairs.items())


def path_of(database: Database) -> str:
    """Return the search_path of a member that is a schema, as SQL has it."""
    return ", ".join(map(identifier, database.search_path))


def hindrances(rows: Callable[[str], list[dict[str, Any]]]) -> dict[str, str]:
    """Return what is set that would stop long work, or work that writes: its remedy."""
    names = ", ".join(f"'{name}'" for name in UNHINDERED)
    found = rows(
        "SELECT name FROM pg_catalog.pg_settings"
        f" WHERE name IN ({names}) AND setting NOT IN ('0', 'off')"
    )
    return {row["name"]: UNHINDERED[row["name"]] for row in found}


def unhindered(
    parameters: Mapping[str, str], rows: Callable[[str], list[dict[str, Any]]]
) -> dict[str, str]:
    """Return ``parameters`` with options against what ``rows`` finds to be set.

    None where nothing is: a pooler takes no options.
    """
    options = [f"-c {name}={value}" for name, value in hindrances(rows).items()]
    if not options:
        return dict(parameters)
    before = [parameters["options"]] if "options" in parameters else []
    return dict(parameters) | {"options": " ".join([*before, *options])}


def _has_check_interval(raw: connection) -> bool:
    # New in PostgreSQL 14, and some systems cannot do it.
    if raw.server_version < 140000:
        return False
    with raw.cursor() as cursor:
        found = True
        try:
            cursor.execute(f"BEGIN; SET LOCAL {CHECK_INTERVAL} = '1s'")
        except psycopg2.DataError:
            found = False
        cursor.execute("ROLLBACK")
    return found


def _commits_asynchronously(raw: connection) -> bool:
    with raw.cursor() as cursor:
        cursor.execute("SELECT current_setting('synchronous_commit') = 'off'")
        (found,) = cursor.fetchone() or (False,)
    return bool(found)
