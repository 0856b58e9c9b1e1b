"""What the ledger is told, as SQL text.

A deployment and an ``--sql`` script write the same. Nothing here commits: the rows live
or die with their migration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlpair.databases.bookkeeping import HISTORY, LEDGER, VERSION_TABLE
from sqlpair.databases.interface import BookkeepingSQL, Session, quote
from sqlpair.ledger.tables import (
    HISTORY_COLUMNS,
    Applied,
    Records,
    add_missing,
    history_table,
)
from sqlpair.project.migrations import Migration


def moment() -> str:
    """Return the present moment in UTC, as an Entry has it."""
    return datetime.now(UTC).isoformat(" ", "microseconds")[:26]


class Entry(NamedTuple):
    """Who does something, when, and as part of what.

    A script cannot know by whom, and leaves the time to the database. Otherwise ``at``
    is in UTC by this machine's clock, so that steps on several databases have an order.
    """

    deployment: str
    transaction: str
    method: str  # upgrade, downgrade, stamp, force, restore
    milliseconds: int | None = None
    who: str | None = None
    databases: str = ""
    at: str | None = None


class Record(NamedTuple):
    """A migration that was run, the checksum of its file, and who did it."""

    migration: Migration
    checksum: str
    entry: Entry


def applied(table: BookkeepingSQL, records: Sequence[Record]) -> str:
    """Return the SQL that records migrations as applied, the last one as the head."""
    return (
        _rows(table, records)
        + _head(table, records[-1].migration.revision)
        + _events(table, records)
    )


def undone(
    table: BookkeepingSQL, records: Sequence[Record], below: Migration | None
) -> str:
    """Return the SQL that records migrations as undone, ``below`` being the head."""
    numbers = ", ".join(str(record.migration.number) for record in records)
    return (
        f"DELETE FROM {table.prefix}{LEDGER} WHERE version IN ({numbers});\n"
        + _head(table, below.revision if below else None)
        + _events(table, [record._replace(checksum="") for record in records])
    )


def stamped(
    table: BookkeepingSQL, kept: Sequence[tuple[Migration, str]], entry: Entry
) -> str:
    """Return the SQL that makes ledger and version table say ``kept``, no more.

    ``kept`` holds each migration up to the new head with its file's checksum. Rows
    that are there already stay as they are.
    """
    ledger = f"{table.prefix}{LEDGER}"
    numbers = ", ".join(str(migration.number) for migration, _ in kept)
    others = f" WHERE version NOT IN ({numbers})" if kept else ""
    rows = "".join(
        _unless_there(table, Record(migration, checksum, entry))
        for migration, checksum in kept
    )
    head, checksum = kept[-1] if kept else (None, "")
    return (
        f"DELETE FROM {ledger}{others};\n"
        + rows
        + _head(table, head.revision if head else None)
        + _events(table, [(head, checksum, entry)])
    )


def accepted(
    table: BookkeepingSQL, checksums: Iterable[tuple[Migration, str]], entry: Entry
) -> str:
    """Return the SQL that records other bytes for applied migrations."""
    return "".join(
        f"UPDATE {table.prefix}{LEDGER} SET checksum = {quote(checksum)}"
        f" WHERE version = {migration.number};\n"
        + _events(table, [(migration, checksum, entry)])
        for migration, checksum in checksums
    )


def note_restore(session: Session, state: Records, entry: Entry) -> None:
    """Note in the history, made where it is missing, that a backup came back.

    ``state`` is what the backup brought.
    """
    table = session.table
    head = state.applied[-1] if state.applied else None
    session.execute(history_table(table))
    add_missing(session, HISTORY, HISTORY_COLUMNS)
    session.execute(_events(table, [(head, head.checksum if head else "", entry)]))


_LEDGER_COLUMNS = (
    "(version, migration_name, applied_at, checksum, deployment, applied_by,"
    " milliseconds, method)"
)
_HISTORY_COLUMNS = (
    "(at, deployment, transaction_id, action, version, migration_name, applied_by,"
    " milliseconds, checksum, databases)"
)


def _rows(table: BookkeepingSQL, records: Iterable[Record]) -> str:
    values = (f"({_values(table, record)})" for record in records)
    return _insert(f"{table.prefix}{LEDGER} {_LEDGER_COLUMNS}", values)


def _unless_there(table: BookkeepingSQL, record: Record) -> str:
    ledger = f"{table.prefix}{LEDGER}"
    return (
        f"INSERT INTO {ledger} {_LEDGER_COLUMNS} SELECT {_values(table, record)}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {ledger}"
        f" WHERE version = {record.migration.number});\n"
    )


def _values(table: BookkeepingSQL, record: Record) -> str:
    migration, checksum, entry = record
    values = (
        str(migration.number),
        quote(migration.stem),
        _literal(entry.at) if entry.at else table.now,
        quote(checksum),
        quote(entry.deployment),
        _literal(entry.who),
        _literal(entry.milliseconds),
        quote(entry.method),
    )
    return ", ".join(values)


def _insert(into: str, values: Iterable[str]) -> str:
    """Return INSERTs of many rows; SQLite takes a million bytes a statement."""
    rows = [*values]
    return "".join(
        f"INSERT INTO {into} VALUES {', '.join(rows[at : at + 1000])};\n"
        for at in range(0, len(rows), 1000)
    )


def _head(table: BookkeepingSQL, revision: str | None) -> str:
    sql = f"DELETE FROM {table.prefix}{VERSION_TABLE};\n"
    if revision:
        sql += (
            f"INSERT INTO {table.prefix}{VERSION_TABLE} (version_num)"
            f" VALUES ({quote(revision)});\n"
        )
    return sql


def _events(
    table: BookkeepingSQL,
    records: Iterable[tuple[Migration | Applied | None, str, Entry]],
) -> str:
    values = (f"({_event(table, *record)})" for record in records)
    return _insert(f"{table.prefix}{HISTORY} {_HISTORY_COLUMNS}", values)


def _event(
    table: BookkeepingSQL,
    migration: Migration | Applied | None,
    checksum: str,
    entry: Entry,
) -> str:
    values = (
        _literal(entry.at) if entry.at else table.now,
        quote(entry.deployment),
        quote(entry.transaction),
        quote(entry.method),
        _literal(migration.number if migration else None),
        quote(migration.stem if migration else "base"),
        _literal(entry.who),
        _literal(entry.milliseconds),
        quote(checksum),
        quote(entry.databases),
    )
    return ", ".join(values)


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    return quote(value) if isinstance(value, str) else str(value)
