"""The ledger: which migrations a database has applied, and from which bytes.

Four tables, one room:

- ``schema_version``, the ledger: a row means applied; downgrading deletes it.
- ``alembic_version``, Alembic's own: the head of the branch.
- ``schema_history``: what every step did, append-only. It also names the
  transaction a step was part of, and where that took each of its databases, which
  resolves a deployment that died between two databases' commits.
- ``schema_repeatable``: what ran of repeatable files (see ``ledger/repeatable.py``).

What changes their rows is in ``ledger/write_sql.py``. Nothing here commits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Session
from sqlpair.databases.quoting import quote
from sqlpair.errors import HistoryError, printable, several
from sqlpair.ledger import repeatable
from sqlpair.ledger.one_query import Part, Texts, ask
from sqlpair.ledger.repeatable import Repeated
from sqlpair.project.migrations import Migration

# After the four documented columns; each may be left out by another program's INSERT.
EXTRA_COLUMNS = (
    ("checksum", "varchar(64)"),
    ("deployment", "varchar(64)"),
    ("applied_by", "varchar(255)"),
    ("milliseconds", "integer"),
    ("method", "varchar(16)"),
    ("rollback_checksum", "varchar(64)"),
    ("module_checksum", "varchar(64)"),
    ("rollback", "text"),
)
# All but the rollbacks, which are long.
_READ = ["version", "migration_name", "applied_at"]
_READ += [name for name, _ in EXTRA_COLUMNS[:-1]]
_LAST = ("transaction_id", "databases", "action")
# Of each bookkeeping table, the columns without which it is another program's.
NEEDED = {
    "version": {"version_num"},
    "ledger": {"id", "version", "migration_name", "applied_at"},
    "history": {"id", "at", "deployment", "transaction_id", "action"},
    "repeatable": {*repeatable.COLUMNS},
}
Columns = tuple[tuple[str, str], ...]
TableColumns = Mapping[str, Sequence[str]]
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
    rollback_checksum: str = ""
    module_checksum: str = ""


class Transaction(NamedTuple):
    """One transaction over several databases: its name, and where it took each.

    ``databases`` maps a name to the number of its head, ``None`` for base. ``action``
    is what its last step there was.
    """

    name: str
    databases: dict[str, int | None]
    action: str = ""

    @property
    def deployment(self) -> str:
        """The id of its deployment."""
        return self.name.partition("/")[0]

    @property
    def order(self) -> tuple[str, int]:
        """Sorts by time: the tenth stage of a deployment comes after the second."""
        deployment, _, stage = self.name.partition("/")
        return deployment, int(stage) if stage.isdecimal() else 0


NONE = Transaction("", {})


class Records(NamedTuple):
    """What a database says of itself: the version table's rows and the ledger's.

    ``last`` is the last transaction in its history, ``repeated`` what ran of repeatable
    files, oldest first. ``there`` is what the tables are by now, and ``undecided`` are
    transactions that a run has prepared and not ended.
    """

    revisions: tuple[str, ...]
    applied: tuple[Applied, ...]
    has_ledger: bool
    last: Transaction = NONE
    repeated: tuple[Repeated, ...] = ()
    there: TableColumns = MappingProxyType({})
    undecided: tuple[str, ...] = ()

    @property
    def exist(self) -> bool:
        """Whether there is a ledger, or Alembic says where the database is."""
        return self.has_ledger or bool(self.revisions)


EMPTY = Records((), (), has_ledger=False)


@cache
def who() -> str:
    """Return user@host, as the ledger shows it."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return printable(f"{user}@{os.uname().nodename}")[:255]


def read(session: Session) -> Records:
    """Read the version table, the ledger and the history's end. Creates nothing."""
    table, names = session.table, session.table.names
    there, undecided = session.look(*names)
    for role, name in names._asdict().items():
        _refuse_anothers(session, role, name, there[name])
    parts = []
    if there[names.version]:
        parts.append(Part("version", table.version, ("version_num",)))
    ledger = [name for name in _READ if name in there[names.ledger]]
    if ledger:
        rows = f"(SELECT * FROM {table.ledger} ORDER BY version, id) AS rows_of_it"
        parts.append(Part("ledger", rows, ledger))
        if there[names.repeatable]:
            parts.append(Part("repeatable", table.repeatable, Repeated._fields))
        if {name for name, _ in HISTORY_COLUMNS} <= {*there[names.history]}:
            last = f"(SELECT * FROM {table.history} ORDER BY id DESC LIMIT 1) AS last"
            parts.append(Part("history", last, _LAST))
    found = ask(session, parts)
    return Records(
        tuple(sorted(row["version_num"] or "" for row in found["version"])),
        _applied(session, found["ledger"]),
        bool(ledger),
        _last(found["history"]),
        repeatable.read(found["repeatable"]),
        there,
        tuple(undecided),
    )


def _applied(session: Session, rows: Texts) -> tuple[Applied, ...]:
    numbered = [(_number(session, row["version"]), row) for row in rows]
    numbered.sort(key=itemgetter(0))
    applied = {
        number: Applied(
            number=number,
            stem=row["migration_name"] or "",
            applied_at=(row["applied_at"] or "")[:23],
            checksum=row.get("checksum") or "",
            deployment=row.get("deployment") or "",
            applied_by=row.get("applied_by") or "",
            milliseconds=int(took) if (took := row.get("milliseconds")) else None,
            method=row.get("method") or "",
            rollback_checksum=row.get("rollback_checksum") or "",
            module_checksum=row.get("module_checksum") or "",
        )
        for number, row in numbered
    }
    return tuple(applied.values())


def _refuse_anothers(
    session: Session, role: str, table: str, columns: list[str]
) -> None:
    """HistoryError if a bookkeeping table is another program's.

    ``role`` is its field in ``BookkeepingTables``.
    """
    if not columns or NEEDED[role] <= {*columns}:
        return
    name = session.database.name
    if role == "version":
        remedy = "Rename it, and what uses it."
    else:
        remedy = (
            "Let sqlpair's tables have names that are free, in every database. In"
            " [alembic] of alembic.ini:\nledger_table = NAME"
        )
    if session.database.driver == "postgresql":
        remedy += (
            f"\nOr make a schema for them. In [{name}] of alembic.ini:"
            "\nledger_schema = NAME"
        )
    raise HistoryError(
        f"{name}: the table {table} is another program's",
        [
            f"its columns: {several(columns)}",
            f"in sqlpair's there are {several(sorted(NEEDED[role]))}",
        ],
        f"{remedy}\nNothing was changed.",
    )


def _number(session: Session, version: Any) -> int:
    try:
        return int(version)
    except (TypeError, ValueError):
        where = f"{session.database.name}: {session.table.names.ledger}"
        raise HistoryError(
            f"{where} holds a version that is not a number",
            [f"version: {version}"],
            "Correct or delete that row.",
        ) from None


def rollbacks(session: Session, numbers: Iterable[int]) -> dict[int, str]:
    """Return the rollbacks that the ledger keeps of the migrations with ``numbers``."""
    wanted = ", ".join(map(str, numbers))
    ledger = session.table.names.ledger
    if not wanted or "rollback" not in session.look(ledger).columns[ledger]:
        return {}
    rows = session.rows(
        f"SELECT version, rollback FROM {session.table.ledger}"
        f" WHERE version IN ({wanted}) AND rollback <> ''"
    )
    return {_number(session, row["version"]): row["rollback"] for row in rows}


def history(session: Session) -> list[dict[str, Any]]:
    """Return every step that was recorded, oldest first. Creates nothing."""
    own = session.table.names.history
    if not session.look(own).columns[own]:
        return []
    return session.rows(
        "SELECT id, CAST(at AS varchar(26)) AS at, deployment, action, version,"
        " migration_name, applied_by, milliseconds, checksum"
        f" FROM {session.table.history} ORDER BY id"
    )


def _last(rows: Texts) -> Transaction:
    if not rows:
        return NONE
    (row,) = rows
    pairs = (pair.partition("=") for pair in (row["databases"] or "").split())
    return Transaction(
        row["transaction_id"] or "",
        {name: int(head) if head.isdecimal() else None for name, _, head in pairs},
        row["action"] or "",
    )


def goal(heads: Mapping[str, Migration | None]) -> str:
    """Return where a transaction takes each of its databases, as an Entry has it."""
    return " ".join(
        f"{name}={head.number if head else 'base'}" for name, head in heads.items()
    )


def committed(session: Session, transaction: str) -> bool:
    """Say whether steps of ``transaction`` are in the database's history."""
    own = session.table.names.history
    if not session.look(own).columns[own]:
        return False
    return bool(
        session.rows(
            f"SELECT 1 FROM {session.table.history}"
            f" WHERE transaction_id = {quote(transaction)}"
        )
    )


def tables(table: BookkeepingSQL) -> str:
    """Return the SQL that makes the three tables where they are missing."""
    create = "CREATE TABLE IF NOT EXISTS"
    return (
        f"{create} {table.version} (version_num varchar(32) NOT NULL,"
        f" CONSTRAINT {table.names.version}_pkc PRIMARY KEY (version_num));\n"
        f"{create} {table.ledger} {columns(table)};\n" + history_table(table)
    )


def history_table(table: BookkeepingSQL) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {table.history}"
        f" (id {table.key} PRIMARY KEY,"
        f" at {table.timestamp} NOT NULL DEFAULT ({table.now}),"
        " deployment varchar(64) NOT NULL, transaction_id varchar(200) NOT NULL,"
        " action varchar(16) NOT NULL, version integer,"
        " migration_name varchar(255) NOT NULL, applied_by varchar(255),"
        " milliseconds integer, checksum varchar(64), databases text);\n"
    )


def columns(table: BookkeepingSQL) -> str:
    """Return the ledger's columns, as CREATE TABLE wants them."""
    extra = "".join(f", {name} {kind}" for name, kind in EXTRA_COLUMNS)
    return (
        f"(id {table.key} PRIMARY KEY, version integer NOT NULL,"
        " migration_name varchar(255) NOT NULL,"
        f" applied_at {table.timestamp} DEFAULT ({table.now}){extra})"
    )


def ensure(session: Session) -> None:
    """Make the tables, and give a documented four-column ledger the other columns."""
    there = session.look(*session.table.names).columns
    session.execute(missing(session.table, there))


def missing(table: BookkeepingSQL, there: TableColumns) -> str:
    """Return the SQL that makes what is not ``there``, tables and columns."""
    names = table.names
    needed = (names.version, names.ledger, names.history)
    sql = "" if all(map(there.get, needed)) else tables(table)
    later = {names.ledger: EXTRA_COLUMNS, names.history: HISTORY_COLUMNS}
    for name, wanted in later.items():
        if there.get(name):
            sql += add_missing(table, name, wanted, there[name])
    return sql


def add_missing(
    table: BookkeepingSQL, name: str, wanted: Columns, there: Sequence[str]
) -> str:
    """Return the SQL that adds the columns of ``wanted`` that are not ``there``."""
    return "".join(
        f"ALTER TABLE {table.prefix}{name} ADD COLUMN {column} {kind};\n"
        for column, kind in wanted
        if column not in there
    )
