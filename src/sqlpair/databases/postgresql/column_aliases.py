"""The column aliases of a function in FROM, without those that nothing refers to.

The server names every column of a function's result: ``FROM f() f(a, b)``. A view that
was made when the function's composite type had the column ``a`` alone keeps the list
``f(a)``; after a dump and restore it has both. Only a name at the end of the list that
nothing refers to comes and goes like that.

A function that is declared with its columns cannot get more of them. Neither a function
WITH ORDINALITY nor ROWS FROM is shortened: there, another column may take the place of
the one that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlpair.databases.postgresql.deparse import TOKEN, is_name

# Functions that return a composite type, as the server writes their names.
FUNCTIONS = """
SELECT DISTINCT p.pronamespace::regnamespace::text || '.' || quote_ident(p.proname)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE 'c' IN (t.typtype, b.typtype)
    AND p.pronamespace <> 'pg_catalog'::regnamespace
"""

_POSSIBLE = re.compile(r'\) (?:[\w$]+|"(?:[^"]|"")*")\(')
_NO_COLUMN_AFTER = {".", "::", "AS"}
_NO_COLUMN_BEFORE = {".", "("}


class _List(NamedTuple):
    """``alias(first, second)``: the tokens of the names, and of the last bracket."""

    alias: str
    start: int
    end: int
    depth: int


def trimmed(text: str, functions: Collection[str]) -> str:
    """Cut from each list the last names that nothing refers to.

    ``functions`` are the names of those whose lists may be cut.
    """
    if not functions or not _POSSIBLE.search(text):
        return text
    tokens = [match for match in TOKEN.finditer(text) if not match[0].isspace()]
    words = [token[0] for token in tokens]
    lists = list(_lists(words, functions))
    within = {at for found in lists for at in range(found.start, found.end)}
    parts, position = [], 0
    for found in lists:
        used = {
            words[at + 2 if qualified else at]
            for at, qualified in _references(words, found, within)
        }
        end = found.end
        while end > found.start and words[end - 1] not in used:
            end -= 2  # and the comma before it
        if end < found.start:  # the brackets, too
            parts.append(text[position : tokens[found.start - 1].start()])
            position = tokens[found.end].end()
        else:
            parts.append(text[position : tokens[end - 1].end()])
            position = tokens[found.end].start()
    return "".join([*parts, text[position:]])


def _lists(words: Sequence[str], functions: Collection[str]) -> Iterator[_List]:
    opened: list[int] = []
    for at, word in enumerate(words):
        if word in "([":
            opened.append(at)
        elif word in ")]" and opened:
            start = opened.pop()
            if "".join(words[max(start - 3, 0) : start]) in functions:
                yield from _list_after(words, at, len(opened))


def _list_after(words: Sequence[str], at: int, depth: int) -> Iterator[_List]:
    """The list that follows the bracket at ``at``, if one does."""
    alias, bracket = [*words[at + 1 : at + 3], "", ""][:2]
    if not is_name(alias) or bracket != "(":
        return
    end = start = at + 3
    while end + 1 < len(words) and is_name(words[end]) and words[end + 1] in {",", ")"}:
        end += 1
        if words[end] == ")":
            yield _List(alias, start, end, depth)
            return
        end += 1


def _references(
    words: Sequence[str], found: _List, within: Collection[int]
) -> Iterator[tuple[int, bool]]:
    """Where a column of ``found`` may be meant, and whether the alias is before it.

    The server leaves the alias out in the outermost query only.
    """
    for at, word in enumerate(words):
        before, after = words[at - 1] if at else "", "".join(words[at + 1 : at + 2])
        if word == found.alias and after == "." and before != ".":
            yield at, True
        elif (
            found.depth == 0
            and at not in within
            and before not in _NO_COLUMN_AFTER
            and after not in _NO_COLUMN_BEFORE
        ):
            yield at, False
