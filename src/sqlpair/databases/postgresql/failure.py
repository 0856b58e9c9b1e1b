"""What PostgreSQL's errors mean to the author of the migration, or to who runs it.

SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.failure import statement_error
from sqlpair.errors import ConnectError, LockError, SqlpairError, StatementError
from sqlpair.project.variables import raw_position

if TYPE_CHECKING:
    import psycopg2

    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement

OWN_TRANSACTION = (
    "Put transaction = migration into alembic.ini: each migration then commits by"
    " itself."
)
DEPENDENT = (
    "Drop what depends on it above this statement, and make it again below it. CASCADE"
    " would drop it for good."
)
REMEDIES = {
    "2BP01": DEPENDENT,
    "25001": "Mark the file with the line: -- no-transaction",
    "2D000": "Take COMMIT and ROLLBACK out of the body, or mark the file with the line:"
    " -- no-transaction",
    "55P04": f"A value is usable once its ALTER TYPE is committed. {OWN_TRANSACTION}",
    "55006": f"Pending trigger events end with their transaction. {OWN_TRANSACTION}",
    "53200": f"{OWN_TRANSACTION} Or raise max_locks_per_transaction.",
    "55P03": "Run it again when the table is quieter, or raise lock_timeout.",
    "42501": "Grant the role what the statement needs, or connect as another role.",
    "57014": "If nobody canceled it, the statement_timeout of the role or the database"
    " did: ALTER ROLE … SET statement_timeout = 0, or run the command with"
    " PGOPTIONS='-c statement_timeout=0'.",
    "25006": "Take the SET that makes the transaction read only out of the file; or,"
    " where the server is a hot standby, connect to the primary server.",
}
LOST = "Run the command again once the server is there: it goes on from where it is."
LOCK_NOT_AVAILABLE = "55P03"
# Of COPY: "COPY t, line 3, column a: …"
_ROW = re.compile(r"COPY .*?, line (\d+)")
_VARIABLE = re.compile(r""":(?:\w|'\w+'|"\w+")""")
UNDEFINED_OBJECT = "42704"
_MAKES_ROLE = re.compile(r"\bcreate\s+(?:role|user|group)\b", re.IGNORECASE)
# What a migration had to make, and no server has by itself.
_DROPS = re.compile(r"\bdrop\s+(?:index|trigger|constraint|rule|policy)\b", re.I)
_INSTALLS = re.compile(
    r"\b(?:create|alter)\s+(?:extension|collation|(?:\w+\s+){0,3}language)\b",
    re.IGNORECASE,
)
_NOT_INSTALLED = frozenset({"0A000", "22023", "55000"})
# A lock not had in time, a broken deadlock, a serialization failure.
RETRY = frozenset({LOCK_NOT_AVAILABLE, "40P01", "40001"})
# A table, column, function, schema or other object is there already, or is not.
_CLASH = frozenset({"42P07", "42701", "42723", "42P06", "42710"})
_CLASH |= {"42P01", "42703", "42883", "3F000", "42704"}
# In the server: rows that a policy hides, rows that a policy does not let be written.
_ROW_SECURITY = frozenset({"check_enable_rls", "ExecWithCheckOptions"})
# In the server: who reads a column whose type changes; the second until version 15.
_IN_USE = frozenset({"RememberAllDependentForRebuilding", "ATExecAlterColumnType"})
# An administrator's command, a crash, or the connection itself.
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05"})


def translate(
    database: Database,
    path: Path,
    statement: Statement,
    error: psycopg2.Error,
    blockers: Sequence[str] = (),
    *,
    before: int = 0,
) -> StatementError:
    """Return ``error``, raised by ``statement`` of ``path``, for a person.

    ``before`` is how many characters were sent before the statement's own.
    """
    diag = error.diag
    position = int(diag.statement_position) - before if diag.statement_position else 0
    if statement.variables and position > 0:
        _, places = database.values.fill(
            statement.text, statement.variables, backslashes=True
        )
        position = raw_position(position, places)
    if statement.rows and (row := _ROW.match(diag.context or "")):
        statement, position = _at_row(statement, int(row[1]))
    what, evidence = _said(database, error)
    scratch = _of_scratch(database, statement, error)
    if scratch:
        evidence.append(f"in a scratch database, on {database.scratch_server}")
    return statement_error(
        database,
        path,
        statement,
        what,
        position=position if position > 0 else None,
        evidence=[*evidence, *blockers],
        remedy=scratch
        or _psql_variable(statement, position)
        or _column_in_use(statement, error)
        or _remedy(error),
        retry=error.pgcode in RETRY,
        clash=error.pgcode in _CLASH and not database.scratch_server,
    )


def _at_row(statement: Statement, number: int) -> tuple[Statement, int]:
    """Return a COPY with its rows as its text, and where the row ``number`` begins."""
    before = statement.rows.split("\n")[:number]
    position = len(statement.text) + sum(len(line) + 1 for line in before) + 1
    return statement._replace(text=statement.text + statement.rows), position


def _of_scratch(database: Database, statement: Statement, error: psycopg2.Error) -> str:
    """What only the scratch server lacks, or only it has: an extension, a role."""
    if not database.scratch_server:
        return ""
    code, other = error.pgcode or "", another_server(database)
    if code == "42710" and _MAKES_ROLE.search(statement.text):
        return f"It is the scratch server that has it: drop it there.\nOr: {other}"
    if code == "58P01" or (code in _NOT_INSTALLED and _INSTALLS.search(statement.text)):
        return (
            f"It is the scratch server that lacks this: install it there.\nOr: {other}"
        )
    if code == UNDEFINED_OBJECT and not _DROPS.search(statement.text):
        return (
            "If no file makes it: let a migration make it (CREATE EXTENSION IF NOT"
            f" EXISTS …);\nor, if it is the server's (a role): {other}"
        )
    return ""


def another_server(database: Database) -> str:
    """Say how to name another server for scratch databases."""
    variable = database.scratch_variable or "SCRATCH_URL"
    how = (
        f"Set {variable} to the URL of a server that has what the files need, where"
        "\ndatabases may be made and dropped."
    )
    if not database.scratch_variable:
        how += f" In [{database.name}] of alembic.ini: scratch = {variable}"
    return how


def _column_in_use(statement: Statement, error: psycopg2.Error) -> str:
    """ALTER COLUMN … TYPE, where a view, a rule or a policy reads the column."""
    refused = error.pgcode == "0A000" and statement.words[:2] == ("ALTER", "TABLE")
    return DEPENDENT if refused and error.diag.source_function in _IN_USE else ""


def _psql_variable(statement: Statement, position: int) -> str:
    if position <= 0 or not (match := _VARIABLE.match(statement.text, position - 1)):
        return ""
    if match[0][1] in "'\"":  # elsewhere it is replaced, or refused
        return (
            "In a body in dollar quotes nothing is replaced, as in psql. Set the value"
            " before it:\nSET LOCAL app.value = :'NAME';  -- and read it by"
            " current_setting('app.value')"
        )
    return (
        "A variable is written as :\"NAME\" or :'NAME', and declared above the"
        " first statement: -- variables: NAME"
    )


def refused(database: Database, error: psycopg2.Error, doing: str = "") -> SqlpairError:
    """Return ``error``, raised by a statement of the engine's own, for a person."""
    what, evidence = _said(database, error)
    what = database.values.masked(what)
    evidence = [*map(database.values.masked, evidence)]
    what = f"{database.name}: {doing or 'PostgreSQL failed'}: {what}"
    if error.pgcode in RETRY:
        return LockError(what, evidence, _remedy(error), retry=True)
    remedy = _remedy(error)
    if error.pgcode == "3F000":  # where the bookkeeping tables are to be made
        remedy = (
            "Make that schema, or correct ledger_schema in the section"
            f" [{database.name}] of alembic.ini."
        )
    return ConnectError(what, evidence, remedy)


def is_lost(error: psycopg2.Error) -> bool:
    """Say whether the connection went with the statement."""
    code = error.pgcode
    return code is None or code in _LOST or code.startswith("08")


def _said(database: Database, error: psycopg2.Error) -> tuple[str, list[str]]:
    diag = error.diag
    # A traceback shows it, too, as the cause.
    error.args = (database.values.masked(str(error)),)
    first, *more = (
        diag.message_primary or str(error).strip() or type(error).__name__
    ).splitlines()
    evidence = _further(more)
    for word, text in (
        ("detail", diag.message_detail),
        ("hint", diag.message_hint),
        ("in", diag.context),
    ):
        if text:
            line, *more = text.splitlines()
            evidence += [f"{word}: {line}", *_further(more)]
    return first, evidence


def _further(lines: Sequence[str]) -> list[str]:
    # A value that the server quotes may hold new lines, and words like ours in them.
    return [f"| {line.strip()}" for line in lines]


def _remedy(error: psycopg2.Error) -> str:
    # Not by its words, which are in the language of the server.
    if error.diag.source_function in _ROW_SECURITY:
        return (
            "The policies of the table (row-level security) hold for this role: connect"
            " as one that owns the table without FORCE ROW LEVEL SECURITY, or has"
            " BYPASSRLS."
        )
    return LOST if is_lost(error) else REMEDIES.get(error.pgcode or "", "")
