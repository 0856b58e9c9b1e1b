"""A name contains a word that the project forbids in names."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.names import contains
from sqlpair.lint.subject import RuleMatch, Subject

_KINDS = ("TABLE", "TYPE", "VIEW", "DOMAIN", "SCHEMA")


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at the names of what is created or renamed, and of new columns."""
    for what, name, line in _new_names(subject):
        for word, reason in subject.configuration.forbidden_names.items():
            if contains(name, word):
                yield RuleMatch(
                    subject.up,
                    line,
                    f"{what} has the forbidden word {word}: {reason}",
                    f"Choose a name without {word}; the forbidden words are in"
                    " pyproject.toml [tool.sqlpair.lint.forbidden-names]",
                )


def _new_names(subject: Subject) -> Iterator[tuple[str, str, int]]:
    """Yield what has a new name, the name as it is written, and its line."""
    for parsed in subject.up.statements:
        head = parsed.head
        if head and head.action == "CREATE" and head.kind in _KINDS:
            what = f"{head.kind.lower()} {head.names[0]}"
            yield what, head.spelling, parsed.line_at(head.offset)
        if not head or head.kind != "TABLE":
            continue
        for action in parsed.actions:
            if action.what == "rename table" and action.name:
                line = parsed.line_at(action.name.start)
                yield f"table {action.name.name}", action.name.spelling, line
            elif action.what == "rename column":
                new = action.rest[0]
                what = f"column {head.names[0]}.{new.name}"
                yield what, new.spelling, parsed.line_at(new.start)
    for table, column in subject.new_columns():
        yield f"column {table.name}.{column.name}", column.spelling, column.line
