"""Silences: ``-- lint: allow <rule>: reason``, written where the finding is.

At the end of a line it is valid for that line. On a line of its own it is valid for
the next line that is not a comment, and for the whole statement if one begins there.
Above the first statement it is also valid for the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlpair.lint.script import Script

_ALLOW = re.compile(
    r"--[ \t]*lint:[ \t]*allow\b[ \t]*(?P<rule>[a-z0-9-]*)[ \t]*:?[ \t]*(?P<reason>.*)"
)
_COMMENT_LINE = re.compile(r"[ \t]*--")


@dataclass(slots=True)
class Silence:
    """One comment, the lines it is valid for, and whether it silenced a finding."""

    rule: str
    reason: str
    line: int
    lines: range
    used: bool = False


def find(script: Script) -> list[Silence]:
    """Find the silences in a file."""
    lines = script.text.splitlines()
    header = script.header.count("\n") if script.statements else len(lines)
    found = []
    for number, line in enumerate(lines, start=1):
        match = _ALLOW.search(line)
        if not match:
            continue
        covered = range(number, number + 1)
        if _COMMENT_LINE.match(line):
            covered = _next(script, lines, number)
            if number <= header:
                covered = range(1, max(covered.stop, header + 1))
        found.append(Silence(match["rule"], match["reason"].strip(), number, covered))
    return found


def _next(script: Script, lines: list[str], number: int) -> range:
    """Return the lines for which the comment on line ``number`` is valid."""
    while number < len(lines) and _COMMENT_LINE.match(lines[number]):
        number += 1
    line = number + 1
    for parsed in script.statements:
        if parsed.line == line:
            return range(line, line + parsed.statement.text.count("\n") + 1)
    return range(line, line + 1)


def covers(silences: Iterable[Silence], rule: str, line: int) -> bool:
    """Say whether a finding is silenced with a reason; the silence is used then."""
    hit = False
    for silence in silences:
        if silence.rule == rule and line in silence.lines:
            silence.used = True
            hit = hit or bool(silence.reason)
    return hit


def faults(
    silences: Iterable[Silence], known: frozenset[str]
) -> Iterator[tuple[str, Silence, str, str]]:
    """Yield rule, silence, message and remedy for each silence that has a fault."""
    for silence in silences:
        if not silence.reason:
            yield (
                "silence-without-reason",
                silence,
                f"this comment silences {silence.rule or 'no rule'} without a reason",
                f"-- lint: allow {silence.rule or '<rule>'}: why it is correct here",
            )
        elif not silence.used and silence.rule not in known:
            yield (
                "silence-unused",
                silence,
                f"there is no rule {silence.rule!r}",
                "Correct the name of the rule, or remove the comment.",
            )
        elif not silence.used:
            yield (
                "silence-unused",
                silence,
                f"this comment silences {silence.rule}, which has no finding here",
                "Remove the comment.",
            )
