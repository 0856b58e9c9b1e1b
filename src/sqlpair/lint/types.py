"""Types: which is narrower than another, and which hold text."""

from __future__ import annotations

import re

_TYPE = re.compile(
    r"(?:pg_catalog\.)?\"?([a-z0-9_ ]+?)\"?\s*"
    r"(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?((?:\s*\[\d*\])+|\s+array.*)?"
    r"(\s+with(?:out)? time zone)?"
)
# Each type can hold every value of the types before it.
_LADDERS = (
    ("smallint", "int", "bigint", "decimal"),
    ("real", "double precision"),
    ("date", "timestamp"),
    ("date", "timestamptz"),
)
_SYNONYMS = {
    "integer": "int",
    "character varying": "varchar",
    "character": "char",
    "float4": "real",
    "float8": "double precision",
    "serial4": "int",
    "serial8": "bigint",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "int4": "int",
    "int8": "bigint",
    "int2": "smallint",
    "smallserial": "smallint",
    "serial": "int",
    "bigserial": "bigint",
    "numeric": "decimal",
    "float": "double precision",
    "double": "double precision",
    "bpchar": "char",
}
_TEXTS = ("char", "varchar", "text")


def narrower(before: str, after: str) -> bool:
    """Say whether ``after`` cannot hold every value of ``before``.

    False where one of them is not known.
    """
    old, new = _read(before), _read(after)
    if old is None or new is None or old == new:
        return False
    (name, *size), (other, *room) = old, new
    if other in _TEXTS:
        if name not in _TEXTS:
            return False
        return room[0] is not None and (size[0] is None or size[0] > room[0])
    if name in _TEXTS:
        return True  # not every text can be cast to a number, a date or a uuid
    if name == other == "decimal":
        return _decimal_shrinks(size, room)
    for ladder in _LADDERS:
        if name in ladder and other in ladder:
            return ladder.index(other) < ladder.index(name)
    return name in ("decimal", "real", "double precision") and other in _LADDERS[0]


def _read(kind: str) -> tuple[str, int | None, int | None] | None:
    match = _TYPE.fullmatch(kind.lower().strip())
    if not match or match[4]:
        return None
    numbers = [int(match[i]) if match[i] else None for i in (2, 3)]
    name = match[1] + (match[5] or "")
    return _SYNONYMS.get(name, name), numbers[0], numbers[1]


def _decimal_shrinks(size: list[int | None], room: list[int | None]) -> bool:
    if room[0] is None:
        return False
    if size[0] is None:
        return True
    scale, other = size[1] or 0, room[1] or 0
    return other < scale or room[0] - other < size[0] - scale


def is_text(kind: str) -> bool:
    """Say whether a type is a text type."""
    found = _read(kind)
    return found is not None and found[0] in _TEXTS


_LIKE_TEXT = ("UUID", "STRING", "DATE", "TIME", "JSON", "ENUM", "XML", "INET")


def looks_like_text(declared: str) -> bool:
    """Say whether the name suggests that the type stores a text unchanged."""
    return any(word in declared.upper() for word in _LIKE_TEXT)
