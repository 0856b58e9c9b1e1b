"""The head of a statement: what it creates, alters or drops, read from its tokens.

It reads what the parser does not (functions, triggers, types, policies), so that
a rule about names, or about what a rollback leaves behind, misses none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlglot.tokenizer_core import Token, TokenType

_MODIFIERS = frozenset(
    [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "UNIQUE",
        "UNLOGGED",
        "VIRTUAL",
        "RECURSIVE",
        "CONSTRAINT",
        "GLOBAL",
        "LOCAL",
        "EVENT",
        "FOREIGN",
        "MATERIALIZED",
        "TRUSTED",
        "PROCEDURAL",
    ]
)
_BEFORE_NAME = frozenset(["CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY"])
_QUOTED = frozenset({TokenType.IDENTIFIER, TokenType.STRING})


class Head(NamedTuple):
    """Action (CREATE, ALTER, DROP), kind of object (TABLE, …), names, table of it.

    Names are without a schema, in lower case; ``spelling`` is the first one as it is
    written. ``offset`` is where the name stands in
    the statement. ``table`` is what follows ON, for an index, trigger or policy.
    """

    action: str
    kind: str
    names: tuple[str, ...]
    table: str
    offset: int
    temporary: bool
    if_not_exists: bool
    spelling: str


def read(tokens: Sequence[Token]) -> Head | None:
    """Read the head of a statement; None for one that makes or drops no object."""
    words = _Words(tokens)
    action = words.take()
    if action not in ("CREATE", "ALTER", "DROP"):
        return None
    modifiers = words.take_all(_MODIFIERS)
    kind = words.take()
    skipped = words.take_all(_BEFORE_NAME)
    offset = words.offset
    names = [words.name()]
    spelling = words.last
    # DROP FUNCTION f(int), g: what stands in parentheses names nothing.
    while action == "DROP" and words.comma():
        names.append(words.name())
    if not names[0]:
        return None
    table = ""
    if kind in ("INDEX", "TRIGGER", "POLICY", "RULE") and words.find("ON"):
        words.take_all(_BEFORE_NAME)
        table = words.name()
    return Head(
        action,
        kind,
        tuple(names),
        table,
        offset,
        temporary=bool({"TEMP", "TEMPORARY"} & set(modifiers))
        or names[0].startswith("temp."),
        if_not_exists="NOT" in skipped,
        spelling=spelling,
    )


class _Words:
    """Tokens, taken one after another."""

    def __init__(self, tokens: Sequence[Token]):
        self._tokens = tokens
        self._at = 0
        self.last = ""  # the last name, as it is written

    @property
    def offset(self) -> int:
        token = self._peek()
        return token.start if token else 0

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _word(self) -> str:
        token = self._peek()
        if token is None or token.token_type in _QUOTED:
            return ""
        return token.text.upper()

    def take(self) -> str:
        word = self._word()
        self._at += 1
        return word

    def take_all(self, words: frozenset[str]) -> list[str]:
        taken = []
        while self._word() in words:
            taken.append(self.take())
        return taken

    def name(self) -> str:
        """Take a name; of a qualified one the last part, but ``temp.`` stays."""
        parts: list[str] = []
        while token := self._peek():
            if token.token_type is TokenType.SEMICOLON:
                break
            self.last = token.text
            parts.append(token.text.lower())
            self._at += 1
            if self._word() != ".":
                break
            self._at += 1
        return ".".join(parts if parts[:1] == ["temp"] else parts[-1:])

    def comma(self) -> bool:
        """Go past the next comma outside parentheses, if there is one."""
        depth = 0
        while word := self._word():
            self._at += 1
            depth += {"(": 1, ")": -1}.get(word, 0)
            if word == "," and depth == 0:
                return True
        return False

    def find(self, word: str) -> bool:
        while token := self._peek():
            found = token.token_type not in _QUOTED and token.text.upper() == word
            self._at += 1
            if found:
                return True
        return False
