"""A ledger that still names migrations whose files were squashed into one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.quoting import quote
from sqlpair.errors import HistoryError, several
from sqlpair.ledger.tables import Applied, Records
from sqlpair.project import squashed
from sqlpair.project.branches import Branch


def error(branch: Branch, state: Records) -> HistoryError | None:
    """Return what is to be said of such a ledger; None for any other."""
    rows = left(branch, state)
    if not rows:
        return None
    return _incomplete(branch, rows) or HistoryError(
        f"{branch.name}: the ledger names migrations that were squashed into"
        f" {branch.migrations[0].stem}",
        [several([row.stem for row in rows])],
        "Let it name that one instead: sqlpair repair\nNothing was changed.",
    )


def whole(branch: Branch, state: Records) -> tuple[Applied, ...]:
    """Return ``left``; HistoryError unless that is all that the first file replaces."""
    rows = left(branch, state)
    if rows and (fault := _incomplete(branch, rows)):
        raise fault
    return rows


def _incomplete(branch: Branch, rows: Sequence[Applied]) -> HistoryError | None:
    """Say what of the replaced migrations is not among ``rows``, or has other SQL."""
    first = branch.migrations[0]
    applied = {row.stem: row.checksum for row in rows}
    replaced = squashed.read(first.up)
    missing = [item.stem for item in replaced if item.stem not in applied]
    other = [
        item.stem
        for item in replaced
        if applied.get(item.stem) not in (None, "", item.checksum)
    ]
    told = [f"not applied: {several(missing)}"] if missing else []
    told += [f"applied with another text: {several(other)}"] if other else []
    if not told:
        return None
    return HistoryError(
        f"{branch.name}: the database is not where {first.stem} begins",
        [*told, f"last applied of what it replaces: {rows[-1].stem}"],
        "Bring it there from the commit before the squash: sqlpair migrate\n"
        "Then, in this checkout: sqlpair repair. Nothing was changed.",
    )


def forgotten(branch: Branch, table: BookkeepingSQL) -> str:
    """Return the SQL that takes out the row whose number the first file has now."""
    first = branch.migrations[0]
    if not squashed.read(first.up):
        return ""
    return (
        f"DELETE FROM {table.ledger} WHERE version = {first.number}"
        f" AND migration_name <> {quote(first.stem)};\n"
    )


def left(branch: Branch, state: Records) -> tuple[Applied, ...]:
    """Return the rows of migrations that the first file of the branch replaces."""
    if not branch.migrations:
        return ()
    first = branch.migrations[0]
    if not any(row.number < first.number for row in state.applied):
        return ()
    stems = {item.stem for item in squashed.read(first.up)}
    return tuple(row for row in state.applied if row.stem in stems)
