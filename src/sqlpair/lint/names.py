"""The words in a name, and what a column's type makes of it."""

from __future__ import annotations

import re

from sqlpair.lint.model import Column

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case: is_testnet and isTestnet alike."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def is_boolean(column: Column) -> bool:
    """Say whether a column is declared as a boolean."""
    return column.declared.lower().startswith("bool")
