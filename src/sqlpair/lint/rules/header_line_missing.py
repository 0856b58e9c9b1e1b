"""The header of a migration lacks a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject

_LINES = {
    "Why:": "-- Why: which need this answers.",
    "Locks:": "-- Locks: which tables, which lock, for how long; a rewrite or none.",
    "Rollback loses:": "-- Rollback loses: which data, or nothing.",
}
_LABEL = re.compile(r"(?:Why|Locks|Rollback loses|lint|no-transaction)\b")


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for the sentence and the three labels above the first statement."""
    if subject.up.refused:
        return
    header = subject.up.header if subject.up.statements else subject.up.text
    lines = [
        line.strip().removeprefix("--").strip()
        for line in header.splitlines()
        if line.strip().startswith("--")
    ]
    if not lines or _LABEL.match(lines[0]) or not lines[0].strip(". …"):
        yield RuleMatch(
            subject.up,
            1,
            "the file does not begin with a sentence that says what it does",
            "-- Add an optional email to users.",
        )
    for label, instead in _LINES.items():
        said = [line.removeprefix(label) for line in lines if line.startswith(label)]
        if not any(text.strip(" …") for text in said):
            yield RuleMatch(
                subject.up,
                1,
                f"the header has no line “{label}” with a text",
                instead,
            )
