"""Names: their words, and how they stand in SQL.

``is_paid_up`` and ``isPaidUp`` have the same three words.
"""

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


def in_sql(name: str, driver: str) -> str:
    """Return a name as it stands in SQL: in quotes where it needs them."""
    # They know which words are an engine's own; a run without findings needs neither.
    from sqlalchemy.dialects import postgresql, sqlite

    engine = sqlite if driver == "sqlite" else postgresql
    return str(engine.dialect().identifier_preparer.quote(name))
