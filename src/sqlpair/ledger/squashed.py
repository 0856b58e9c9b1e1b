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
    first = branch.migrations[0]
    if told := _differences(branch, rows):
        return HistoryError(
            f"{branch.name}: the database is not where {first.stem} begins",
            [*told, f"last applied of what it replaces: {rows[-1].stem}"],
            "Bring it there from the commit before the squash: sqlpair migrate\n"
            "Then, in this checkout: sqlpair repair. Nothing was changed.",
        )
    return HistoryError(
        f"{branch.name}: the ledger names migrations that were squashed into"
        f" {first.stem}",
        [several([row.stem for row in rows])],
        "Let it name that one instead: sqlpair repair\nNothing was changed.",
    )


def is_whole(branch: Branch, rows: Sequence[Applied]) -> bool:
    """Whether ``rows`` are all that the first file replaces, with the same texts."""
    return not _differences(branch, rows)


def _differences(branch: Branch, rows: Sequence[Applied]) -> list[str]:
    applied = {row.stem: row.checksum for row in rows}
    replaced = squashed.read(branch.migrations[0].up)
    missing = [item.stem for item in replaced if item.stem not in applied]
    other = [
        item.stem
        for item in replaced
        if applied.get(item.stem) not in (None, "", item.checksum)
    ]
    told = [f"not applied: {several(missing)}"] if missing else []
    return told + ([f"applied with another text: {several(other)}"] if other else [])


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
