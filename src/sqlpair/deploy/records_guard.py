"""Files that drop or change what records which migrations are applied.

A file that names those tables is compared before and after, so that it can be named.
One that reaches them otherwise, by a function, a trigger or SQL that it puts together,
is caught at the end: the ledger has to name as many migrations as it should.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Session
from sqlpair.errors import HistoryError, Interrupted, SqlpairError
from sqlpair.ledger import tables
from sqlpair.ledger.tables import Records
from sqlpair.project.ledger_tables import NAMES
from sqlpair.project.sql_file import SqlFile
from sqlpair.runner.steps import Step

_GONE = ("42P01", "3F000")  # of PostgreSQL: a table, or its schema, is not there
_EDITS = "changes what records which migrations are applied"
_REMEDY = (
    "Take that out: a rollback undoes a migration, and sqlpair force-version sets"
    "\nthe version without running one."
)


def names(file: SqlFile, session: Session) -> bool:
    """Say whether a file may ask what was applied before it, as a script could."""
    return any(name in file.text for name in session.table.names)


def refuse_edited(step: Step, before: Records, session: Session) -> None:
    """Raise HistoryError where a file changed what is applied.

    Where it dropped or replaced a table, what looks for lost rows comes first, and
    what writes the records fails.
    """
    try:
        now = tables.read(session)
    except HistoryError:
        return
    was, is_ = (
        ([row.number for row in found.applied], found.revisions)
        for found in (before, now)
    )
    if now.has_ledger and was != is_:
        raise HistoryError(f"{step}: the file {_EDITS}", remedy=_REMEDY)


def sql(table: BookkeepingSQL, number: int) -> str:
    """Return SQL that fails unless the ledger names ``number`` migrations.

    No query: it goes to the server with what is written last, and waits for no answer.
    """
    return (
        f"INSERT INTO {table.version} (version_num) SELECT NULL WHERE {number}"
        f" <> (SELECT count(DISTINCT version) FROM {table.ledger});\n"
    )


def explain(error: SqlpairError | Interrupted, own: Iterable[BookkeepingSQL]) -> None:
    """Say it where a file has dropped or changed what records that it ran."""
    gone = getattr(error.__cause__, "pgcode", "") in _GONE
    gone = gone or "no such table" in error.what
    if gone and any(name in error.what for table in own for name in table.names):
        error.add("a file of this run drops it: it records what is applied")
        error.remedy = (
            "Let the file drop by name what the migrations made. With ledger_schema"
            "\nin alembic.ini these tables are in another schema of PostgreSQL."
        )
    # The column that the SQL above leaves empty.
    elif "version_num" in error.what and NAMES.version in error.what:
        name = error.what.partition(":")[0]
        error.what = f"{name}: a file of this run {_EDITS}"
        error.evidence = tuple(e for e in error.evidence if "(null)" not in e)
        error.remedy = _REMEDY
