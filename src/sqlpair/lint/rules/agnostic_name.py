"""A table, column, type or index is named after a strategy, broker or environment."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.names import is_boolean, words
from sqlpair.lint.subject import Problem, Subject

_KINDS = ("TABLE", "TYPE", "VIEW", "DOMAIN")
_GENERIC = {
    "strategies": ("strategy", "a strategy_name and a config column hold it"),
    "brokers": ("broker", "a broker column holds it"),
    "environments": ("environment", "an environment column holds it"),
}


def check(subject: Subject) -> Iterator[Problem]:
    """Look at the names of new columns, and of everything that is created."""
    for parsed in subject.up.statements:
        head = parsed.head
        if head and head.action == "CREATE" and head.kind in _KINDS:
            line = parsed.line_at(head.offset)
            what = f"{head.kind.lower()} {head.names[0]}"
            yield from _problems(subject, what, head.spelling, line)
    for table, column in subject.new_columns():
        of_environment = words(column.spelling) & subject.configuration.environments
        if not (of_environment and is_boolean(column)):  # another rule's matter
            what = f"column {table.name}.{column.name}"
            yield from _problems(subject, what, column.spelling, column.line)


def _problems(subject: Subject, what: str, name: str, line: int) -> Iterator[Problem]:
    for setting, (noun, held) in _GENERIC.items():
        for word in sorted(words(name) & getattr(subject.configuration, setting)):
            yield Problem(
                subject.up,
                line,
                f"{what} is named after one {noun}, {word}: the next one needs"
                " another migration, and other code",
                _instead(noun, held),
            )


def _instead(noun: str, held: str) -> str:
    column = "strategy_name text NOT NULL, config jsonb NOT NULL DEFAULT '{}'"
    if noun != "strategy":
        column = f"{noun} text NOT NULL"
    return f"{column}  -- {held}, as a value"
