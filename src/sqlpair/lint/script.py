"""A SQL file as the rules see it: checked, split, parsed where it shapes tables."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp, parse_one
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError

from sqlpair.databases.interface import driver_of
from sqlpair.errors import SqlFileError
from sqlpair.lint.head import Head
from sqlpair.lint.head import read as read_head
from sqlpair.project import sql_file
from sqlpair.project.settings import Database
from sqlpair.project.statement import Statement

DIALECTS = {"postgresql": "postgres", "sqlite": "sqlite"}
_PARSED = frozenset({"TABLE", "INDEX"})
# Of a table, but nothing any rule speaks of; the parser knows none of them.
_WITHOUT_RULE = re.compile(
    r"\b(VALIDATE CONSTRAINT|RENAME CONSTRAINT|OWNER TO|ENABLE|DISABLE|FORCE ROW"
    r"|REPLICA IDENTITY|CLUSTER ON|SET WITHOUT|SET TABLESPACE|SET (UN)?LOGGED|SET \("
    r"|RESET \(|SET STATISTICS|SET STORAGE|SET COMPRESSION|ATTACH PARTITION"
    r"|DETACH PARTITION|ALTER CONSTRAINT|USING INDEX)",
    re.IGNORECASE,
)
_SHAPES = re.compile(r"\b(CREATE|ALTER|DROP|EXECUTE)\b", re.IGNORECASE)


class Parsed(NamedTuple):
    """A statement with its head and, for tables and indexes, its parse tree.

    ``unread`` says why the parser could not read what a rule would look into.
    """

    statement: Statement
    head: Head | None
    tree: exp.Expr | None
    unread: str

    @property
    def line(self) -> int:
        """The line it begins on."""
        return self.statement.line

    def line_at(self, offset: int) -> int:
        """The line of the file on which ``offset`` of the statement is."""
        return self.line + self.statement.text.count("\n", 0, offset)

    def line_of(self, node: exp.Expr | None) -> int:
        """The line of the file on which the name in ``node`` stands."""
        for found in node.find_all(exp.Identifier) if node else ():
            if "start" in found.meta:
                return self.line_at(int(found.meta["start"]))
        return self.line


class Script(NamedTuple):
    """One SQL file of a migration. ``refused``: why the engine would not run it."""

    path: Path
    text: str
    statements: tuple[Parsed, ...]
    header: str
    body: str
    transactional: bool
    refused: str = ""
    refused_line: int = 1
    remedy: str = ""


def read(path: Path, database: Database) -> Script:
    """Read a file; one the engine refuses has no statements but says why."""
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
    dialect = Dialect.get_or_raise(DIALECTS[database.driver])
    with _quiet():
        statements = tuple(_parse(item, dialect) for item in sql_file.statements(file))
    first = next(file.split(file.text), None)
    return Script(
        path,
        file.text,
        statements,
        file.text if first is None else file.text[: first.offset],
        sql_file.body(file),
        file.transactional,
    )


def _lenient(path: Path) -> str:
    """Return the text of a file that cannot be used, for the silences in it."""
    return path.read_text(errors="replace") if path.is_file() else ""


def _parse(statement: Statement, dialect: Dialect) -> Parsed:
    first = statement.words[:1]
    if first == ("DO",) and _SHAPES.search(statement.text):
        return Parsed(statement, None, None, "what a DO block makes is not seen")
    if first not in (("CREATE",), ("ALTER",), ("DROP",)):
        return Parsed(statement, None, None, "")
    try:
        head = read_head(dialect.tokenize(statement.text))
    except (SqlglotError, RecursionError) as error:
        return Parsed(statement, None, None, _reason(error))
    if head is None or head.kind not in _PARSED or head.action == "DROP":
        return Parsed(statement, head, None, "")
    try:
        tree = parse_one(statement.text, dialect=dialect)
    except (SqlglotError, RecursionError) as error:
        return Parsed(statement, head, None, _reason(error))
    if isinstance(tree, exp.Command):
        unread = "" if _WITHOUT_RULE.search(statement.text) else "the parser gives up"
        return Parsed(statement, head, None, unread)
    return Parsed(statement, head, tree, "")


def _reason(error: SqlglotError | RecursionError) -> str:
    if isinstance(error, ParseError) and error.errors:
        near = str(error.errors[0].get("highlight") or "its end").strip()[:40]
        return f"the parser stops at {near}"
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the parser from logging what becomes a finding."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
