"""The parts of CREATE TABLE and ALTER TABLE, read from their tokens.

Only what the rules need is read. Everything else is skipped, with balanced
parentheses, so that an unknown option or operator does no harm. Whether a statement is
valid is checked elsewhere: squawk has PostgreSQL's grammar, and SQLite checks its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlpair.lint.tokens import Cursor, Lexeme, split

Tokens = Sequence[Lexeme]

# These end a column's type, and begin a constraint.
_CONSTRAINTS = frozenset(
    [
        *("CONSTRAINT", "NOT", "NULL", "DEFAULT", "PRIMARY", "UNIQUE", "CHECK"),
        *("REFERENCES", "GENERATED", "AS", "COLLATE"),
    ]
)
_AFTER_TYPE = _CONSTRAINTS | {"STORAGE", "COMPRESSION", "OPTIONS", "USING"}
_OF_TABLES = frozenset(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])
# Actions of ALTER TABLE that no rule is about.
_WITHOUT_RULE = frozenset(
    [
        *("VALIDATE", "ENABLE", "DISABLE", "FORCE", "NO", "NOT", "REPLICA", "CLUSTER"),
        *("SET", "RESET", "INHERIT", "OF", "OWNER", "OPTIONS", "MERGE", "SPLIT"),
    ]
)


class Constraint(NamedTuple):
    """A constraint or default: its keyword, its name if it has one, what follows.

    ``tokens`` begin with the keyword.
    """

    kind: str
    name: str
    tokens: Tokens

    @property
    def cursor(self) -> Cursor:
        """What follows the keyword."""
        cursor = Cursor(self.tokens)
        cursor.take()
        return cursor


class Definition(NamedTuple):
    """A column as it is written."""

    name: Lexeme
    kind: Tokens
    constraints: tuple[Constraint, ...]


class Action(NamedTuple):
    """One action of ALTER TABLE.

    ``what`` is add column, add constraint, drop column, drop constraint, alter column,
    rename table, rename column, attach, detach, other, or empty where it is not known.
    ``name`` is the column, constraint or partition, ``rest`` what follows it.
    """

    what: str
    tokens: Tokens
    name: Lexeme | None = None
    rest: Tokens = ()
    conditional: bool = False  # IF EXISTS, IF NOT EXISTS


def is_of_table(item: Tokens) -> bool:
    """Say whether an item of CREATE TABLE is a constraint of the table."""
    first, second = item[0].word, item[1].word if item[1:] else ""
    return (
        (first in _OF_TABLES and len(item) > 1)  # the second may be a quoted name
        or (first == "EXCLUDE" and second in ("USING", "("))
        or (first, second) == ("NOT", "NULL")  # NOT NULL column, since PostgreSQL 18
    )


def table_constraint(item: Tokens) -> Constraint:
    """Read a constraint of a table."""
    name = ""
    if item[0].word == "CONSTRAINT" and item[2:]:
        name, item = item[1].name, item[2:]
    return Constraint(item[0].word, name, item)


def definition(item: Tokens) -> Definition:
    """Read a column: its name, its type and its constraints."""
    cursor = Cursor(item)
    name, start = cursor.take(), cursor.at
    while cursor and not _ends_type(cursor):
        if cursor.peek() == "(":
            cursor.group()
        else:
            cursor.take()
    kind = item[start : cursor.at]
    return Definition(name, kind, tuple(_constraints(cursor)))


def _ends_type(cursor: Cursor) -> bool:
    if cursor.peek() == "WITH":  # timestamp WITH time zone, but: id WITH OPTIONS
        return cursor.peek(1) == "OPTIONS"
    return cursor.peek() in _AFTER_TYPE


def _constraints(cursor: Cursor) -> list[Constraint]:
    found: list[Constraint] = []
    while cursor:
        name = ""
        if cursor.accept("CONSTRAINT"):
            name = cursor.take().name
        start = cursor.at
        keyword = cursor.take().word
        if keyword == "NOT" and cursor.accept("NULL"):
            keyword = "NOT NULL"
        elif keyword == "DEFAULT" and cursor.peek() != "(":
            cursor.take()  # the value may be NULL, which is no constraint here
        elif keyword == "GENERATED":
            cursor.accept_all(("ALWAYS", "BY", "DEFAULT", "AS"))
        _past(cursor, keyword)
        found.append(Constraint(keyword, name, cursor.tokens[start : cursor.at]))
    return found


def _past(cursor: Cursor, keyword: str) -> None:
    """Go to the next constraint."""
    while cursor:
        if keyword == "REFERENCES" and cursor.peek() == "ON":
            # ON DELETE SET NULL, ON UPDATE SET DEFAULT
            cursor.at += 2
            if cursor.accept("SET") or cursor.accept("NO"):
                cursor.take()
        elif cursor.peek() == "NOT" and cursor.peek(1) != "NULL":
            cursor.at += 2  # NOT DEFERRABLE, NOT VALID, NOT ENFORCED
        elif keyword == "UNIQUE" and cursor.peek() == "NULLS":
            cursor.accept_all(("NULLS", "NOT", "DISTINCT"))
        elif cursor.peek() in _CONSTRAINTS:
            return
        elif cursor.peek() == "(":
            cursor.group()
        else:
            cursor.take()


def actions(tokens: Tokens) -> list[Action]:
    """Read what follows the table's name in ALTER TABLE."""
    return [_action(item) for item in split(Cursor(tokens).tokens)]


def _action(item: Tokens) -> Action:
    cursor = Cursor(item)
    cursor.accept("*")  # ALTER TABLE t *: with its children, as is the default
    word = cursor.take().word
    if word in _READ:
        return _READ[word](item, cursor)
    if word in ("ATTACH", "DETACH") and cursor.accept("PARTITION"):
        return Action(word.lower(), item, cursor.name()[-1] if cursor else None)
    return Action("other" if word in _WITHOUT_RULE else "", item)


def _add(item: Tokens, cursor: Cursor) -> Action:
    if cursor and is_of_table(cursor.rest):
        return Action("add constraint", item, rest=cursor.rest)
    cursor.accept("COLUMN")
    conditional = cursor.accept("IF", "NOT", "EXISTS")
    if not cursor:
        return Action("", item)
    return Action("add column", item, cursor.rest[0], cursor.rest, conditional)


def _drop(item: Tokens, cursor: Cursor) -> Action:
    what = "drop constraint" if cursor.accept("CONSTRAINT") else "drop column"
    if what == "drop column":
        cursor.accept("COLUMN")
    conditional = cursor.accept("IF", "EXISTS")
    if not cursor:
        return Action("", item)
    return Action(what, item, cursor.take(), cursor.rest, conditional)


def _rename(item: Tokens, cursor: Cursor) -> Action:
    if cursor.accept("CONSTRAINT"):
        return Action("other", item)
    if cursor.accept("TO"):
        return (
            Action("rename table", item, cursor.take()) if cursor else Action("", item)
        )
    cursor.accept("COLUMN")
    old = cursor.take()
    if not cursor.accept("TO") or not cursor:
        return Action("", item)
    return Action("rename column", item, old, cursor.rest)


def _alter(item: Tokens, cursor: Cursor) -> Action:
    if cursor.accept("CONSTRAINT"):
        return Action("other", item)
    cursor.accept("COLUMN")
    name = cursor.take()
    if cursor.peek() not in ("TYPE", "SET", "DROP", "ADD", "RESET", "RESTART"):
        return Action("", item)
    return Action("alter column", item, name, cursor.rest)


_READ = {"ADD": _add, "DROP": _drop, "RENAME": _rename, "ALTER": _alter}
