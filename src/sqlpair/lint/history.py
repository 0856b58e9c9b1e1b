"""What the whole history of a database says, where one file would mislead."""

from __future__ import annotations

from sqlpair.lint.model import Table
from sqlpair.lint.subject import Subject


def lacking_index(
    subject: Subject, table: Table, columns: tuple[str, ...], new: int
) -> int:
    """Return the line to blame for ``columns`` without an index; 0 for none.

    ``new`` is the line on which the migration brings what needs one, or 0. Blamed is
    that, or what takes the last index away, and only where no later migration makes
    an index or drops table or column.
    """
    final = subject.final.tables.get(table.name)
    if table.leads(columns) or final is None or final.leads(columns):
        return 0
    if not final.opaque and not set(columns) <= set(final.columns):
        return 0
    before = subject.before.tables.get(table.name)
    if new or before is None or not before.leads(columns):
        return new
    lines = [event.line for event in subject.after.events if event.table == table.name]
    return max(lines, default=table.line)
