"""Applied migrations whose files have another name or number now, and the same text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlpair.ledger.tables import Applied
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration


class Rename(NamedTuple):
    """A row of the ledger, and the file with its text, which no row names."""

    row: Applied
    migration: Migration


def renames(branch: Branch, rows: Sequence[Applied]) -> tuple[Rename, ...]:
    """Return the renamed ones, in the order in which they were applied.

    Where several files have one text, each row gets the next of them.
    """
    stems = {item.stem for item in branch.migrations}
    gone = [row for row in rows if row.stem not in stems and row.checksum]
    if not gone:
        return ()
    known = {row.stem for row in rows}
    free = [item for item in branch.migrations if item.stem not in known]
    sums = {item: sql_file.checksum_of(item.up) for item in free}
    found = []
    for row in gone:
        same = [item for item in free if sums[item] == row.checksum]
        if same:
            found.append(Rename(row, same[0]))
            free.remove(same[0])
    return tuple(found)
