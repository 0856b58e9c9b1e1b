"""A number is skipped, or a new migration is numbered below a released one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at the number before, in all databases, and at what is released."""
    own = subject.migration
    below = [item.number for item in subject.everything if item.number < own.number]
    if below and max(below) < own.number - 1:
        yield RuleMatch(
            subject.up,
            1,
            f"{own.number:03} follows {max(below):03}: a number is skipped,"
            " and it is not clear whether a file is missing",
            f"sqlpair renumber {subject.relative(own.up)}",
        )
    later = [
        item
        for item in subject.everything
        if item.number > own.number and subject.is_released(item)
    ]
    if later and not subject.is_released(own):
        yield RuleMatch(
            subject.up,
            1,
            f"{own.number:03} is new and below {later[-1].database} {later[-1].stem},"
            " which is released: where that one was applied, this one never runs",
            f"sqlpair renumber {subject.relative(own.up)}",
        )
