"""Files that do nothing, and are not meant to: what that leaves behind is said.

A rollback that undoes nothing leaves what its migration made. A migration that nobody
has written yet leaves nothing, and counts as edited once somebody has.

A file without a statement that does anything is known before it runs. ``DROP TABLE IF
EXISTS`` of a name that is not there is known once it ran, by a mark that each change of
the schema changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Session
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.sql_file import SqlFile
from sqlpair.project.statement import Statement
from sqlpair.revision import is_pair
from sqlpair.runner.migration import Ready, read_file
from sqlpair.runner.steps import Step

_IDLE = re.compile(r"SELECT\s+(?:[0-9]+|NULL|TRUE|FALSE|'[^']*')\s*;?", re.IGNORECASE)
_DEFINES = frozenset({"CREATE", "ALTER", "DROP"})
_BLOCK = re.compile(r"\b(?:CREATE|ALTER|DROP)\b", re.IGNORECASE)
# A line of a header as a skeleton of ``sqlpair new`` has it, with nothing filled in.
_UNFILLED = re.compile(r"^--[^\r\n]*: …\s*$", re.MULTILINE)
_TEMPORARY = frozenset({"TEMP", "TEMPORARY"})
_CONDITION = re.compile(r"\bIF\b", re.IGNORECASE)


def without_statements(ready: Iterable[Ready]) -> Iterator[str]:
    """Say of each file that has no statement that does anything what it leaves.

    Of a migration only where it is as ``sqlpair new`` wrote it. Of a rollback unless
    its migration has none either, as many a history has it. Of neither where the
    revision module does more than run the pair.
    """
    for it in ready:
        if _is_unwritten(it):
            yield (
                f"{it.step}: {it.file.path.name} has no statement yet, and does"
                " nothing. Undo it before you write it (sqlpair rollback): from now on,"
                " to change the file is to edit an applied migration"
            )
        if _is_plain_rollback(it) and not _does(it.file):
            above = _migration(it.step)
            if above is None or _does(above):
                yield (
                    f"{it.step}: {it.file.path.name} has no statement that does"
                    " anything: what the migration made or changed stays, recorded as"
                    " not applied"
                )


class SchemaWatch:
    """Says of one rollback whether the schema is the same after it as before."""

    def __init__(self, session: Session, ready: Ready):
        """Read the mark, where the rollback could leave what its migration made."""
        self._session = session
        self._ready = ready
        self._mark = self._read() if _may_leave(ready) else None

    def left(self) -> str:
        """Return what to say once it ran; nothing where it changed the schema."""
        if self._mark is None or self._mark != self._read():
            return ""
        step, file, _ = self._ready
        return (
            f"{step}: the schema is the same after {file.path.name} as before: what"
            " the migration made or changed there stays, recorded as not applied"
        )

    def _read(self) -> str:
        transactional = self._ready.file.transactional
        driver = driver_of(self._session.database)
        return driver.schema_mark(self._session, transactional=transactional)


def _may_leave(ready: Ready) -> bool:
    if not _is_plain_rollback(ready) or not _does(ready.file):
        return False
    if any(map(_surely_changes, sql_file.statements(ready.file))):
        return False
    above = _migration(ready.step)
    return above is None or any(map(_defines, sql_file.statements(above)))


def _is_unwritten(ready: Ready) -> bool:
    return (
        ready.step.upgrade
        and not ready.file.total
        and is_pair(getattr(ready.module, "upgrade", None))
        and bool(_UNFILLED.search(ready.file.text))
    )


def _is_plain_rollback(ready: Ready) -> bool:
    return not ready.step.upgrade and is_pair(getattr(ready.module, "downgrade", None))


def _migration(step: Step) -> SqlFile | None:
    try:
        return read_file(step._replace(upgrade=True))
    except SqlpairError:  # its file is gone, or cannot be read any more
        return None


def _does(file: SqlFile) -> bool:
    return not all(map(is_idle, sql_file.statements(file)))


def is_idle(statement: Statement) -> bool:
    """Say whether it does nothing, as SELECT 1 where a file may not be empty."""
    return bool(_IDLE.fullmatch(statement.text))


def _surely_changes(statement: Statement) -> bool:
    """Say whether it changes the schema, or fails: no IF EXISTS lets it pass."""
    return not _DEFINES.isdisjoint(statement.words[:1]) and (
        _CONDITION.search(statement.text) is None
    )


def _defines(statement: Statement) -> bool:
    """Say whether it makes or changes something that a rollback has to undo."""
    if statement.words[:1] == ("DO",):
        return bool(_BLOCK.search(statement.text))
    return not _DEFINES.isdisjoint(statement.words[:1]) and (
        _TEMPORARY.isdisjoint(statement.words)
    )
