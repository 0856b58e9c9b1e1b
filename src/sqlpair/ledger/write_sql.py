"""What the ledger is told, as SQL text.

A deployment and an ``--sql`` script write the same. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Session
from sqlpair.databases.quoting import quote
from sqlpair.ledger.applied_files import NONE, AppliedFiles
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
    """A migration that was run, what is kept of its files, and who did it."""

    migration: Migration
    files: AppliedFiles
    entry: Entry


def applied(table: BookkeepingSQL, records: Sequence[Record]) -> str:
    """Return the SQL that records migrations as applied, the last one as the head."""
    return (
        _rows(table, records)
        + _head(table, records[-1].migration.revision)
        + _events(table, [(it, files.checksum, entry) for it, files, entry in records])
    )


def undone(
    table: BookkeepingSQL, records: Sequence[Record], below: Migration | None
) -> str:
    """Return the SQL that records migrations as undone, ``below`` being the head."""
    numbers = ", ".join(str(record.migration.number) for record in records)
    return (
        f"DELETE FROM {table.ledger} WHERE version IN ({numbers});\n"
        + _head(table, below.revision if below else None)
        + _events(table, [(record.migration, "", record.entry) for record in records])
    )


def stamped(
    table: BookkeepingSQL,
    kept: Sequence[tuple[Migration, AppliedFiles]],
    entry: Entry,
    replaced: Iterable[str] = (),
) -> str:
    """Return the SQL that makes ledger and version table say ``kept``, no more.

    ``kept`` holds each migration up to the new head with what is kept of its files.
    Rows that are there already stay as they are. ``replaced`` are revisions of another
    project's in the version table, of which the history alone keeps the names.
    """
    ledger = table.ledger
    numbers = ", ".join(str(migration.number) for migration, _ in kept)
    others = f" WHERE version NOT IN ({numbers})" if kept else ""
    rows = "".join(
        _unless_there(table, Record(migration, files, entry))
        for migration, files in kept
    )
    head, files = kept[-1] if kept else (None, NONE)
    return (
        f"DELETE FROM {ledger}{others};\n"
        + rows
        + _head(table, head.revision if head else None)
        + _events(table, [(f"alembic_version {name}", "", entry) for name in replaced])
        + _events(table, [(head, files.checksum, entry)])
    )


def accepted(
    table: BookkeepingSQL,
    agreed: Iterable[tuple[Migration, AppliedFiles]],
    entry: Entry,
) -> str:
    """Return the SQL that records other files for applied migrations.

    What was recorded of a file that is not there stays.
    """
    return "".join(
        f"UPDATE {table.ledger} SET {_changes(files)}"
        f" WHERE version = {migration.number};\n"
        + _events(table, [(migration, files.checksum, entry)])
        for migration, files in agreed
    )


def renamed(
    table: BookkeepingSQL,
    agreed: Sequence[tuple[Applied, Migration, AppliedFiles]],
    head: Migration,
    entry: Entry,
) -> str:
    """Return the SQL that gives rows the name and number that their files have now.

    All else stays. ``head`` is the last applied migration.
    """
    return (
        "".join(
            f"UPDATE {table.ledger} SET version = {item.number},"
            f" migration_name = {quote(item.stem)},"
            f" module_checksum = {_kept(files.module_checksum)}"
            f" WHERE version = {row.number} AND migration_name = {quote(row.stem)};\n"
            for row, item, files in agreed
        )
        + _head(table, head.revision)
        + _events(table, [(item, files.checksum, entry) for _, item, files in agreed])
    )


def squashed(
    table: BookkeepingSQL,
    rows: Sequence[Applied],
    into: Migration,
    files: AppliedFiles,
    entry: Entry,
) -> str:
    """Return the SQL that lets one row stand for ``rows``: the last, as ``into``."""
    ledger = table.ledger
    gone = ", ".join(quote(row.stem) for row in rows[:-1])
    return (
        f"DELETE FROM {ledger} WHERE migration_name IN ({gone});\n"
        f"UPDATE {ledger} SET version = {into.number},"
        f" migration_name = {quote(into.stem)}, method = 'squash', {_changes(files)}"
        f" WHERE migration_name = {quote(rows[-1].stem)};\n"
        + _events(table, [(into, files.checksum, entry)])
    )


class RepeatRecord(NamedTuple):
    """A repeatable file that ran at ``version``. Where rows are ``removed``, it was its
    earlier text, which has a row already.
    """

    name: str
    version: int
    checksum: str
    text: str
    undo: str
    removed: Sequence[int]
    entry: Entry


def repeated(table: BookkeepingSQL, records: Sequence[RepeatRecord]) -> str:
    """Return the SQL that records what ran of repeatable files."""
    own = table.repeatable
    removed = ", ".join(str(number) for one in records for number in one.removed)
    rows = (f"({_repeated(table, record)})" for record in records if not record.removed)
    return (
        (f"DELETE FROM {own} WHERE id IN ({removed});\n" if removed else "")
        + _insert(f"{own} {_REPEATABLE_COLUMNS}", rows)
        + _events(
            table,
            [
                (
                    f"repeatable/{one.name}",
                    "" if one.removed else one.checksum,
                    one.entry,
                )
                for one in records
            ],
        )
    )


def _repeated(table: BookkeepingSQL, record: RepeatRecord) -> str:
    entry = record.entry
    values = (
        quote(record.name),
        str(record.version),
        quote(record.checksum),
        _kept(record.text),
        _kept(record.undo),
        _literal(entry.at) if entry.at else table.now,
        quote(entry.deployment),
        _literal(entry.who),
        _literal(entry.milliseconds),
    )
    return ", ".join(values)


def _changes(files: AppliedFiles) -> str:
    changed = files._asdict()
    if not files.rollback_checksum:
        del changed["rollback_checksum"], changed["rollback"]
    if not files.module_checksum:
        del changed["module_checksum"]
    return ", ".join(f"{name} = {_kept(value)}" for name, value in changed.items())


def note_restore(session: Session, state: Records, entry: Entry) -> None:
    """Note in the history, made where it is missing, that a backup brought it."""
    table = session.table
    head = state.applied[-1] if state.applied else None
    own = table.names.history
    sql = history_table(table)
    if there := session.look(own).columns[own]:
        sql = add_missing(table, own, HISTORY_COLUMNS, there)
    event = _events(table, [(head, head.checksum if head else "", entry)])
    session.execute(sql + event)


_LEDGER_COLUMNS = (
    "(version, migration_name, applied_at, checksum, deployment, applied_by,"
    " milliseconds, method, rollback_checksum, module_checksum, rollback)"
)
_REPEATABLE_COLUMNS = (
    "(name, version, checksum, text, undo, applied_at, deployment, applied_by,"
    " milliseconds)"
)
_HISTORY_COLUMNS = (
    "(at, deployment, transaction_id, action, version, migration_name, applied_by,"
    " milliseconds, checksum, databases)"
)


def _rows(table: BookkeepingSQL, records: Iterable[Record]) -> str:
    values = (f"({_values(table, record)})" for record in records)
    return _insert(f"{table.ledger} {_LEDGER_COLUMNS}", values)


def _unless_there(table: BookkeepingSQL, record: Record) -> str:
    ledger = table.ledger
    return (
        f"INSERT INTO {ledger} {_LEDGER_COLUMNS} SELECT {_values(table, record)}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {ledger}"
        f" WHERE version = {record.migration.number});\n"
    )


def _values(table: BookkeepingSQL, record: Record) -> str:
    migration, files, entry = record
    values = (
        str(migration.number),
        quote(migration.stem),
        _literal(entry.at) if entry.at else table.now,
        quote(files.checksum),
        quote(entry.deployment),
        _literal(entry.who),
        _literal(entry.milliseconds),
        quote(entry.method),
        _kept(files.rollback_checksum),
        _kept(files.module_checksum),
        _kept(files.rollback),
    )
    return ", ".join(values)


def _insert(into: str, values: Iterable[str]) -> str:
    """Return INSERTs of many rows, none of much more than half a megabyte.

    Some builds of SQLite take a million bytes a statement.
    """
    groups: list[list[str]] = []
    room = 0
    for row in values:
        if room < len(row) or not groups:
            groups.append([])
            room = 500_000
        groups[-1].append(row)
        room -= len(row)
    return "".join(
        f"INSERT INTO {into} VALUES {', '.join(group)};\n" for group in groups
    )


def _head(table: BookkeepingSQL, revision: str | None) -> str:
    sql = f"DELETE FROM {table.version};\n"
    if revision:
        sql += (
            f"INSERT INTO {table.version} (version_num) VALUES ({quote(revision)});\n"
        )
    return sql


def _events(
    table: BookkeepingSQL,
    records: Iterable[tuple[Migration | Applied | str | None, str, Entry]],
) -> str:
    values = (f"({_event(table, *record)})" for record in records)
    return _insert(f"{table.history} {_HISTORY_COLUMNS}", values)


def _event(
    table: BookkeepingSQL,
    migration: Migration | Applied | str | None,
    checksum: str,
    entry: Entry,
) -> str:
    number, name = None, migration or "base"
    if not isinstance(name, str):
        number, name = name.number, name.stem
    values = (
        _literal(entry.at) if entry.at else table.now,
        quote(entry.deployment),
        quote(entry.transaction),
        quote(entry.method),
        _literal(number),
        quote(name),
        _literal(entry.who),
        _literal(entry.milliseconds),
        quote(checksum),
        quote(entry.databases),
    )
    return ", ".join(values)


def _kept(value: str) -> str:
    return _literal(value or None)


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    return quote(value) if isinstance(value, str) else str(value)
