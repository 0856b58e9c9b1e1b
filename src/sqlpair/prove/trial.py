"""One migration: up, down, up, then rows added above it, down and up again.

After each step the schema and the rows must be what they were at that version before.
A difference is a problem, except for

- values that differ whenever the migration runs (the time, a random id): a note;
- rows and values that the rollback loses, where the file's header says so
  (``Rollback loses: …``): accepted, and listed;
- a rollback that refuses to drop a table of its own migration while that has rows: it
  is proved with that table empty, and its refusal noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from sqlpair.databases.interface import Session
from sqlpair.errors import SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.migrations import REPEATABLE
from sqlpair.prove import rows
from sqlpair.prove.compare import (
    State,
    missing_rows,
    not_compared,
    row_count,
    row_differences,
    schema_differences,
    unstable_columns,
)
from sqlpair.prove.database import Pair, ScratchDatabase
from sqlpair.runner.migration import Ready


class Reason(Enum):
    """Why a migration is not proved, as a summary counts it."""

    FILES = "a file of the pair cannot be used"
    UP = "the migration fails"
    UP_ON_ROWS = "the migration fails on generated rows"
    DOWN = "the rollback fails"
    DOWN_DIFFERS = "the rollback does not restore the schema or the rows"
    AGAIN = "after its rollback, the migration fails or has another result"
    RESTORE = "a backup above it cannot be restored, or restores differently"
    SEED = "seed.sql does not run"
    REPEAT = "a repeatable file fails, or changes something when it runs again"


class Verdict(NamedTuple):
    """What was found of one migration.

    ``rows`` is how many its database held above it. A problem means that it is not
    proved, and ``reason`` is the first one's kind; a note is something to know.
    ``losses`` are rows and values that its rollback loses, ``declared`` what its
    header says of that. ``effect``: whether it changed the schema or any row.
    """

    database: str
    migration: str
    rows: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    reason: Reason | None = None
    declared: str = ""
    losses: tuple[str, ...] = ()
    effect: bool = True

    @property
    def repeatable(self) -> bool:
        """Whether it is of a repeatable file."""
        return self.migration.startswith(f"{REPEATABLE}/")

    @property
    def proved(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


class UpError(Exception):
    """The migration does not run on this database; nothing else can be tried."""

    def __init__(self, cause: SqlpairError):
        super().__init__(str(cause))
        self.cause = cause


_LOSES = re.compile(r"Rollback loses:(?P<what>.*)", re.IGNORECASE)
_NOTHING = re.compile(
    r"(?:nothing|none|no(?: data| rows?| values?)?|n/?a|-+|…)?[.!]?", re.IGNORECASE
)


def declared_loss(pair: Pair) -> str:
    """What a header of the pair says that the rollback loses; nothing where none."""
    for half in (pair.up, pair.down):
        if isinstance(half, SqlpairError):
            continue
        first = next(sql_file.statements(half.file), None)
        header = half.file.text[: first.offset if first else None]
        for match in _LOSES.finditer(header):
            what = match["what"].strip().removesuffix("*/").strip()
            if not _NOTHING.fullmatch(what):
                return what
    return ""


class Trial:
    """The trial of one migration, and what comes to light on the way."""

    def __init__(self, pair: Pair):
        self.pair = pair
        self.problems: list[tuple[Reason, str]] = []
        self.notes: list[str] = []
        self.losses: list[str] = []
        self.rows = 0
        self.effect = True
        self.accepts_rows = True  # does it run on generated rows?
        self.above = State({}, {})
        self.declared = declared_loss(pair)

    def up(self, up: Ready, database: ScratchDatabase) -> None:
        """Apply it for the first time; UpError when it does not run."""
        try:
            database.run(up)
        except SqlpairError as error:
            raise UpError(error) from error

    def run(
        self,
        up: Ready,
        down: Ready,
        database: ScratchDatabase,
        before: State,
        add_rows: Callable[[Session], None],
    ) -> None:
        """Try what follows ``up``; without problems, leave the database above it.

        ``before`` is the state it was in below. ``add_rows`` adds rows above the
        migration.
        """
        above = self.above = database.state()
        self.rows = row_count(above.contents)
        self.effect = above != before
        ignored = not_compared(
            [one for half in (up, down) for one in sql_file.statements(half.file)]
        )
        if ignored:
            self.notes.append(f"not compared: {', '.join(ignored)}")
        if self._down(down, database, before) and self._again(up, database, above):
            add_rows(database.session)
            self._on_rows(up, down, database, before, above)

    @property
    def reason(self) -> Reason | None:
        """Of what kind the first problem is."""
        return self.problems[0][0] if self.problems else None

    def verdict(self) -> Verdict:
        """Sum up what was found."""
        migration = self.pair.migration
        return Verdict(
            migration.database,
            migration.stem,
            self.rows,
            tuple(dict.fromkeys(text for _, text in self.problems)),
            tuple(dict.fromkeys(self.notes)),
            self.reason,
            self.declared if self.losses else "",
            tuple(dict.fromkeys(self.losses)),
            self.effect,
        )

    def problem(self, reason: Reason, label: str, found: Sequence[str]) -> None:
        """Note why the migration is not proved."""
        self.problems += [(reason, f"{label}: {line}") for line in found]

    def _down(self, down: Ready, database: ScratchDatabase, before: State) -> bool:
        if not self._try(Reason.DOWN, "down", database, down):
            return False
        below = database.state()
        found = schema_differences(before, below)
        self.problem(Reason.DOWN_DIFFERS, "down", found)
        if not found:
            self._lost("down", row_differences(before, below))
        return True

    def _again(self, up: Ready, database: ScratchDatabase, above: State) -> bool:
        if not self._try(Reason.AGAIN, "up again", database, up):
            return False
        again = database.state()
        found = schema_differences(above, again)
        if not found and not self.losses:
            unstable = unstable_columns(above, again)
            self.notes += [f"{t}.{c} differs from run to run" for t, c in unstable]
            found = row_differences(above, again, unstable)
        self.problem(Reason.AGAIN, "up again", found)
        return not self.problems

    def _on_rows(
        self,
        up: Ready,
        down: Ready,
        database: ScratchDatabase,
        before: State,
        above: State,
    ) -> None:
        """Down and up where rows were added above the migration."""
        full = database.state()
        self.rows = row_count(full.contents)
        try:
            database.run(down)
        except SqlpairError as error:
            if not self._emptied(down, database, before, error):
                return
        below = database.state()
        label = "down, on rows"
        # A trigger may make a table for a row: that is not the rollback's doing.
        made = full.schema.keys() - above.schema.keys()
        found = schema_differences(before, below, made)
        self.problem(Reason.DOWN_DIFFERS, label, found)
        self._lost(label, missing_rows(before, below, above, full))
        label = "up again, on rows"
        if self.accepts_rows and self._try(Reason.UP_ON_ROWS, label, database, up):
            found = schema_differences(above, database.schema(), made)
            self.problem(Reason.AGAIN, label, found)

    def _emptied(
        self,
        down: Ready,
        database: ScratchDatabase,
        before: State,
        refusal: SqlpairError,
    ) -> bool:
        """Empty the migration's own tables and go down; say whether it does now."""
        try:
            emptied = rows.empty(database.session, before.contents)
            if not emptied:
                raise refusal
            database.run(down)
        except SqlpairError:
            self.problem(Reason.DOWN, "down, on rows", [str(refusal)])
            return False
        self.notes.append(
            f"its rollback refuses while there are rows in {', '.join(emptied)}:"
            f" {refusal.what}"
        )
        return True

    def _try(
        self, reason: Reason, label: str, database: ScratchDatabase, half: Ready
    ) -> bool:
        try:
            database.run(half)
        except SqlpairError as error:
            self.problem(reason, label, [str(error)])
            return False
        return True

    def _lost(self, label: str, found: list[str]) -> None:
        if self.declared:
            self.losses = self.losses or found
        else:
            self.problem(Reason.DOWN_DIFFERS, label, found)
