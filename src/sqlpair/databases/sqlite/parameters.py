"""What a migration could leave behind in a session, and how it is put back.

The next file, and the ledger, are to see nothing of it: neither a pragma nor a
temporary table that stands before one of the same name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

# Those with which a statement may mean something else, or what is read look different.
# https://www.sqlite.org/pragma.html
PRAGMAS = (
    "busy_timeout",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "ignore_check_constraints",
    "legacy_alter_table",
    "locking_mode",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "short_column_names",
    "synchronous",
    "trusted_schema",
    "writable_schema",
)


class Parameters:
    """The pragmas of a connection as they were before anybody touched them."""

    def __init__(self, raw: sqlite3.Connection, *, lasts: bool = True):
        """Set them over ``raw``; what is committed ``lasts``, but in a scratch one."""
        self._touched = self._temporary = self._rewritten = False
        self._raw = raw
        # Off, or a table rebuild would empty child tables through CASCADE.
        raw.execute("PRAGMA foreign_keys = OFF")
        # A run that died is recovered by what this file says: its commit must have
        # reached the disk, and the folder too.
        raw.execute(f"PRAGMA synchronous = {'EXTRA' if lasts else 'OFF'}")
        self._values: dict[str, object] = {}

    def remember(self) -> None:
        """Read them, the first time; to be called before anything may change them."""
        self._values = self._values or self._read()

    def note(self, words: Sequence[str], text: str) -> None:
        """Note that a statement is about to run."""
        # EXPLAIN runs one all the same. The functions of that name only read.
        if "PRAGMA" in words:
            self.remember()
            self._touched = True
            self._rewritten |= "writable_schema" in text.lower()
        # Whatever it is that is made there, its statement says so.
        self._temporary |= "temp" in text.lower()

    def note_unseen(self) -> None:
        """Note that statements may run that are not told."""
        self.remember()
        self._touched = self._temporary = True

    def _read(self) -> dict[str, object]:
        found = {}
        for name in PRAGMAS:
            row = self._raw.execute(f"PRAGMA {name}").fetchone()
            if row is not None:  # this build of SQLite knows it
                found[name] = row[0]
        return found

    def restore(self) -> None:
        """Put everything back; some pragmas take effect outside a transaction only."""
        if self._touched:
            self._put_back()
            self.read_schema()
            self._touched = self._raw.in_transaction
            self._rewritten &= self._touched
        if self._temporary:
            self._drop_temporary()
            self._temporary = self._raw.in_transaction

    def read_schema(self) -> None:
        """Let SQLite see what was written into its schema by hand, as .dump does.

        Or what a rollback has taken back of it.
        """
        if self._rewritten:
            self._raw.execute("PRAGMA writable_schema = RESET").fetchall()

    def _put_back(self) -> None:
        for name, value in self._read().items():
            if value != self._values[name]:
                self._raw.execute(f"PRAGMA {name} = {self._values[name]}").fetchall()
        # Cannot be read. A migration that wants it sets it in its own file.
        self._raw.execute("PRAGMA case_sensitive_like = OFF").fetchall()

    def _drop_temporary(self) -> None:
        for kind, name in self._raw.execute(
            "SELECT type, name FROM temp.sqlite_master"
            " WHERE type IN ('table', 'view', 'trigger')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            # What a guarded rollback keeps to compare.
            " AND name NOT LIKE 'sqlpair\\_%' ESCAPE '\\'"
            # Triggers first: a table takes its own along.
            " ORDER BY type <> 'trigger'"
        ).fetchall():
            quoted = name.replace('"', '""')
            self._raw.execute(f'DROP {kind} IF EXISTS temp."{quoted}"')
