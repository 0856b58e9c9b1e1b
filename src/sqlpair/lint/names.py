"""The words in a name: ``is_paid_up`` and ``isPaidUp`` have the same three."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in their order, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


def contains(name: str, part: str) -> bool:
    """Say whether the words of ``part`` stand next to each other in ``name``."""
    found, wanted = words(name), words(part)
    return any(
        found[at : at + len(wanted)] == wanted
        for at in range(len(found) - len(wanted) + 1)
    )
