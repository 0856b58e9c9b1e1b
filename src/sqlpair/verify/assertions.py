"""Whether what migrations assert holds: every row of a ``_verify.sql`` is a problem.

The statements run one by one, read only. They speak of the schema as it is, not as it
was after their migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Session
from sqlpair.errors import (
    SettingsError,
    SqlFileError,
    StatementError,
    amount,
    printable,
)
from sqlpair.project import sql_file
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.project.statement import Statement
from sqlpair.verify.problem import Problem, ProblemKind, problem_of
from sqlpair.verify.subject import ReadDatabase

SHOWN = 5  # rows
WIDTH = 200  # characters of a row


def check(subject: ReadDatabase, position: int) -> Iterator[Problem]:
    """Check what the migrations up to ``position`` assert."""
    session = subject.session
    if session is None:
        return
    split = driver_of(subject.branch.database).split
    for item in subject.branch.migrations[:position]:
        if not exists(item.verify):
            continue
        try:
            file = sql_file.read(item.verify, split)
        except SqlFileError as error:
            yield problem_of(ProblemKind.ASSERTIONS, subject.name, error)
            continue
        for statement in sql_file.statements(file):
            yield from _check(session, item, statement)


def _check(
    session: Session, item: Migration, statement: Statement
) -> Iterator[Problem]:
    shown: list[str] = []
    count = 0
    try:
        with session.snapshot():
            for row in driver_of(session.database).query(
                session, statement, item.verify
            ):
                count += 1
                if count <= SHOWN:
                    shown.append(_line(row))
    except SettingsError as error:  # a variable has no value
        yield problem_of(ProblemKind.ASSERTIONS, item.database, error)
        return
    except StatementError as error:
        yield Problem(
            ProblemKind.ASSERTIONS,
            item.database,
            error.what,
            error.evidence,
            "Assertions only read, and speak of the schema as it is now: correct"
            f" {item.verify.name}.",
        )
        return
    if count:
        rest = [f"… and {amount(count - SHOWN, 'row')} more"] * (count > SHOWN)
        yield Problem(
            ProblemKind.ASSERTIONS,
            item.database,
            f"{item.database} {item.verify.name}:{statement.line}: returns"
            f" {amount(count, 'row')}, and should return none",
            (*shown, *rest),
            "Correct the data, or the assertion if it asks too much.",
        )


def _line(row: dict[str, Any]) -> str:
    text = printable(", ".join(f"{name}: {value}" for name, value in row.items()))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
