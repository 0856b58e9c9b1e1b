"""Foreign keys, views and triggers of a SQLite database that do not resolve.

SQLite takes them as they are written and finds out when they are used: a foreign key
may refer to a table that is not there, or to columns that are not unique, a view or a
trigger may name a table or a column that is gone. Then an INSERT fails, long after the
migration that broke it.

Where the files themselves leave it so at the version reached, since a later migration
makes what is missing, nothing is wrong.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.quoting import identifier
from sqlpair.project import migrations, sql_file

if TYPE_CHECKING:
    from sqlpair.project.settings import Database

# What this connection does not know, and that of an application may.
_UNKNOWN = re.compile(
    r"no such (function|module|collation)|unknown tokenizer|unsafe use"
)
_WRITTEN = """
SELECT type, name, tbl_name, sql FROM main.sqlite_master
WHERE rowid > ? AND (type IN ('view', 'trigger') OR sql LIKE '%references%')
ORDER BY rowid
"""
_TABLES = "SELECT name FROM main.sqlite_master WHERE type = 'table'"
_COLUMN = "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0 LIMIT 1"
# A statement that makes a table or a view of that name.
_MADE = (
    r"\bcreate\s+(?:virtual\s+)?(?:table|view)\s+(?:if\s+not\s+exists\s+)?"
    r"""(?:main\s*\.\s*)?["'`[]?{name}(?!\w)"""
)
_numbers = count()


class Unresolved(NamedTuple):
    """An object of a schema, and why it does not resolve."""

    kind: str
    name: str
    problem: str

    def __str__(self) -> str:
        """Say it as evidence."""
        return f"{self.kind} {self.name}: {self.problem}"

    def missing(self) -> str:
        """Return the name of what is missing, as far as SQLite tells it."""
        return self.problem.rpartition(" ")[2].rpartition(".")[2].strip('"')


def code(raw: sqlite3.Connection, since: int) -> Iterator[Unresolved]:
    """Return what does not resolve, of the objects after row ``since`` of the schema.

    Without foreign keys to columns that are not unique: ``foreign_key_check`` refuses
    them itself.
    """
    from sqlpair.databases.sqlite.tokens import fold

    written = raw.execute(_WRITTEN, (since,)).fetchall()
    # Asked for one by one, SQLite would read all of its schema for each.
    tables = {fold(name) for (name,) in raw.execute(_TABLES)} if written else set()
    for kind, name, table, sql in written:
        if kind == "table":
            for parent in _parents(raw, name):
                if fold(parent) not in tables:
                    problem = f"no such table: {parent}"
                    yield Unresolved("foreign key of", name, problem)
        if kind not in ("view", "trigger"):
            continue
        try:
            use = _firing(raw, table, sql) if kind == "trigger" else _selecting(name)
            # Another text each time: Python keeps compiled statements, and EXPLAIN does
            # not ask whether the schema has changed since.
            raw.execute(f"EXPLAIN {use} -- {next(_numbers)}").close()
        except sqlite3.OperationalError as error:
            problem = str(error)
        else:
            continue
        if not _UNKNOWN.search(problem):
            yield Unresolved(kind, name, problem)


def _parents(raw: sqlite3.Connection, table: str) -> Iterator[str]:
    # No pragma_foreign_key_list(): to make that table takes longer than to ask.
    keys = raw.execute(f"PRAGMA main.foreign_key_list({identifier(table)})").fetchall()
    yield from (parent for _, place, parent, *_ in keys if place == 0)


def dangling(raw: sqlite3.Connection, table: str) -> list[tuple[str, int | None, str]]:
    """Return the rows of ``table`` that refer to rows that are not there."""
    found = raw.execute(f"PRAGMA main.foreign_key_check({identifier(table)})")
    return [row[:3] for row in found]


def _selecting(view: str) -> str:
    return f"SELECT 1 FROM main.{identifier(view)}"


def _firing(raw: sqlite3.Connection, table: str, sql: str) -> str:
    """Return a statement that fires the trigger of that text."""
    from sqlpair.databases.sqlite.tokens import Token, name_of, tokens

    target = f"main.{identifier(table)}"
    events = {*map(Token, ("insert", "update", "delete"))}
    # After CREATE TRIGGER and its name.
    written = tokens(sql)[3:]
    event = next(i for i, token in enumerate(written) if token in events)
    if written[event] == Token("insert"):
        return f"INSERT INTO {target} DEFAULT VALUES"
    if written[event] == Token("delete"):
        return f"DELETE FROM {target}"
    if written[event + 1] == Token("of"):
        column = name_of(written[event + 2])
    else:
        (column,) = raw.execute(_COLUMN, (table,)).fetchone() or ("rowid",)
    return f"UPDATE {target} SET {identifier(column)} = NULL"


def made_later(
    database: Database, ran: Path, objects: Iterable[Unresolved]
) -> set[str]:
    """Return the missing tables that a file above makes, after ``ran`` was the last.

    What names them has to come from a file up to the version reached: or a rollback has
    left it behind.
    """
    reached = _reached(database, ran)
    if reached is None:
        return set()
    below, above = _texts(database, reached)
    coming: set[str] = set()
    missing: set[str] = set()
    for item in objects:
        name = item.missing().lower()
        made = re.search(_MADE.format(name=re.escape(name)), above)
        stays = re.search(rf"\b{re.escape(item.name.lower())}\b", below)
        is_table = item.problem.startswith("no such table: ")
        (coming if is_table and made and stays else missing).add(name)
    return coming - missing


def _reached(database: Database, path: Path) -> int | None:
    """Return the version at which a file of ``database`` leaves it, if it has one."""
    for item in migrations.find(database.sql, database.name):
        if path == item.up:
            return item.number
        if path == item.down:
            return item.number - 1
    return None


def _texts(database: Database, reached: int) -> tuple[str, str]:
    """Return the files up to a version, and those above it, in small letters."""
    parts: tuple[list[str], list[str]] = [], []
    for item in migrations.find(database.sql, database.name):
        parts[item.number > reached].append(sql_file.lenient(item.up).lower())
    below, above = map("\n".join, parts)
    return below, above
