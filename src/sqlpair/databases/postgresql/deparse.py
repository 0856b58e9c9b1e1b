"""One text for one meaning, of the SQL that the server writes back from its catalogs.

PostgreSQL writes the same expression in different ways: by its version, and before
and after a dump and restore. What is done here is the least that makes those texts
equal; a text that means something else stays another text.
"""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"""'(?:[^']|'')*'
      | "(?P<quoted>(?:[^"]|"")*)"
      | (?P<word>[^\W\d][\w$]*)
      | (?P<other>\d[\w.]*|\s+|::|.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_LOGIC = ("AND", "OR")
_CAST = re.compile(r'::((?:[^\W\d][\w$]*|"(?:[^"]|"")*"|[ .]|\([\d, ]+\))+)\[\]')


def identifier(name: str) -> str:
    """The name as SQL writes it, without asking any version's list of keywords."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def is_name(token: str) -> bool:
    """Whether a token of the server's writing is a name: keywords are upper case."""
    return token.startswith('"') or _PLAIN.fullmatch(token) is not None


def canonical(text: str) -> str:
    """The server's text of an expression or a definition, made comparable."""
    if '"' in text:
        text = "".join(_unquoted(token) for token in TOKEN.finditer(text))
    if "(ARRAY[" in text:
        text = _casts_inside(text)
    if ") AND " in text or ") OR " in text:
        text = _flat(text)
    return text


def split(text: str, divider: str = ",") -> list[str]:
    """The text's items, divided by what stands in no bracket."""
    items, depth, start = [], 0, 0
    for token in TOKEN.finditer(text):
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
        elif token[0] == divider and depth == 0:
            items.append(text[start : token.start()].strip())
            start = token.end()
    items.append(text[start:].strip())
    return items


def bracket(text: str) -> tuple[str, str]:
    """What the first parenthesis holds, and the text that follows it."""
    start = next(token.start() for token in TOKEN.finditer(text) if token[0] == "(")
    end = _closing(text, start)
    return text[start + 1 : end], text[end + 1 :]


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` is closed."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
            if depth == 0:
                return token.start()
    return len(text)


def _unquoted(token: re.Match[str]) -> str:
    """Which names need quotes depends on the keywords of the server's version."""
    name = token["quoted"]
    return name if name is not None and _PLAIN.fullmatch(name) else token[0]


def _casts_inside(text: str) -> str:
    """``(ARRAY[a, b])::t[]`` as ``ARRAY[(a)::t, (b)::t]``.

    The parser pushes such a cast inside, so the first form, which IN lists on varchar
    columns give, comes back from a dump and restore as the second.
    """
    start = 0
    while (start := text.find("(ARRAY[", start)) >= 0:
        closed = _closing(text, start)
        cast = _CAST.match(text, closed + 1)
        if cast and text[closed - 1] == "]":
            pushed = _push(text[start + 1 : closed], cast[1])
            text = text[:start] + pushed + text[cast.end() :]
        start += 1
    return text


def _flat(text: str) -> str:
    """``((a AND b) AND c)`` as ``(a AND b AND c)``.

    BETWEEN and comparisons of rows give the first form, which the parser turns into
    the second when it reads it.
    """
    start = 0
    while (start := text.find("((", start)) >= 0:
        closed = _closing(text, start + 1)
        inside = text[start + 2 : closed]
        following = (w for w in _LOGIC if text.startswith(f" {w} ", closed + 1))
        if len(split(inside, next(following, ""))) > 1:
            text = text[: start + 1] + inside + text[closed + 1 :]
        else:
            start += 1
    return text


def _push(array: str, target: str) -> str:
    """The array constructor with each of its elements cast to the target."""
    items = (
        _push(item, target) if item.startswith("ARRAY[") else f"({item})::{target}"
        for item in split(array[len("ARRAY[") : -1])
    )
    return f"ARRAY[{', '.join(items)}]"
