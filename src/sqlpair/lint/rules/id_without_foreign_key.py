"""A column ends in _id and has no foreign key."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.lint.types import is_text


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at new columns; a key added by a later migration counts.

    A text is another system's id where no table here has texts for its primary key.
    """
    has_text_keys = any(
        is_text(table.columns[name].declared)
        for table in subject.final.tables.values()
        for name in table.primary_key
        if name in table.columns
    )
    for table, column in subject.new_columns():
        final = subject.final.tables.get(table.name, table)
        keys = {
            name for t in (table, final) for k in t.foreign_keys for name in k.columns
        }
        name = column.name.lower()
        place = f"{subject.database.name}.{table.name.lower()}.{name}"
        if (
            not name.endswith("_id")
            or column.name in keys
            or (is_text(column.declared) and not has_text_keys)
            or table.primary_key == (column.name,)
            or place in subject.configuration.references
            or (final.columns and column.name not in final.columns)
        ):
            continue
        target = subject.sql(column.name[: -len("_id")] + "s")
        yield RuleMatch(
            subject.up,
            column.line,
            f"{table.name}.{column.name} looks like a reference and has no foreign key:"
            " it can hold the id of a row that does not exist",
            f"{subject.sql(column.name)} {column.declared} REFERENCES {target} (id)"
            " ON DELETE CASCADE  -- for a row of another database: list the column in"
            " pyproject.toml [tool.sqlpair.references]",
        )
