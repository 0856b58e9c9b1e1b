"""A SQLite script as single statements, cut where SQLite itself would cut.

The cuts are those of ``sqlite3.complete_statement``: at each ``;`` outside
quotes and comments, except that a ``CREATE TRIGGER`` ends with ``; END;``. The
text is read once, by possessive expressions, so that a megabyte in one literal
costs no more than a megabyte of statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_letters, digits

from sqlpair.databases.pattern import (
    ascii_without,
    compiled_late,
    end_of,
    opening,
    repeated,
    run_of,
)
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import Role, Statement, fault

_FLAGS = re.ASCII | re.DOTALL  # case is ignored word by word, which compiles faster

_SPACE = r"[ \t\r\n\f]++"
# SQLite takes every character beyond ASCII for a letter.
_LETTER = rf"[^{ascii_without(ascii_letters + digits + '_$')}]"
_WORD = rf"{_LETTER}++"
_QUOTED = r"""'[^']*+'|"[^"]*+"|`[^`]*+`|\[[^\]]*+\]"""
# Only LF ends a line comment. One with a lone CR in it is no comment here: an
# editor shows its rest as a line of its own, and SQLite would swallow it.
_LINE_COMMENT = "--" + repeated(r"[^\r\n]++", r"\r++(?=\n|\Z)") + r"(?:\n|\Z)"
_BLOCK_COMMENT = r"/\*" + repeated(r"[^*]++", r"\*(?!/)") + r"\*/"
_COMMENT = rf"{_LINE_COMMENT}|{_BLOCK_COMMENT}"
_GAP = repeated(_SPACE, _COMMENT)
_OTHER = rf"(?!{_LETTER}|{_SPACE}|[;'\"`\[]|--|/\*)."


def _any(*keywords: str) -> str:
    return rf"(?i:{'|'.join(keywords)})(?!{_LETTER})"


# After EXPLAIN, SQLite looks for CREATE past anything but these keywords, so
# that EXPLAIN QUERY PLAN CREATE is seen.
_KEYWORD = _any("explain", "create", "temp", "temporary", "trigger", "end")
_EXPLAIN = _any("explain") + repeated(
    _SPACE, _COMMENT, _QUOTED, _OTHER, rf"(?!{_KEYWORD}){_WORD}"
)

_skip = re.compile(_GAP, _FLAGS).match
_skip_empty = re.compile(repeated(";++", _SPACE, _COMMENT), _FLAGS).match
_RUN = repeated(r"[^;'\"`\[/-]++", _QUOTED, "-(?!-)", r"/(?!\*)")
_run = re.compile(_RUN, _FLAGS).match
# A statement that only changes rows, without comments in it.
_ROWS = rf"({_any('insert', 'update', 'delete', 'replace')}{_RUN};){_GAP}"
_comment = re.compile(_COMMENT, _FLAGS).match
_opening = re.compile(opening(rf"(?![0-9$]){_WORD}", _GAP), _FLAGS).match
_explain = compiled_late(_EXPLAIN, _FLAGS)
_trigger = re.compile(
    _any("create")
    + repeated(_SPACE, _COMMENT, _any("temp", "temporary"))
    + _any("trigger"),
    _FLAGS,
).match
_trigger_end = compiled_late(rf"{_any('end')}(?:{_GAP};|(?={_GAP}\Z))", _FLAGS)
_pragma = compiled_late(
    rf"{_any('pragma')}{_GAP}(?:(?:{_WORD}|{_QUOTED}){_GAP}\.{_GAP})?"
    rf"({_WORD}|{_QUOTED}){_GAP}([=(])?",
    _FLAGS,
)
_vacuum_into = compiled_late(
    rf"{_any('vacuum')}{_GAP}"
    rf"(?:(?!{_any('into')})(?:{_WORD}|{_QUOTED}){_GAP})?{_any('into')}",
    _FLAGS,
)

_CHANGING_ROWS = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})
_ROLES = {
    "BEGIN": Role.BEGIN,
    "COMMIT": Role.COMMIT,
    "END": Role.COMMIT,
    "ROLLBACK": Role.CONTROL,
    "SAVEPOINT": Role.CONTROL,
    "RELEASE": Role.CONTROL,
    "ATTACH": Role.FORBIDDEN,
    "DETACH": Role.FORBIDDEN,
    "VACUUM": Role.OUTSIDE,
}
# SQLite refuses to set these inside a transaction; to ask for them is harmless.
_PRAGMAS_OUTSIDE = {"JOURNAL_MODE", "SYNCHRONOUS"}


def split(text: str, *, together: bool = False) -> Iterator[Statement]:
    """The statements of ``text`` in order, each made when it is asked for."""
    line, counted, position = 1, 0, 0
    together = together and "\ufeff" not in text
    while (start := end_of(_skip_empty(text, position))) < len(text):
        if text[start] == ".":
            raise fault(
                text,
                start,
                "a command of the sqlite3 shell, not SQL",
                "Take the line out: a migration runs without that shell.",
            )
        words = _words(text, start)
        if together and words[:1] and words[0] in _CHANGING_ROWS:
            position, number = run_of(re.compile(_ROWS, _FLAGS).match, text, start)
        else:
            number = 0
        if not number:
            position = _end(text, start, words)
        line += text.count("\n", counted, start)
        counted = start
        if any(word.startswith("\ufeff") for word in words):
            # A COMMIT behind one would not be known for what it is.
            raise fault(
                text,
                start,
                "a byte order mark within the file, which SQLite takes for a space",
                "Take it out: it is left where files were put together.",
            )
        statement = text[start:position]
        yield Statement(
            statement, line, start, words, *_role(statement, words), number=number or 1
        )


@lru_cache(maxsize=4)  # what the members of a fleet are told is much the same
def parted(text: str) -> tuple[str, ...]:
    """Return the texts of the statements of an engine's own text."""
    parts: list[str] = []
    for one in split(text, together=True):  # rows, for the most part
        parts += rows_apart(one.text) if one.number > 1 else [one.text]
    return tuple(parts)


def rows_apart(text: str) -> list[str]:
    """Return the texts of statements that only change rows, of a run of them."""
    return re.findall(_ROWS, text, _FLAGS)


def _end(text: str, start: int, words: tuple[str, ...]) -> int:
    """Where the statement that begins at ``start`` ends, its ``;`` included."""
    explained = _explain(text, start) if words[:1] == ("EXPLAIN",) else None
    position = explained.end() if explained else start
    is_trigger = _trigger(text, position) is not None
    position = start
    while (end := end_of(_run(text, position))) < len(text):
        if text[end] == ";":
            if not is_trigger:
                return end + 1
            position = end_of(_skip_empty(text, end))
            if close := _trigger_end(text, position):
                return close.end()
        elif _comment(text, end):
            position = end_of(_skip(text, end))
            if position == len(text):
                break  # leaving the comments at the end of the file out
        else:
            raise _endless(text, end)
    if is_trigger:
        raise fault(
            text, start, "a trigger without its END;", "End its body with: ; END;"
        )
    return start + len(text[start:end].rstrip(" \t\r\n\f"))


def _endless(text: str, position: int) -> SqlFileError:
    if text.startswith("--", position):
        return fault(
            text,
            position,
            "a carriage return alone inside a comment: SQLite would read on and "
            "take what follows it for comment",
            "Save the file with LF or CRLF line ends.",
        )
    name, close = {
        "'": ("string", "'"),
        '"': ("quoted identifier", '"'),
        "`": ("quoted identifier", "`"),
        "[": ("quoted identifier", "]"),
        "/": ("comment", "*/"),
    }[text[position]]
    return fault(
        text,
        position,
        f"a {name} that never ends",
        f"Close it with {close} where it should end.",
    )


def _words(text: str, position: int) -> tuple[str, ...]:
    match = _opening(text, position)
    assert match is not None
    return tuple([word.upper() for word in match.groups() if word])


def _role(text: str, words: tuple[str, ...]) -> tuple[Role, str]:
    first = words[0] if words else ""
    if first == "PRAGMA" and (pragma := _pragma(text, 0)):
        name = pragma[1].strip("'\"`[]").upper()
        title = f"PRAGMA {name.lower()}"
        if name == "FOREIGN_KEYS" and pragma[2]:
            return Role.FOREIGN_KEYS, title
        if (name in _PRAGMAS_OUTSIDE and pragma[2]) or name == "WAL_CHECKPOINT":
            return Role.OUTSIDE, title
    if first == "VACUUM" and _vacuum_into(text, 0):
        return Role.FORBIDDEN, "VACUUM INTO"
    if first in _ROLES:
        return _ROLES[first], first
    return Role.ORDINARY, ""
