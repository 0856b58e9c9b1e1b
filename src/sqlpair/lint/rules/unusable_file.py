"""The engine refuses to run a file."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Repeat the engine's message; no other rule can read such a file."""
    for script in subject.scripts:
        if script.refused:
            what = script.refused.partition(": ")[2] or script.refused
            yield RuleMatch(script, script.refused_line, what, script.remedy)
