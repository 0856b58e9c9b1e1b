"""Mutants of a rollback: its statements, each time with one thing wrong.

They are made mechanically, so that nobody chooses what is easy to notice: each
statement left out; each clause left out that may be (a default, NOT NULL, UNIQUE, a
CHECK, a cascade, an order, an index's last column); each type replaced. Strings,
comments and bodies of functions stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlpair.project.statement import Statement


class Mutant(NamedTuple):
    """A file with one thing wrong, told in a few words."""

    line: int
    what: str
    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


_HIDDEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|(?P<tag>\$\w*\$).*?(?P=tag)",
    re.DOTALL,
)
_BODY = re.compile(r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?TRIGGER\b", re.I)
# One level of brackets inside brackets.
_BRACKETS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_VALUE = rf"(?:{_BRACKETS}|[-+]?[\w.~]+(?:\s*{_BRACKETS})?(?:::\w+)?)"

_CLAUSES = (
    ("default", rf"\bDEFAULT\s+{_VALUE}"),
    ("NOT NULL", r"(?<!SET )(?<!DROP )(?<!IS )\bNOT\s+NULL\b"),
    ("UNIQUE", r"\bUNIQUE\b(?!\s*\()"),
    ("CHECK", rf"(?<=[\w)~])\s+CHECK\s*{_BRACKETS}(?=\s*[,)])"),
    ("reference", rf"\bREFERENCES\s+[\w.~]+(?:\s*{_BRACKETS})?"
     r"(?:\s+ON\s+(?:DELETE|UPDATE)\s+(?:CASCADE|RESTRICT|SET\s+\w+|NO\s+ACTION))*"
     r"(?=\s*[,)])"),
    ("delete action", r"\bON\s+DELETE\s+(?:CASCADE|RESTRICT|SET\s+(?:NULL|DEFAULT))"),
    ("descending order", r"\bDESC\b"),
    ("predicate", r"(?<=\))\s+WHERE\b[^;]*"),
)  # fmt: skip
_TYPE = re.compile(
    r"(?<=[\w~])(?P<gap>\s+(?:SET\s+DATA\s+)?(?:TYPE\s+)?)(?P<type>text|varchar"
    r"|character\s+varying|integer|int|bigint|smallint|real|double\s+precision|numeric"
    r"|boolean|uuid|jsonb?|timestamptz|timestamp|date|blob)\b"
    r"(?P<size>\s*\(\s*\d+(?:\s*,\s*\d+)?\s*\))?(?!\s*\()",
    re.IGNORECASE,
)
_TABLE = re.compile(r"\b(?:CREATE|ALTER)\b.*?\bTABLE\b", re.IGNORECASE | re.DOTALL)
_INDEX = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\b", re.IGNORECASE)
_COPY = re.compile(r"INSERT\b.*\bSELECT\b(?!.*\bLIMIT\b)", re.I | re.DOTALL)
_LISTS = (
    (_INDEX, "index"),
    (re.compile(r"\bAS\s+ENUM\b", re.IGNORECASE), "type"),
)


def mutants(statements: Sequence[Statement]) -> Iterator[Mutant]:
    """Make every mutant of a file's statements."""
    for index, statement in enumerate(statements):
        before, after = statements[:index], statements[index + 1 :]
        named = " ".join(statement.text.split())[:60]
        yield Mutant(statement.line, f"without {named}", (*before, *after))
        for line, what, text in _changed(statement):
            changed = statement._replace(text=text)
            yield Mutant(line, what, (*before, changed, *after))


def with_more(statements: Sequence[Statement], text: str) -> Mutant:
    """The file with a statement at its end that its other half knows nothing of."""
    last = statements[-1].line if statements else 1
    extra = Statement(text, last, 0, ())
    return Mutant(last, f"up with {text}", (*statements, extra))


def _changed(statement: Statement) -> Iterator[tuple[int, str, str]]:
    """Each change of a statement: the line, what is wrong, the text."""
    text = statement.text
    code = _HIDDEN.sub(lambda match: "~" * len(match[0]), text)
    if _BODY.search(code):
        return
    for at, what, changed in (*_clauses(code, text), *_types(code, text)):
        yield statement.line + text.count("\n", 0, at), what, changed
    for pattern, what in _LISTS:
        shorter = _without_last(code, text) if pattern.search(code) else None
        if shorter is not None:
            yield statement.line, f"{what} without its last item", shorter
    if _COPY.match(code):
        end = code.rfind(";") if code.rstrip().endswith(";") else len(code)
        yield statement.line, "no row copied", f"{text[:end]} LIMIT 0;"


def _clauses(code: str, text: str) -> Iterator[tuple[int, str, str]]:
    if _TABLE.match(code) or _INDEX.match(code):
        for name, pattern in _CLAUSES:
            for match in re.finditer(pattern, code, re.IGNORECASE):
                start, end = match.span()
                yield start, f"lost {name}", f"{text[:start]} {text[end:]}"


def _types(code: str, text: str) -> Iterator[tuple[int, str, str]]:
    if _TABLE.match(code):
        for match in _TYPE.finditer(code):
            other = "integer" if _is_text(match["type"]) else "text"
            start, end = match.start("type"), match.end()
            wrong = f"{text[:start]}{other}{text[end:]}"
            yield start, f"{match['type']} is {other}", wrong


def _without_last(code: str, text: str) -> str | None:
    """The text without the last item of its first brackets; None if it has one."""
    match = re.search(_BRACKETS, code)
    if match is None:
        return None
    depth, last = 0, -1
    for at in range(*match.span()):
        depth += (code[at] == "(") - (code[at] == ")")
        if depth == 1 and code[at] == ",":
            last = at
    return text[:last] + text[match.end() - 1 :] if last >= 0 else None


def _is_text(word: str) -> bool:
    return word.lower().startswith(("text", "varchar", "char"))
