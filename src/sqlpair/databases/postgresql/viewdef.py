"""A view's definition, written alike by every version of the server.

Up to 15 the server names the table before each column of a view on a single table
(``SELECT users.id FROM users``); from 16 on it does so in subqueries only. The newer
way is taken, because it can be made from the older one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlpair.databases.postgresql.deparse import TOKEN, is_name

_QUERY = {"SELECT", "WITH", "VALUES"}
_SETS = {"UNION", "INTERSECT", "EXCEPT"}
_AFTER_FROM = {"WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FOR"}
_BEFORE_OTHER_NAMES = {".", "::", "COLLATE"}


class _Token(NamedTuple):
    text: str
    start: int
    depth: int


def unqualified(definition: str) -> str:
    """The definition without the only table's name before columns."""
    tokens = _outermost(definition)
    start, end = _from_clause(tokens)
    table = _only_table(tokens[start:end])
    kept, position = [], 0
    for at in (*range(1, start), *range(end, len(tokens))):
        words = [token.text for token in tokens[at - 1 : at + 4]]
        if len(words) < 5:
            break
        before, name, dot, column, after = words
        if (name, dot) == (table, ".") and is_name(column):
            if before in _BEFORE_OTHER_NAMES or after == "(":
                continue
            kept.append(definition[position : tokens[at].start])
            position = tokens[at + 2].start
    return "".join([*kept, definition[position:]])


def _outermost(definition: str) -> list[_Token]:
    """The tokens that stand in no subquery, and the ``;`` that ends them all."""
    tokens: list[_Token] = []
    depth, hidden = 0, 0
    for match in TOKEN.finditer(definition):
        text = match[0]
        if text.isspace():
            continue
        if text == ")":
            depth -= 1
            hidden = 0 if depth < hidden else hidden
        if hidden == 0 and tokens and tokens[-1].text == "(" and text in _QUERY:
            hidden = depth
        if hidden == 0:
            tokens.append(_Token(text, match.start(), depth))
        if text == "(":
            depth += 1
    return tokens


def _from_clause(tokens: Sequence[_Token]) -> tuple[int, int]:
    """Where the query's FROM clause stands; empty when it has none."""
    outer = [(at, token.text) for at, token in enumerate(tokens) if token.depth == 0]
    start = next((at + 1 for at, word in outer if word == "FROM"), None)
    if start is None or any(word in _SETS for _, word in outer):
        return 1, 1
    after = (at for at, word in outer if at > start and word in _AFTER_FROM)
    return start, next(after, len(tokens) - 1)


def _only_table(clause: Sequence[_Token]) -> str | None:
    """What the query calls its table, if it reads from one alone."""
    names: list[str] = []
    before = ""
    for token in clause:
        if token.text == "JOIN" or (token.text == "," and token.depth == 0):
            return None
        if token.text == "TABLESAMPLE":
            break
        if token.depth == 0 and is_name(token.text):
            if before == ".":
                names.pop()
            names.append(token.text)
        before = token.text
    if clause and not names:
        return clause[0].text.lower()  # XMLTABLE, a keyword that is used as a name
    # The table's own name, then perhaps an alias.
    return names[:2][-1] if names else None
