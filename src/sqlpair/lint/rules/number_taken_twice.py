"""Two migrations have one number."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.project.migrations import Migration


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for another migration of the number; 000 may be in each database."""
    own = subject.migration
    others = [
        item
        for item in subject.everything
        if item.number == own.number
        and item != own
        and (own.number or item.database == own.database)
    ]
    # One finding, for the one that is not released or comes later in the alphabet.
    if others and own == max([own, *others], key=lambda item: _rank(subject, item)):
        names = ", ".join(f"{item.database} {item.stem}" for item in others)
        yield RuleMatch(
            subject.up,
            1,
            f"the number {own.number:03} is taken twice, also by {names}: their order"
            " is not defined, and a version means two states",
            f"sqlpair renumber {subject.relative(own.up)}",
        )


def _rank(subject: Subject, item: Migration) -> tuple[bool, Migration]:
    return (not subject.is_released(item), item)
