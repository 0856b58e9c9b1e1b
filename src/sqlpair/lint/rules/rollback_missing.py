"""A migration has no rollback, or one that does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import Problem, Subject


def check(subject: Subject) -> Iterator[Problem]:
    """Look for the rollback file, and for a statement in it."""
    name = subject.migration.down.name
    if subject.down is None:
        yield Problem(
            subject.up,
            1,
            f"{name} is missing: this migration cannot be undone",
            f"Write {name}: what undoes this file, in reverse order.",
        )
    elif subject.up.statements and not (
        subject.down.statements or subject.down.refused
    ):
        yield Problem(
            subject.down,
            1,
            f"the rollback does nothing, and {subject.migration.up.name} does"
            " something: a downgrade would say that it is undone",
            "Write what undoes it, in reverse order.",
        )
