"""The affinity of a declared type in SQLite: https://www.sqlite.org/datatype3.html."""

from __future__ import annotations

# 3.1: the first that the type's name holds.
_RULES = {
    "INT": "INTEGER",
    "CHAR": "TEXT",
    "CLOB": "TEXT",
    "TEXT": "TEXT",
    "BLOB": "BLOB",
    "REAL": "REAL",
    "FLOA": "REAL",
    "DOUB": "REAL",
}


def affinity(declared: str) -> str:
    """Return INTEGER, TEXT, BLOB, REAL or NUMERIC."""
    name = declared.upper()
    usual = "NUMERIC" if name else "BLOB"
    return next((given for part, given in _RULES.items() if part in name), usual)
