"""SQLite's SQL as tokens, written in one way however it was typed.

SQLite keeps the text of each CREATE statement as it was typed and changes parts of it
at ALTER TABLE. White space, comments, upper and lower case outside literals, and
needless quotes around names mean nothing, so they are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<gap>\s+ | --[^\n]* | /\*.*?(?:\*/|\Z))
      | (?P<string>[xX]?'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\])
      | (?P<word>[A-Za-z_\x80-\U0010FFFF][\w$\x80-\U0010FFFF]*)
      | (?P<number>\.?\d(?:[eE][+-]|[\w.])*)
      | (?P<sign>->>|->|\|\||<<|>>|<=|<>|==|!=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
# SQLite, too, knows upper and lower case in ASCII alone.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_BEFORE_BRACKET = {
    "and", "as", "between", "by", "else", "exists", "from", "in", "is", "key", "like",
    "limit", "not", "on", "or", "over", "select", "then", "using", "when", "where",
}  # fmt: skip
_AFTER_AS = {"materialized", "not", "select", "values", "with"}
_OPERATORS = set("=<>|&+-*/%,")
_CLINGING = {")", ",", ".", ";"}
_LINES = {
    "begin",
    "end",
    "from",
    "group",
    "having",
    "order",
    "select",
    "union",
    "where",
}


class Token(NamedTuple):
    """``quoted``: a name in quotes, which therefore is no keyword."""

    text: str
    quoted: bool = False


_OPENING, _CLOSING, _COMMA = map(Token, "(),")


def fold(name: str) -> str:
    """The name in the case in which SQLite compares names."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


def tokens(sql: str, names: Collection[str] = ()) -> list[Token]:
    """The tokens that mean something.

    ``names`` are the folded names of the database's tables and columns: what stands
    in double quotes is one of them, or else a string.
    """
    found: list[Token] = []
    for match in _TOKEN.finditer(sql):
        kind, written = match.lastgroup, match[0]
        # An alias names a column of the result, in the case in which it is typed.
        alias = found[-1:] == [Token("as")]
        if kind in {"word", "number"}:
            keep = alias and fold(written) not in _AFTER_AS
            found.append(Token(written if keep else fold(written)))
        elif kind == "string":
            found.append(Token(fold(written) if written[0] in "xX" else written))
        elif kind == "sign":
            found.append(Token(written))
        elif kind == "quoted":
            name = _unquoted(written)
            if alias:
                found.append(Token(identifier(name), quoted=True))
            elif written[0] != '"' or fold(name) in names:
                found.append(Token(identifier(fold(name)), quoted=True))
            else:
                string = name.replace("'", "''")
                found.append(Token(f"'{string}'", quoted=True))
    return found


def identifier(name: str) -> str:
    """The name as SQL writes it, in quotes where it needs them."""
    plain = _PLAIN.fullmatch(fold(name))
    return name if plain else '"' + name.replace('"', '""') + '"'


def name_of(token: Token) -> str:
    """The folded name that a token stands for where only a name can stand."""
    return fold(_unquoted(token.text))


def text(sequence: Iterable[Token], *, lines: bool = False) -> str:
    """The tokens as a person would type them; ``lines`` breaks before clauses."""
    written, before, signed = "", "", False
    for token in sequence:
        now = token.text
        if lines and ((now in _LINES and not token.quoted) or before == ";"):
            gap = "\n"
        elif now in _CLINGING or before in {"", "(", "."} or signed:
            gap = ""
        elif now == "(" and before[-1] not in _OPERATORS:
            gap = " " if before in _BEFORE_BRACKET else ""
        else:
            gap = " "
        signed = now in {"+", "-"} and before[-1:] in {"", "(", *_OPERATORS}
        written += gap + now
        before = now
    return written


def arguments(sql: str) -> str:
    """What stands in brackets after the first name, as it is typed."""
    opened = (match.start() for match in _TOKEN.finditer(sql) if match[0] == "(")
    return " ".join(sql[next(opened, len(sql)) :].split())


def split(sequence: Sequence[Token]) -> list[list[Token]]:
    """The items that are divided by the commas outside brackets."""
    items: list[list[Token]] = [[]]
    depth = 0
    for token in sequence:
        depth += (token == _OPENING) - (token == _CLOSING)
        if depth == 0 and token == _COMMA:
            items.append([])
        else:
            items[-1].append(token)
    return items


def closing(sequence: Sequence[Token], start: int) -> int:
    """Where the bracket that opens at ``start`` is closed."""
    depth = 0
    for at in range(start, len(sequence)):
        depth += (sequence[at] == _OPENING) - (sequence[at] == _CLOSING)
        if depth == 0:
            return at
    return len(sequence)


def _unquoted(quoted: str) -> str:
    mark = quoted[:1]
    if mark == "[":
        return quoted[1:-1]
    if mark in {'"', "`", "'"}:
        return quoted[1:-1].replace(mark * 2, mark)
    return quoted
