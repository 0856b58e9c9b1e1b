"""Running a ``-- no-transaction`` file: statement by statement, as by hand.

Each statement commits by itself, or as part of a BEGIN … COMMIT of the file's own.
So a failure cannot undo what came before it, and says what that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.failure import statement_error
from sqlpair.errors import Interrupted, SqlpairError, StatementError, amount
from sqlpair.project.statement import Role, Statement

if TYPE_CHECKING:
    from sqlpair.project.settings import Database


class Alone:
    """Runs one file. ``execute`` raises StatementError, ``is_open`` says whether a
    transaction of the file's own is open, ``rollback`` ends it.
    """

    def __init__(
        self,
        database: Database,
        path: Path,
        execute: Callable[[Statement], None],
        is_open: Callable[[], bool],
        rollback: Callable[[], None],
    ):
        self._database = database
        self._path = path
        self._execute = execute
        self._is_open = is_open
        self._rollback = rollback
        self._kept: list[int] = []  # the lines of what nothing undoes any more
        self._open: list[int] = []  # those of the file's transaction

    def run(self, statements: Iterable[Statement]) -> None:
        """Run ``statements``; an error tells which of them were done and stay."""
        last = None
        try:
            for last in statements:
                if not self._ends_nothing(last):
                    self._execute(last)
                self._note(last)
            if last is not None and self._is_open():
                raise self._left_open(last)
        except (SqlpairError, Interrupted) as error:
            error.add(*self.evidence())
            raise
        finally:
            if self._is_open():
                self._rollback()

    def _ends_nothing(self, statement: Statement) -> bool:
        """Say whether it ends a transaction that nothing began: psql only warns."""
        ends = statement.role is Role.COMMIT or _is_rollback(statement)
        return ends and not self._is_open()

    def _note(self, statement: Statement) -> None:
        if self._is_open():
            self._open.append(statement.line)
        elif _is_rollback(statement):
            self._open.clear()
        else:
            self._kept += [*self._open, statement.line]
            self._open.clear()

    def evidence(self) -> list[str]:
        """Say what was done and stays."""
        if not self._kept:
            return ["nothing of the file was done before it"]
        lines = self._kept
        shown = ", ".join(map(str, lines[:5]))
        if len(lines) > 5:
            shown += f", … {lines[-1]}"
        count = amount(len(lines), "statement")
        return [f"done before it, and kept: {count} (line {shown})"]

    def _left_open(self, last: Statement) -> StatementError:
        return statement_error(
            self._database,
            self._path,
            last,
            "the file ends with its transaction open; that was rolled back",
            remedy="Let it end with COMMIT.",
        )


def _is_rollback(statement: Statement) -> bool:
    return statement.words[:1] in (("ROLLBACK",), ("ABORT",)) and (
        "TO" not in statement.words
    )
