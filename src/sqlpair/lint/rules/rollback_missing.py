"""A migration has no rollback, or an empty one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for the rollback file, and for a statement in it."""
    name = subject.migration.down.name
    if subject.down is None:
        yield RuleMatch(
            subject.up,
            1,
            f"{name} is missing: this migration cannot be undone",
            f"Write {name}, with statements that undo this file, in reverse order.",
        )
    elif subject.up.statements and not (
        subject.down.statements or subject.down.refused
    ):
        yield RuleMatch(
            subject.down,
            1,
            f"the rollback has no statement, and {subject.migration.up.name} has:"
            " a downgrade would undo nothing and report success",
            "Write statements that undo it, in reverse order.",
        )
