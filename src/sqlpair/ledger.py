"""The ledger: which migrations a database has applied, and from which bytes.

Three tables, one room:

- ``schema_version``, the ledger: a row means applied; downgrading deletes it.
- ``alembic_version``, Alembic's own: the head of the branch.
- ``schema_history``: what every step did, append-only. It also names the
  transaction a step was part of, and where that took each of its databases, which
  settles a deployment that died between two databases' commits.

What changes them is built here as SQL text, so a deployment and an ``--sql`` script
write the same. Nothing here commits: the rows live or die with their migration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlpair.drivers import Session, Table, quote
from sqlpair.migration import Migration

VERSION_TABLE = "alembic_version"
LEDGER = "schema_version"
HISTORY = "schema_history"
TABLES = (VERSION_TABLE, LEDGER, HISTORY)

# After the four documented columns; each may be left out by another program's INSERT.
EXTRA_COLUMNS = (
    ("checksum", "varchar(64)"),
    ("deployment", "varchar(64)"),
    ("applied_by", "varchar(255)"),
    ("milliseconds", "integer"),
    ("method", "varchar(16)"),
)
Columns = tuple[tuple[str, str], ...]
# Of the history; added where it was made before they were.
HISTORY_COLUMNS = (("databases", "text"),)


class Applied(NamedTuple):
    """One ledger row. What another program left out is empty."""

    number: int
    stem: str
    applied_at: str
    checksum: str
    deployment: str
    applied_by: str
    milliseconds: int | None
    method: str


class Transaction(NamedTuple):
    """One transaction over several databases: its name, and where it took each.

    ``databases`` maps a name to the number of its head, ``None`` for base.
    """

    name: str
    databases: dict[str, int | None]


NONE = Transaction("", {})


class State(NamedTuple):
    """What a database says of itself: the version table's rows and the ledger's.

    ``last`` is the last transaction in its history.
    """

    revisions: tuple[str, ...]
    applied: tuple[Applied, ...]
    has_ledger: bool
    last: Transaction = NONE


EMPTY = State((), (), has_ledger=False)


def new_id() -> str:
    """Return the id of a deployment, backup or restore; ids sort by time."""
    from secrets import token_hex

    now = datetime.now(UTC).isoformat("T", "milliseconds")
    return f"{re.sub('[-:]', '', now[:23])}Z-{token_hex(3)}"


@cache
def who() -> str:
    """Return user@host, as the ledger shows it."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:255]


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


def read(session: Session) -> State:
    """Read the version table, the ledger and the history's end. Creates nothing."""
    prefix = session.table.prefix
    revisions: tuple[str, ...] = ()
    if session.columns(VERSION_TABLE):
        found = session.rows(f"SELECT version_num FROM {prefix}{VERSION_TABLE}")
        revisions = tuple(sorted(row["version_num"] for row in found))
    columns = session.columns(LEDGER)
    if not columns:
        return State(revisions, (), has_ledger=False)
    rows = session.rows(
        f"SELECT *, CAST(applied_at AS varchar(23)) AS at FROM {prefix}{LEDGER}"
        " ORDER BY version, id"
    )
    applied = {
        row["version"]: Applied(
            number=row["version"],
            stem=row["migration_name"],
            applied_at=row["at"] or "",
            checksum=row.get("checksum") or "",
            deployment=row.get("deployment") or "",
            applied_by=row.get("applied_by") or "",
            milliseconds=row.get("milliseconds"),
            method=row.get("method") or "",
        )
        for row in rows
    }
    return State(revisions, tuple(applied.values()), True, _last(session))


def history(session: Session) -> list[dict[str, Any]]:
    """Return every step that was recorded, oldest first. Creates nothing."""
    if not session.columns(HISTORY):
        return []
    return session.rows(
        "SELECT id, CAST(at AS varchar(26)) AS at, deployment, action, version,"
        " migration_name, applied_by, milliseconds, checksum"
        f" FROM {session.table.prefix}{HISTORY} ORDER BY id"
    )


def _last(session: Session) -> Transaction:
    columns = session.columns(HISTORY)
    if not {name for name, _ in HISTORY_COLUMNS} <= set(columns):
        return NONE
    rows = session.rows(
        f"SELECT transaction_id, databases FROM {session.table.prefix}{HISTORY}"
        " ORDER BY id DESC LIMIT 1"
    )
    if not rows:
        return NONE
    pairs = (pair.partition("=") for pair in (rows[0]["databases"] or "").split())
    return Transaction(
        rows[0]["transaction_id"],
        {name: int(head) if head.isdecimal() else None for name, _, head in pairs},
    )


def goal(heads: Mapping[str, Migration | None]) -> str:
    """Return where a transaction takes each of its databases, as an Entry has it."""
    return " ".join(
        f"{name}={head.number if head else 'base'}" for name, head in heads.items()
    )


def committed(session: Session, transaction: str) -> bool:
    """Say whether steps of ``transaction`` are in the database's history."""
    if not session.columns(HISTORY):
        return False
    return bool(
        session.rows(
            f"SELECT 1 FROM {session.table.prefix}{HISTORY}"
            f" WHERE transaction_id = {quote(transaction)}"
        )
    )


def tables(table: Table) -> str:
    """Return the SQL that makes the three tables where they are missing."""
    create = f"CREATE TABLE IF NOT EXISTS {table.prefix}"
    return (
        f"{create}{VERSION_TABLE} (version_num varchar(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num));\n"
        f"{create}{LEDGER} {columns(table)};\n" + _history(table)
    )


def _history(table: Table) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {table.prefix}{HISTORY}"
        f" (id {table.key} PRIMARY KEY,"
        f" at {table.timestamp} NOT NULL DEFAULT ({table.now}),"
        " deployment varchar(64) NOT NULL, transaction_id varchar(200) NOT NULL,"
        " action varchar(16) NOT NULL, version integer,"
        " migration_name varchar(255) NOT NULL, applied_by varchar(255),"
        " milliseconds integer, checksum varchar(64), databases text);\n"
    )


def columns(table: Table) -> str:
    """Return the ledger's columns, as CREATE TABLE wants them."""
    extra = "".join(f", {name} {kind}" for name, kind in EXTRA_COLUMNS)
    return (
        f"(id {table.key} PRIMARY KEY, version integer NOT NULL,"
        " migration_name varchar(255) NOT NULL,"
        f" applied_at {table.timestamp} DEFAULT ({table.now}){extra})"
    )


def ensure(session: Session) -> None:
    """Make the tables, and give a documented four-column ledger the other columns."""
    session.execute(tables(session.table))
    _add_missing(session, LEDGER, EXTRA_COLUMNS)
    _add_missing(session, HISTORY, HISTORY_COLUMNS)


def _add_missing(session: Session, table: str, wanted: Columns) -> None:
    there = session.columns(table)
    for name, kind in wanted:
        if name not in there:
            session.execute(
                f"ALTER TABLE {session.table.prefix}{table} ADD COLUMN {name} {kind};"
            )


class Record(NamedTuple):
    """A migration that was run, the checksum of its file, and who did it."""

    migration: Migration
    checksum: str
    entry: Entry


def applied(table: Table, records: Sequence[Record]) -> str:
    """Return the SQL that records migrations as applied, the last one as the head."""
    return (
        _rows(table, records)
        + _head(table, records[-1].migration.revision)
        + _events(table, records)
    )


def undone(table: Table, records: Sequence[Record], below: Migration | None) -> str:
    """Return the SQL that records migrations as undone, ``below`` being the head."""
    numbers = ", ".join(str(record.migration.number) for record in records)
    return (
        f"DELETE FROM {table.prefix}{LEDGER} WHERE version IN ({numbers});\n"
        + _head(table, below.revision if below else None)
        + _events(table, [record._replace(checksum="") for record in records])
    )


def stamped(table: Table, kept: Sequence[tuple[Migration, str]], entry: Entry) -> str:
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
    table: Table, checksums: Iterable[tuple[Migration, str]], entry: Entry
) -> str:
    """Return the SQL that records other bytes for applied migrations."""
    return "".join(
        f"UPDATE {table.prefix}{LEDGER} SET checksum = {quote(checksum)}"
        f" WHERE version = {migration.number};\n"
        + _events(table, [(migration, checksum, entry)])
        for migration, checksum in checksums
    )


def note_restore(session: Session, state: State, entry: Entry) -> None:
    """Note in the history, made where it is missing, that a backup came back.

    ``state`` is what the backup brought.
    """
    table = session.table
    head = state.applied[-1] if state.applied else None
    session.execute(_history(table))
    _add_missing(session, HISTORY, HISTORY_COLUMNS)
    session.execute(_events(table, [(head, head.checksum if head else "", entry)]))


_LEDGER_COLUMNS = (
    "(version, migration_name, applied_at, checksum, deployment, applied_by,"
    " milliseconds, method)"
)
_HISTORY_COLUMNS = (
    "(at, deployment, transaction_id, action, version, migration_name, applied_by,"
    " milliseconds, checksum, databases)"
)


def _rows(table: Table, records: Iterable[Record]) -> str:
    values = (f"({_values(table, record)})" for record in records)
    return _insert(f"{table.prefix}{LEDGER} {_LEDGER_COLUMNS}", values)


def _unless_there(table: Table, record: Record) -> str:
    ledger = f"{table.prefix}{LEDGER}"
    return (
        f"INSERT INTO {ledger} {_LEDGER_COLUMNS} SELECT {_values(table, record)}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {ledger}"
        f" WHERE version = {record.migration.number});\n"
    )


def _values(table: Table, record: Record) -> str:
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


def _head(table: Table, revision: str | None) -> str:
    sql = f"DELETE FROM {table.prefix}{VERSION_TABLE};\n"
    if revision:
        sql += (
            f"INSERT INTO {table.prefix}{VERSION_TABLE} (version_num)"
            f" VALUES ({quote(revision)});\n"
        )
    return sql


def _events(
    table: Table, records: Iterable[tuple[Migration | Applied | None, str, Entry]]
) -> str:
    values = (f"({_event(table, *record)})" for record in records)
    return _insert(f"{table.prefix}{HISTORY} {_HISTORY_COLUMNS}", values)


def _event(
    table: Table, migration: Migration | Applied | None, checksum: str, entry: Entry
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
