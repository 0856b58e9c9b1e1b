"""What a rule needs to know of the whole history of a database."""

from __future__ import annotations

from sqlpair.lint.model import Table
from sqlpair.lint.subject import Subject


def lacking_index(
    subject: Subject, table: Table, columns: tuple[str, ...], new: int
) -> int:
    """Return the line of the finding that ``columns`` have no index; 0 for none.

    ``new`` is the line on which the migration adds what needs an index, or 0. The
    finding is there, or where the last index is dropped. There is none if a later
    migration creates an index, or drops the table or column.
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
