"""A statement cannot be read, so no rule has checked it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.rules.sqlite_alter import faults
from sqlpair.lint.subject import RuleMatch, Subject

INSTEAD = "Review it yourself, and put above it: -- lint: allow unparsed: what it does"


def message(reason: str, what: str = "cannot be read") -> str:
    """Say that a statement was not read."""
    return f"this statement {what}, so the rules have not checked it: {reason}"


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Report the statements that were not read."""
    sqlite = subject.database.driver == "sqlite"
    for script, parsed, reason in subject.unread:
        if sqlite and any(faults(parsed)):
            continue  # sqlite-alter reports it
        what = "is not valid" if reason == parsed.invalid else "cannot be read"
        yield RuleMatch(script, parsed.line, message(reason, what), INSTEAD)
