"""Names and texts in quotes, as both engines read them."""

from __future__ import annotations


def quote(text: str) -> str:
    """Return ``text`` as a SQL literal, for either engine.

    PostgreSQL sessions here have standard_conforming_strings on.
    """
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return ``name`` as a SQL identifier in quotes, for either engine."""
    return '"' + name.replace('"', '""') + '"'
