"""A PostgreSQL script as single statements, cut where psql would cut.

psql cuts at each ``;`` outside quotes, comments, parentheses (``CREATE RULE``)
and the bodies of SQL-standard routines (``BEGIN ATOMIC … END``). The text is
read once, by possessive expressions, so that a megabyte in one literal costs no
more than a megabyte of statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_letters, digits

from sqlpair.databases.pattern import (
    ascii_without,
    compiled_late,
    end_of,
    opening,
    repeated,
    run_of,
)
from sqlpair.databases.postgresql import psql_script
from sqlpair.databases.postgresql.transaction_control import role
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import Statement, fault

_FLAGS = re.ASCII | re.DOTALL  # case is ignored word by word, which compiles faster

_SPECIAL = "'\"$;()\\/-"
_SPACE = r"[ \t\r\n\f\v]++"
_LINE_COMMENT = r"--[^\r\n]*+"
_FLAT_COMMENT = r"/\*" + repeated(r"[^*/]++", r"\*(?!/)", r"/(?!\*)") + r"\*/"
# PostgreSQL takes every character beyond ASCII for a letter, and $ for a part
# of an identifier: a$b$ opens no quote.
_FIRST = rf"[^{ascii_without(ascii_letters + '_')}]"
_LETTER = rf"[^{ascii_without(ascii_letters + digits + '_$')}]"
_WORD = rf"(?![eE]'){_FIRST}{_LETTER}*+"
_TAG = rf"\$(?:{_FIRST}[^{ascii_without(ascii_letters + digits + '_')}]*+)?+\$"
# Letters right behind a number are a part of it: 1e'\' opens no E'…'.
_NUMBER = rf"[0-9]++(?:{_FIRST}{_LETTER}*+)?+"
_PLAIN = rf"[{ascii_without(ascii_letters + digits + '_' + _SPECIAL)}]++"
# A backslash escapes in E'…' alone, and in the strings that continue it: a
# string on a later line, with nothing but space between, belongs to it.
_ESCAPED = "'" + repeated(r"[^'\\]++", r"\\.", "''") + "'"
_CONTINUED = (
    repeated(r"[ \t\f\v]++", _LINE_COMMENT)
    + r"[\r\n]"
    + repeated(_SPACE, rf"{_LINE_COMMENT}[\r\n]")
)
_E_STRING = rf"[eE]{_ESCAPED}{repeated(_CONTINUED + _ESCAPED)}(?!{_CONTINUED}')"
_BLOCK = rf"(?i:begin|case|end)(?!{_LETTER})"


def _run_pattern(word: str) -> str:
    """Match code in which nothing begins, ends or nests a statement."""
    return repeated(
        *(_PLAIN, _NUMBER, word, "'[^']*+'", '"[^"]*+"', _E_STRING),
        *(rf"(?!{_TAG})\$", "-(?!-)", r"/(?!\*)"),
    )


_run = re.compile(_run_pattern(_WORD), _FLAGS).match
_run_in_routine = compiled_late(_run_pattern(rf"(?!{_BLOCK}){_WORD}"), _FLAGS)
_GAP = repeated(_SPACE, _LINE_COMMENT, _FLAT_COMMENT)
_gap = re.compile(_GAP, _FLAGS).match
_opening = re.compile(opening(_WORD, _GAP), _FLAGS).match
_word = re.compile(_WORD, _FLAGS).match
_tag = compiled_late(_TAG, _FLAGS)
_comment_edges = re.compile(r"/\*|\*/").finditer
# A statement that only changes rows, and says no more than nearly all of them: nothing
# nests deeper, no dollar quote, no backslash. Any other is read as it comes.
_PLAIN_ROWS = (r"[^'\"$;()\\/-]++", r"'[^'\\]*+'", '"[^"]*+"', "-(?!-)", r"/(?!\*)")
_BRACKETS = rf"\({repeated(*_PLAIN_ROWS)}\)"
_BRACKETS = rf"\({repeated(*_PLAIN_ROWS, _BRACKETS)}\)"
_ROWS = (
    rf"((?i:insert|update|delete)(?!{_LETTER}){repeated(*_PLAIN_ROWS, _BRACKETS)};)"
    rf"{_GAP}"
)

_ESCAPING = compiled_late(
    r"(?i:set\s+(?:local\s+|session\s+)?standard_conforming_strings\s*(?:=|\bto\b)"
    r"\s*'?(?:off|false|no|0)\b)",
    _FLAGS,
)
_BACKSLASH = compiled_late(
    rf"(?:{_LINE_COMMENT}|{_FLAT_COMMENT}|{_WORD}|{_NUMBER}|{_E_STRING}"
    rf"|({_TAG}).*?\1|'[^'\\]*+'|\"[^\"]*+\"|[^'])*+'(?=[^'\\]*+\\)",
    _FLAGS,
)


def split(text: str, *, together: bool = False) -> Iterator[Statement]:
    """The statements of ``text`` in order, each made when it is asked for."""
    line, counted, position = 1, 0, 0
    while (start := _skip(text, position)) < len(text):
        if text[start] == ";":
            position = start + 1
            continue
        if text[start] == "\\":
            position = psql_script.past_restrict(text, start)
            continue
        words = _words(text, start)
        number = 0
        if together and words[:1] in {("INSERT",), ("UPDATE",), ("DELETE",)}:
            position, number = run_of(re.compile(_ROWS, _FLAGS).match, text, start)
        if not number:
            position = _end(text, start, words)
        line += text.count("\n", counted, start)
        counted = start
        statement, rows = text[start:position], ""
        if words[:1] == ("SET",) and _ESCAPING(text, start):
            _refuse_escapes(text, position)
        if words[:1] == ("COPY",):
            rows = psql_script.rows(text, start, position)
        yield Statement(
            statement,
            line,
            start,
            words,
            *role(statement, words),
            rows,
            number=number or 1,
        )
        if rows:
            position = psql_script.past_rows(text, position + len(rows))


def _refuse_escapes(text: str, position: int) -> None:
    """SqlFileError where a plain string behind ``position`` has a backslash."""
    if found := _BACKSLASH(text, position):
        raise fault(
            text,
            found.end() - 1,
            "a backslash in a string behind SET standard_conforming_strings = off",
            "Take the SET out, and write E'…' for each string in which a backslash"
            " escapes.",
        )


def _end(text: str, start: int, words: tuple[str, ...]) -> int:
    """Where the statement that begins at ``start`` ends, its ``;`` included."""
    run = _run_in_routine if _is_routine(words) else _run
    open_at: list[int] = []  # parentheses
    body: list[int] = []  # BEGIN ATOMIC, and each CASE in it
    position = start
    while (end := end_of(run(text, position))) < len(text):
        sign, position = text[end], end + 1
        if sign == "(":
            open_at.append(end)
        elif sign == ")":
            del open_at[-1:]
        elif sign == ";" and not open_at and not body:
            return position
        elif sign in "-/":
            position = _skip(text, end)
            if position == len(text):
                break  # leaving the comments at the end of the file out
        elif sign != ";":
            position = _past_token(text, end, None if open_at else body)
    if open_at or body:
        raise _unclosed(text, open_at, body)
    return start + len(text[start:end].rstrip(" \t\r\n\f\v"))


def _is_routine(words: tuple[str, ...]) -> bool:
    rest = words[3:] if words[:3] == ("CREATE", "OR", "REPLACE") else words[1:]
    return words[:1] == ("CREATE",) and rest[:1] in {("FUNCTION",), ("PROCEDURE",)}


def _past_token(text: str, position: int, body: list[int] | None) -> int:
    """Past a dollar quote or a word that nests; anything else is a fault.

    ``body`` grows and shrinks with BEGIN ATOMIC, CASE and END; inside
    parentheses, where it is None, they mean nothing.
    """
    if tag := _tag(text, position):
        close = text.find(tag[0], tag.end())
        if close < 0:
            raise _endless(text, position, f"{tag[0]} string", tag[0])
        return close + len(tag[0])
    word = _word(text, position)
    if word is None:
        raise _fault_at(text, position)
    if body is not None:
        _nest(text, word, body)
    return word.end()


def _nest(text: str, word: re.Match[str], body: list[int]) -> None:
    """Enter or leave a block of a routine's body, at BEGIN, CASE or END."""
    name = word[0].upper()
    if name == "END":
        del body[-1:]
    elif name == "CASE":
        if body:
            body.append(word.start())
    # psql takes every BEGIN for the begin of a body, even a function's name.
    elif _words(text, word.start())[:2] == ("BEGIN", "ATOMIC"):
        body.append(word.start())


def _skip(text: str, position: int) -> int:
    """Past white space and comments."""
    while text.startswith("/*", position := end_of(_gap(text, position))):
        position = _past_nested_comment(text, position)
    return position


def _past_nested_comment(text: str, position: int) -> int:
    depth = 0
    for edge in _comment_edges(text, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _endless(text, position, "comment", "*/")


def _words(text: str, position: int) -> tuple[str, ...]:
    words: list[str] = []
    while match := _opening(text, position):
        words += [word.upper() for word in match.groups() if word]
        position = match.end()
        if not text.startswith("/*", position) or len(words) >= 4:
            break
        position = _skip(text, position)
    return tuple(words[:4])


def _fault_at(text: str, position: int) -> SqlFileError:
    sign = text[position]
    if sign == "\\":
        return psql_script.refusal(text, position)
    if sign == '"':
        return _endless(text, position, "quoted identifier", '"')
    return _endless(text, position, "string", "'")


def _endless(text: str, position: int, name: str, close: str) -> SqlFileError:
    return fault(text, position, f"a {name} that never ends", f"Close it with {close}")


def _unclosed(text: str, open_at: list[int], body: list[int]) -> SqlFileError:
    if open_at:
        return fault(text, open_at[0], "a parenthesis that never closes", "Close it.")
    return fault(text, body[0], "BEGIN ATOMIC without END", "End the body with END;")
