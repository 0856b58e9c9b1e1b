"""Variables: values of the environment in a SQL file, written as psql writes them.

A file that declares ``-- variables: APP_ROLE`` above its first statement uses
``:"APP_ROLE"`` for a name and ``:'APP_ROLE'`` for a text; ``psql -v APP_ROLE=…`` runs
it as well. Nothing else is replaced. Checksums, the ledger and messages have the file's
text, never a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.project.statement import Statement

HEADER = "-- variables:"
_DECLARED = re.compile(r"--[ \t]*variables:[ \t]*(\w+(?:[ \t,]+\w+)*)[ \t]*", re.ASCII)
_MAYBE = re.compile(r""":(?:'\w+'|"\w+")""", re.ASCII)
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# What holds no variable is passed over: comments, strings and names in quotes, bodies
# in dollar quotes, casts.
_TOKENS = (
    r"--[^\r\n]*|/\*.*?\*/|::"
    rf"|:'(?P<text>{_NAME})'|:\"(?P<name>{_NAME})\""
    r"|(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'|\"[^\"]*\"|`[^`]*`"
    r"|(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)"
)
# An undeclared one may be the bound of an array's slice: a[1:"n"].
_UNDECLARED = rf"{_TOKENS}|\[[^\[\]]*\]"
# In characters. A shorter value is masked only where it is a word of its own.
_SHORT = 6
_IDENTIFIER = 63  # bytes that PostgreSQL keeps of a name


def declared(comments: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a header declares."""
    found = (match for text in comments if (match := _DECLARED.fullmatch(text)))
    return tuple(dict.fromkeys(chain(*(re.findall(_NAME, it[1]) for it in found))))


def used(text: str, names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Return each variable that ``text`` uses, and where.

    Of those that are not among ``names``, what may be something else is left out.
    """
    if not _MAYBE.search(text):
        return
    known = {*names}
    for match in _tokens(_TOKENS if known else _UNDECLARED, text):
        if name := match["name"] or match["text"]:
            yield name, match.start()


def _tokens(pattern: str, text: str) -> Iterator[re.Match[str]]:
    # Compiled when it is first needed, since most runs need none.
    return re.finditer(pattern, text, re.DOTALL | re.ASCII)


def plain(text: str, names: Iterable[str]) -> str:
    """Return ``text`` with each variable as a name or a text, which is itself."""
    return "".join(
        f" {piece[1:]}" if name else piece for name, piece in _pieces(text, names)
    )


class Filled(NamedTuple):
    """Where a value is in a filled text, and where its variable is in the file's."""

    start: int
    end: int
    raw_start: int
    raw_end: int


def _of_this_process(env: Mapping[str, str], file: str) -> Values:
    return Values(os.environ, env, file)


class Values:
    """What the environment and ``.env`` say; a value that was used is masked."""

    def __init__(
        self, environ: Mapping[str, str], env: Mapping[str, str], file: str = ".env"
    ):
        self._environ = environ
        self._env = env
        self._file = file
        self._used: dict[str, str] = {}

    def __repr__(self) -> str:
        """Name none."""
        return "<Values>"

    def __reduce__(self) -> tuple[object, ...]:
        """Go to another process, where its own environment counts."""
        return _of_this_process, (dict(self._env), self._file)

    def find(self, name: str) -> str:
        """Return the value of a variable; nothing where it has none."""
        return self._environ.get(name) or self._env.get(name) or ""

    def missing(self, where: Mapping[str, Iterable[str]]) -> SettingsError | None:
        """Return the error for variables without a value; each comes with its files."""
        lacking = {name: files for name, files in where.items() if not self.find(name)}
        if not lacking:
            return None
        one = len(lacking) == 1
        return SettingsError(
            f"{len(lacking)} variable{'' if one else 's'} of SQL files"
            f" {'has' if one else 'have'} no value",
            [f"{name}: {', '.join(files)}" for name, files in sorted(lacking.items())],
            f"Set {'it' if one else 'them'} in the environment or in {self._file}."
            " Nothing was changed.",
        )

    def fill(
        self, text: str, names: Iterable[str], *, backslashes: bool = False
    ) -> tuple[str, list[Filled]]:
        """Return ``text`` with values, and where they are.

        With ``backslashes`` the engine has E'…' for texts that hold them. SettingsError
        where a variable has no value.
        """
        filled: list[str] = []
        places: list[Filled] = []
        raw = length = 0
        for name, piece in _pieces(text, names):
            value = self._quoted(name, piece, backslashes) if name else piece
            if name:
                places.append(
                    Filled(length, length + len(value), raw, raw + len(piece))
                )
            filled.append(value)
            raw += len(piece)
            length += len(value)
        return "".join(filled), places

    def shown(self, text: str) -> str:
        """Return a file's text with the values that there are."""
        comments = (line.strip() for line in text.splitlines() if line[:2] == "--")
        names = [name for name in declared(comments) if self.find(name)]
        return self.fill(text, names)[0] if names else text

    def _quoted(self, name: str, piece: str, backslashes: bool) -> str:
        value = self.find(name)
        if error := self.missing({name: ["the file that runs"]}):
            raise error
        self._used[name] = value
        quote = piece[1]
        inner = value.replace(quote, quote * 2)
        if quote == "'" and backslashes and "\\" in value:
            doubled = inner.replace("\\", "\\\\")
            return f" E'{doubled}'"
        return f"{quote}{inner}{quote}"

    def masked(self, text: str) -> str:
        """Return a message without the values that were used."""
        for name, value in self._used.items():
            for form in sorted(_forms(value), key=len, reverse=True):
                pattern = re.escape(form)
                if len(form) < _SHORT:
                    pattern = rf"(?<!\w){pattern}(?!\w)"
                text = re.sub(pattern, lambda _: f":{name}", text)  # noqa: B023
        return text


NONE = Values({}, {})


def sent(statement: Statement, values: Values, *, backslashes: bool = False) -> str:
    """Return a statement's text as it is sent: with the values of its variables."""
    if not statement.variables:
        return statement.text
    return values.fill(statement.text, statement.variables, backslashes=backslashes)[0]


def quoting(error: Exception, statement: Statement) -> Exception | None:
    """Return the cause to show of a refused statement; none that may quote a value."""
    return None if statement.variables else error


def raw_position(position: int, places: Iterable[Filled]) -> int:
    """Return where in a file's text ``position`` is, which is one in its filled text.

    Both count from 1. Within a value it is where its variable begins.
    """
    shift = 0
    for place in places:
        if position - 1 < place.start:
            break
        if position - 1 < place.end:
            return place.raw_start + 1
        shift = place.raw_end - place.end
    return position + shift


def _forms(value: str) -> set[str]:
    """How a server may show a value: as it is, quoted, cut, or line by line."""
    cut = value.encode()[:_IDENTIFIER].decode(errors="ignore")
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORT]
    forms = {value, " ".join(value.split()), cut, *lines}
    doubled = {form.replace(sign, sign * 2) for form in forms for sign in "'\"\\"}
    # As E'…' has them.
    escaped = {form.replace("'", "''").replace("\\", "\\\\") for form in forms}
    return forms | doubled | escaped - {""}


def _pieces(text: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return ``text`` in pieces: with a name the use of a variable, else what it is."""
    known, position = {*names}, 0
    for match in _tokens(_TOKENS, text) if known else ():
        name = match["name"] or match["text"]
        if name in known:
            yield "", text[position : match.start()]
            yield name, match[0]
            position = match.end()
    yield "", text[position:]
