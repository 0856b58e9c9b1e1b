"""The parser cannot read a statement, so no rule has looked into it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import Problem, Subject


def check(subject: Subject) -> Iterator[Problem]:
    """Say which statements were not read."""
    for script, parsed, reason in subject.unread:
        yield Problem(
            script,
            parsed.line,
            f"not read, so no rule has looked into it: {reason}",
            "Look at it yourself, and say so above it:"
            " -- lint: allow unparsed: what it does",
        )
