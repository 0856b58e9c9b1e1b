"""A SQL file as the rules see it: checked, split, and its statements in tokens."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.errors import SqlFileError
from sqlpair.lint.grammar import Action, actions
from sqlpair.lint.head import Head
from sqlpair.lint.head import read as read_head
from sqlpair.lint.tokens import Lexeme, tokenize
from sqlpair.project import sql_file
from sqlpair.project.settings import Database
from sqlpair.project.statement import Statement
from sqlpair.project.variables import plain

# In a DO block: what changes something that the rules look at.
_SHAPES = re.compile(
    r"\b(?:(?:CREATE|ALTER|DROP)\s+(?!(?:ROLE|USER|GROUP|TYPE|EXTENSION|DATABASE|POLICY"
    r"|PUBLICATION|DEFAULT)\b)|EXECUTE\b(?!\s+ON\b))",
    re.IGNORECASE,
)
# SQLite's messages for invalid SQL. A table that does not exist gives another one.
_INVALID = re.compile(
    r"near .*: syntax error|incomplete input|unrecognized token.*"
    r"|unknown table option.*|missing datatype .*",
    re.DOTALL,
)


class Parsed(NamedTuple):
    """A statement with its tokens and, if it creates, alters or drops, its head.

    ``actions`` are those of ALTER TABLE and ALTER INDEX. ``unread`` says why a rule
    cannot see what it does; ``invalid`` is SQLite's own syntax error.
    """

    statement: Statement
    tokens: tuple[Lexeme, ...]
    head: Head | None
    actions: tuple[Action, ...] = ()
    unread: str = ""
    invalid: str = ""

    @property
    def line(self) -> int:
        """The line it begins on."""
        return self.statement.line

    def line_at(self, offset: int) -> int:
        """The line of the file on which ``offset`` of the statement is."""
        return self.line + self.statement.text.count("\n", 0, offset)


class Script(NamedTuple):
    """One SQL file of a migration. ``refused``: why the engine does not run it."""

    path: Path
    text: str
    statements: tuple[Parsed, ...]
    header: str
    body: str
    transactional: bool
    refused: str = ""
    refused_line: int = 1
    remedy: str = ""

    def begin(self, line: int) -> int:
        """Return the line on which the statement begins that ``line`` is in."""
        begins = (parsed.line for parsed in self.statements if parsed.line <= line)
        return max(begins, default=line)


def read(path: Path, database: Database) -> Script:
    """Read a file; one that the engine refuses has no statements, but the reason."""
    try:
        file = sql_file.read(path, driver_of(database).split)
    except SqlFileError as error:
        return Script(
            path,
            _lenient(path),
            statements=(),
            header="",
            body="",
            transactional=True,
            refused=error.what,
            refused_line=error.line or 1,
            remedy=error.remedy,
        )
    known = (
        it._replace(text=plain(it.text, it.variables))
        for it in sql_file.statements(file)
    )
    statements = tuple(_parsed(known, database.driver))
    first = next(file.split(file.text), None)
    return Script(
        path,
        file.text,
        statements,
        file.text if first is None else file.text[: first.offset],
        plain(sql_file.body(file, rows=False), file.used),
        file.transactional,
    )


def _lenient(path: Path) -> str:
    """Return the text of a file that cannot be used, for its silences."""
    try:
        return sql_file.lenient(path)
    except SqlFileError:
        return ""


def _parsed(statements: Iterable[Statement], driver: str) -> Iterator[Parsed]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            parsed = _parse(statement, driver)
            if driver == "sqlite":
                parsed = parsed._replace(invalid=_invalid(connection, parsed))
            yield parsed


def _parse(statement: Statement, driver: str) -> Parsed:
    tokens = tokenize(statement.text, driver)
    if statement.words[:1] == ("DO",) and _SHAPES.search(statement.text):
        return Parsed(statement, tokens, None, unread="a DO block changes the schema")
    head = read_head(tokens)
    found: tuple[Action, ...] = ()
    if head and head.action == "ALTER" and head.kind in ("TABLE", "INDEX"):
        found = tuple(actions(tokens[head.end :]))
    return Parsed(statement, tokens, head, found)


def _invalid(connection: sqlite3.Connection, parsed: Parsed) -> str:
    """Return SQLite's syntax error; the statement is not run.

    ALTER TABLE looks for its table first, so that an added column is asked about in
    a table of its own.
    """
    if parsed.statement.words[:1] in (("PRAGMA",), ("EXPLAIN",)):
        return ""
    texts = [parsed.statement.text]
    texts += [
        f"CREATE TABLE t ({text[action.rest[0].start : action.rest[-1].end]})"
        for text in texts
        for action in parsed.actions
        if action.what == "add column"
    ]
    for text in texts:
        try:
            connection.execute(f"EXPLAIN {text}").close()
        except (sqlite3.Error, sqlite3.Warning) as error:
            if _INVALID.fullmatch(str(error)):
                return str(error)
    return ""
