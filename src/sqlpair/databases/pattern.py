"""Expressions that run through text once and never look back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

# In characters: how long a text with many statements may be.
TOGETHER = 2**16


def repeated(*alternatives: str) -> str:
    """Match any of the alternatives as often as they come, keeping no way back.

    The empty alternative at the end looks idle. Without it, Python 3.11.0 to
    3.11.4 (Debian 12 has 3.11.2) do not step back over what a last, failed
    round has read, and a quote that never ends would seem to end.
    """
    return rf"(?:{'|'.join(alternatives)}|)*+"


def opening(word: str, gap: str, count: int = 4) -> str:
    """Match up to ``count`` words, each a group, and the gaps behind them."""
    pattern = ""
    for _ in range(count):
        pattern = rf"(?:({word}){gap}{pattern})?"
    return pattern


def ascii_without(signs: str) -> str:
    """Return the inside of a set: every ASCII character but these.

    ``[^…]`` around it matches these and all beyond ASCII. A range up to U+10FFFF
    would say so too, but takes Python longer to compile than a whole run lasts in
    which there is nothing to do.
    """
    return "".join(re.escape(chr(n)) for n in range(128) if chr(n) not in signs)


Matcher: TypeAlias = Callable[[str, int], re.Match[str] | None]


def compiled_late(pattern: str, flags: int) -> Matcher:
    """Return what matches ``pattern`` at a position, compiled when it is first asked.

    To compile them all takes longer than many a deployment.
    """
    return lambda text, position: re.compile(pattern, flags).match(text, position)


def run_of(statement: Matcher, text: str, start: int) -> tuple[int, int]:
    """Return where statements that follow one another end, and how many they are.

    ``statement`` matches one, as its first group, and the gap behind it.
    """
    number, end, position = 0, start, start
    while position - start < TOGETHER and (match := statement(text, position)):
        number, end, position = number + 1, match.end(1), match.end()
    return end, number


def end_of(match: re.Match[str] | None) -> int:
    """Return the end of a match by an expression that matches even nothing."""
    assert match is not None
    return match.end()
