"""What only the text of a CREATE statement tells: no pragma does.

For a table: CHECKs, generated columns' expressions, collations, AUTOINCREMENT,
ON CONFLICT, deferred foreign keys, STRICT and WITHOUT ROWID. For an index: its
expressions and predicate. SQLite has accepted the text, so nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlpair.databases.sqlite.tokens import Token, closing, name_of, split, text

_TABLE = {"constraint", "primary", "unique", "check", "foreign"}
_COLUMN = {
    "constraint", "primary", "not", "null", "unique", "check", "default", "collate",
    "references", "deferrable", "generated", "as",
}  # fmt: skip

Columns = tuple[str, ...]


@dataclass
class TableDefinition:
    """Columns and tables are named by folded names."""

    strict: bool = False
    without_rowid: bool = False
    autoincrement: bool = False
    primary_key_conflict: str | None = None
    not_null_conflict: dict[str, str] = field(default_factory=dict)
    unique_conflict: dict[Columns, str] = field(default_factory=dict)
    collation: dict[str, str] = field(default_factory=dict)
    generation: dict[str, str] = field(default_factory=dict)
    checks: list[tuple[str | None, str]] = field(default_factory=list)
    deferred: set[tuple[Columns, str]] = field(default_factory=set)


@dataclass
class IndexDefinition:
    """``expressions`` has each indexed expression or column, without its order."""

    expressions: list[str]
    predicate: str | None


def index_definition(statement: Sequence[Token]) -> IndexDefinition:
    """The definition in ``CREATE INDEX name ON table (...) WHERE ...``."""
    start = statement.index(Token("("))
    end = closing(statement, start)
    return IndexDefinition(
        [text(_unordered(item)) for item in split(statement[start + 1 : end])],
        text(statement[end + 2 :]) or None,
    )


def _unordered(item: list[Token]) -> list[Token]:
    """The expression without its order, which a pragma tells."""
    return item[:-1] if item[-1] in {Token("asc"), Token("desc")} else item


def table_definition(statement: Sequence[Token]) -> TableDefinition:
    """The definition in ``CREATE TABLE name (...)``."""
    start = statement.index(Token("("))
    end = closing(statement, start)
    options = [token.text for token in statement[end + 1 :]]
    table = TableDefinition("strict" in options, "without" in options)
    for item in split(statement[start + 1 : end]):
        if item[0].text in _TABLE and not item[0].quoted:
            _Reader(item, table, ()).read()
        else:
            _Reader(item, table, (name_of(item[0]),)).read()
    return table


class _Reader:
    """Reads one column's definition, or a run of table constraints."""

    def __init__(self, item: list[Token], table: TableDefinition, columns: Columns):
        self.item = item
        self.table = table
        self.columns = columns
        self.at = len(columns)
        self.name: str | None = None
        self.foreign: Columns = ()
        self.reference: tuple[Columns, str] = (), ""

    def read(self) -> None:
        while self.at < len(self.item):
            token = self.item[self.at]
            self.at += 1
            if not token.quoted and token.text in _COLUMN | _TABLE:
                getattr(self, f"_{token.text}", self._nothing)()
                if token.text != "constraint":
                    self.name = None
            elif token == Token("("):
                # A type's length: VARCHAR(10).
                self.at = closing(self.item, self.at - 1) + 1

    def _nothing(self) -> None:
        """A keyword that says nothing more than the pragmas do."""

    def _constraint(self) -> None:
        self.name = name_of(self.item[self.at])
        self.at += 1

    def _check(self) -> None:
        self.table.checks.append((self.name, text(self._bracket())))

    def _collate(self) -> None:
        self.table.collation[self.columns[0]] = name_of(self.item[self.at])
        self.at += 1

    def _default(self) -> None:
        if self._ahead("("):
            self._bracket()
        else:
            self.at += 2 if self._ahead("+", "-") else 1

    def _generated(self) -> None:
        self.at += 1  # ALWAYS

    def _as(self) -> None:
        expression = text(self._bracket())
        self.table.generation[self.columns[0]] = expression

    def _not(self) -> None:
        if self._ahead("null"):
            self.at += 1
            if action := self._conflict():
                self.table.not_null_conflict[self.columns[0]] = action
        else:
            self.at += 1  # DEFERRABLE

    def _primary(self) -> None:
        self.at += 1  # KEY
        if self._ahead("("):
            inside = self._bracket()
            self.table.autoincrement |= Token("autoincrement") in inside
        if self._ahead("asc", "desc"):
            self.at += 1
        self.table.primary_key_conflict = self._conflict()
        if self._ahead("autoincrement"):
            self.at += 1
            self.table.autoincrement = True

    def _unique(self) -> None:
        columns = self.columns or self._names()
        if action := self._conflict():
            self.table.unique_conflict[columns] = action

    def _foreign(self) -> None:
        self.at += 1  # KEY
        self.foreign = self._names()

    def _references(self) -> None:
        self.reference = (self.columns or self.foreign), name_of(self.item[self.at])
        self.at += 1
        if self._ahead("("):
            self._bracket()
        # What the pragma tells is passed over: ON DELETE CASCADE, ON UPDATE SET NULL.
        while self._ahead("on", "match"):
            if self._ahead("match"):
                self.at += 2
            else:
                self.at += 4 if self.item[self.at + 2].text in {"set", "no"} else 3

    def _deferrable(self) -> None:
        if self._ahead("initially") and self.item[self.at + 1] == Token("deferred"):
            self.table.deferred.add(self.reference)

    def _ahead(self, *words: str) -> bool:
        return self.at < len(self.item) and self.item[self.at] in map(Token, words)

    def _bracket(self) -> list[Token]:
        end = closing(self.item, self.at)
        inside = self.item[self.at + 1 : end]
        self.at = end + 1
        return inside

    def _names(self) -> Columns:
        return tuple(name_of(item[0]) for item in split(self._bracket()))

    def _conflict(self) -> str | None:
        if not self._ahead("on"):
            return None
        self.at += 3
        return self.item[self.at - 1].text
