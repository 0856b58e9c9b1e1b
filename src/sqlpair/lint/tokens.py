"""The tokens of a statement, and a cursor that reads them one after another.

Both engines' quotes and comments are understood. The statement has been split by the
engine's own splitter, so every quote in it ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

_COMMON = r"""(?P<gap>\s+ | --[^\n]*)
      | (?P<comment>/\*)
      | (?P<string>{strings})
      | (?P<quoted>{quoted})
      | (?P<word>[A-Za-z_\x80-\U0010FFFF][\w$\x80-\U0010FFFF]*)
      | (?P<number>\.?\d[\w.]*)
      | (?P<sign>::|->>|->|\|\||<=|<>|!=|>=|==|.)"""
_POSTGRESQL = re.compile(
    _COMMON.format(
        strings=r"""[eE]'(?:[^'\\]|\\.|'')*' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
      | (?P<tag>\$(?:[A-Za-z_\x80-\U0010FFFF][\w\x80-\U0010FFFF]*)?\$).*?(?P=tag)""",
        quoted=r'(?:[uU]&)?"(?:[^"]|"")*"',
    ),
    re.VERBOSE | re.DOTALL,
)
_SQLITE = re.compile(
    _COMMON.format(
        strings=r"[xX]?'(?:[^']|'')*'",
        quoted=r'"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]',
    ),
    re.VERBOSE | re.DOTALL,
)
_NESTED = re.compile(r"/\*|\*/")


class Lexeme(NamedTuple):
    """A token: its text as written, its kind, and where it starts in the statement.

    ``kind`` is word, quoted, string, number or sign. ``exact`` where the engine has a
    name in quotes in capital and small letters as it is written: PostgreSQL does.
    """

    text: str
    kind: str
    start: int
    exact: bool = False

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The keyword it may be, in upper case; a sign as it is; else empty."""
        return self.text.upper() if self.kind in ("word", "sign") else ""

    @property
    def name(self) -> str:
        """The name it stands for, as the engine compares it; empty if it can be none.

        In lower case, unless it is exact.
        """
        is_exact = self.exact and self.kind == "quoted"
        return self.spelling if is_exact else self.spelling.lower()

    @property
    def spelling(self) -> str:
        """The name it stands for, as written."""
        if self.kind == "word":
            return self.text
        if self.kind == "string" and self.text[0] == "'":  # SQLite allows 'name'
            return self.text[1:-1].replace("''", "'")
        if self.kind != "quoted":
            return ""
        mark, inner = self.text[-1], self.text[self.text.find(self.text[-1]) + 1 : -1]
        return self.text[1:-1] if mark == "]" else inner.replace(mark * 2, mark)


def tokenize(text: str, driver: str) -> tuple[Lexeme, ...]:
    """Return the tokens of ``text``, white space and comments left out."""
    pattern = _SQLITE if driver == "sqlite" else _POSTGRESQL
    found, position = [], 0
    while match := pattern.match(text, position):
        position = match.end()
        kind = "string" if match["string"] else str(match.lastgroup)
        if kind == "comment":
            position = _past_comment(text, position, nested=driver != "sqlite")
        elif kind != "gap":
            exact = driver != "sqlite"
            found.append(Lexeme(match[0], kind, match.start(), exact))
    return tuple(found)


def _past_comment(text: str, position: int, *, nested: bool) -> int:
    depth = 1
    for edge in _NESTED.finditer(text, position):
        depth += -1 if edge[0] == "*/" else nested
        if depth == 0:
            return edge.end()
    return len(text)


def split(tokens: Sequence[Lexeme]) -> list[tuple[Lexeme, ...]]:
    """Return the items between the commas outside parentheses."""
    items: list[list[Lexeme]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return [tuple(item) for item in items if item]


def names(tokens: Sequence[Lexeme]) -> frozenset[str]:
    """Return every name that may stand in ``tokens``."""
    return frozenset(t.name for t in tokens if t.kind in ("word", "quoted"))


def sources(tokens: Sequence[Lexeme]) -> frozenset[str]:
    """Return the tables that a view or trigger reads or writes."""
    found = set()
    cursor = Cursor(tokens)
    while cursor:
        word = cursor.take().word
        if word in ("FROM", "JOIN", "INTO") or (
            word == "UPDATE" and cursor.peek() != "OF"
        ):
            found |= _listed(cursor)
    return frozenset(found)


def _listed(cursor: Cursor) -> set[str]:
    """Take the tables that commas divide, each with its alias."""
    found = set()
    while name := cursor.name():
        found.add(name[-1].name)
        cursor.accept("AS")
        if cursor.peek() != "," and cursor.peek(1) == ",":
            cursor.take()
        if not cursor.accept(","):
            break
    return found


def plain(tokens: Sequence[Lexeme]) -> str:
    """Return the tokens in one way, however they were typed."""
    return " ".join(t.text if t.kind == "string" else t.text.lower() for t in tokens)


def columns(tokens: Sequence[Lexeme]) -> tuple[str, ...]:
    """Return the columns of a list; an empty string for an expression."""
    return tuple(
        ""
        if (len(item) > 1 and item[1].kind == "sign") or item[0].kind == "sign"
        else item[0].name
        for item in split(tokens)
    )


class Cursor:
    """A place in a row of tokens, which moves as they are taken."""

    def __init__(self, tokens: Sequence[Lexeme]):
        self.tokens = tokens[:-1] if tokens and tokens[-1].text == ";" else tokens
        self.at = 0

    def __bool__(self) -> bool:
        """Say whether a token is left."""
        return self.at < len(self.tokens)

    @property
    def rest(self) -> Sequence[Lexeme]:
        """What is left."""
        return self.tokens[self.at :]

    def peek(self, ahead: int = 0) -> str:
        """Return the keyword or sign that comes next, without taking it."""
        at = self.at + ahead
        return self.tokens[at].word if at < len(self.tokens) else ""

    def take(self) -> Lexeme:
        """Take a token; an empty one at the end."""
        self.at += 1
        if self.at <= len(self.tokens):
            return self.tokens[self.at - 1]
        return Lexeme("", "sign", self.tokens[-1].end if self.tokens else 0)

    def accept(self, *words: str) -> bool:
        """Take these keywords if they all come next."""
        if all(self.peek(n) == word for n, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def accept_all(self, words: Collection[str]) -> list[str]:
        """Take keywords as long as they are among ``words``."""
        taken = []
        while self.peek() in words:
            taken.append(self.take().word)
        return taken

    def name(self) -> tuple[Lexeme, ...]:
        """Take a name with its qualifiers, outermost first; empty at the end."""
        parts = [self.take()] if self else []
        while self.accept("."):
            parts.append(self.take())
        return tuple(parts)

    def group(self) -> Sequence[Lexeme]:
        """Take what stands in the parentheses that open here; empty without any."""
        if self.peek() != "(":
            return ()
        start, depth = self.at + 1, 0
        while self:
            depth += {"(": 1, ")": -1}.get(self.take().text, 0)
            if depth == 0:
                return self.tokens[start : self.at - 1]
        return self.tokens[start:]

    def find(self, word: str) -> bool:
        """Go past the next ``word`` outside parentheses, if there is one."""
        while self:
            if self.accept(word):
                return True
            if self.peek() == "(":
                self.group()
            else:
                self.take()
        return False
