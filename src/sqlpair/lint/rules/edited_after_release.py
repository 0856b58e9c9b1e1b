"""A migration was edited after its release."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.project.presence import exists


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Ask git whether a file differs from the one on the main branch."""
    if subject.released is None:
        return
    for path in (subject.migration.up, subject.migration.down):
        if subject.relative(path) in subject.released.changed:
            there = exists(path)
            where = subject.down if path == subject.migration.down else subject.up
            yield RuleMatch(
                where or subject.up,
                1,
                f"{path.name} is on {subject.released.branch} and"
                f" {'was edited here' if there else 'is missing here'}: where it was"
                " applied, the change is never applied",
                f"git checkout {subject.released.commit[:12]} --"
                f" {subject.relative(path)}  -- and put the change in a new migration",
            )
