"""The head of a statement: what it creates, alters or drops, read from its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlpair.lint.tokens import Cursor, Lexeme

_MODIFIERS = frozenset(
    [
        *("OR", "REPLACE", "TEMP", "TEMPORARY", "UNIQUE", "UNLOGGED", "VIRTUAL"),
        *("RECURSIVE", "CONSTRAINT", "GLOBAL", "LOCAL", "EVENT", "FOREIGN"),
        *("MATERIALIZED", "TRUSTED", "PROCEDURAL"),
    ]
)
_BEFORE_NAME = frozenset(["CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY"])
# Kinds that have a table, which ON names.
_ON = frozenset(["INDEX", "TRIGGER", "POLICY", "RULE"])


class Head(NamedTuple):
    """Action (CREATE, ALTER, DROP), kind of object (TABLE, …), names and table.

    ``names`` are without a schema, as the engine compares them; ``spelling`` is the
    first one as it is written, ``schema`` its schema or empty. ``offset`` is where that
    name starts in the statement, ``end`` the number of tokens up to its end. ``table``
    is what follows ON, for an index, trigger, policy or rule. ``modifiers`` are the
    words between action and kind.
    """

    action: str
    kind: str
    modifiers: frozenset[str]
    names: tuple[str, ...]
    table: str
    schema: str
    offset: int
    end: int
    if_not_exists: bool
    cascade: bool
    spelling: str

    @property
    def temporary(self) -> bool:
        """Whether it is a temporary object."""
        return bool({"TEMP", "TEMPORARY"} & self.modifiers) or self.schema == "temp"


def read(tokens: Sequence[Lexeme]) -> Head | None:
    """Read the head of a statement; None for one that makes or drops no object."""
    words = Cursor(tokens)
    action = words.take().word
    if action not in ("CREATE", "ALTER", "DROP"):
        return None
    modifiers = frozenset(words.accept_all(_MODIFIERS))
    kind = words.take().word
    if kind == "DATA" and words.accept("WRAPPER"):
        kind = "FOREIGN DATA WRAPPER"
    skipped = words.accept_all(_BEFORE_NAME)
    unnamed = kind == "INDEX" and action == "CREATE" and words.peek() == "ON"
    name = () if unnamed else words.name()
    if not name and not unnamed:
        return None
    end = words.at
    names = [name[-1].name if name else ""]
    # DROP FUNCTION f(int), g: what stands in parentheses names nothing.
    while action == "DROP" and words.find(","):
        names += [part[-1].name] if (part := words.name()) else []
    table = ""
    words.at = end
    if kind in _ON and words.find("ON"):
        words.accept_all(_BEFORE_NAME)
        found = words.name()
        table = found[-1].name if found else ""
    return Head(
        action,
        kind,
        modifiers,
        tuple(names),
        table,
        name[-2].name if name[1:] else "",
        name[-1].start if name else tokens[min(end, len(tokens) - 1)].start,
        end,
        if_not_exists="NOT" in skipped,
        cascade=any(token.word == "CASCADE" for token in tokens[end:]),
        spelling=name[-1].spelling if name else "",
    )
