"""A boolean stands for an environment."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.names import is_boolean, words
from sqlpair.lint.subject import Problem, Subject


def check(subject: Subject) -> Iterator[Problem]:
    """Look for new boolean columns named after an environment."""
    environments = subject.configuration.environments
    for table, column in subject.new_columns():
        word = min(words(column.spelling) & environments, default="")
        if word and is_boolean(column):
            yield Problem(
                subject.up,
                column.line,
                f"{table.name}.{column.name} is a boolean for the environment {word}:"
                " a third environment has no value in it",
                "environment text NOT NULL CHECK (environment IN ('live', 'testnet'))",
            )
