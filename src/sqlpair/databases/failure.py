"""A refused statement, as a message with file, line, snippet and caret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.errors import HistoryError, StatementError
from sqlpair.project.repeatable import shown

if TYPE_CHECKING:
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement

WIDTH = 100


def ended_within(database: Database) -> HistoryError:
    """Return the error for a migration that ended the transaction it ran in."""
    return HistoryError(
        f"{database.name}: the migration has ended the transaction it ran in",
        ["what it did by then may be committed, and is not recorded"],
        "Let its revision module leave COMMIT and ROLLBACK to sqlpair.",
    )


def statement_error(
    database: Database,
    path: Path,
    statement: Statement,
    message: str,
    *,
    position: int | None = None,
    evidence: Sequence[str] = (),
    remedy: str = "",
    retry: bool = False,
    clash: bool = False,
) -> StatementError:
    """Return the error for ``statement`` of the file ``path``.

    ``position`` is the character at fault, counted from 1 within the statement, or
    None where the engine gives none: the snippet is then the statement's first line.
    ``clash``: see ``StatementError``.
    """
    before = statement.text[: (position or 1) - 1]
    line = statement.line + before.count("\n")
    start = before.rfind("\n") + 1
    end = statement.text.find("\n", start)
    source = statement.text[start : end if end >= 0 else None].rstrip()
    column = len(before) - start
    if column > WIDTH - 20:  # keep the caret in view
        cut = column - WIDTH // 2
        source, column = "..." + source[cut:], column - cut + 3
    gutter = f"{line} | "
    snippet = [gutter + source[:WIDTH].replace("\t", " ")]
    if position is not None:
        snippet.append(" " * (len(gutter) - 2) + "| " + " " * column + "^")
    masked = database.values.masked
    return StatementError(
        f"{database.name} {shown(path)}:{line}: {masked(message)}",
        [*snippet, *map(masked, evidence)],
        remedy,
        line=line,
        retry=retry,
        clash=database.name if clash else "",
    )
