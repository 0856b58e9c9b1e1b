"""Rows and objects that refer to what is not there, and whose doing that is.

Foreign keys are off while a migration runs, so they are checked before it commits, and
with them what does not resolve in the schema. What was dangling or did not resolve
before is not its fault. Rowids may change in a rebuild, so what counts is how many
there are: of rows, by table and by what they refer to; of objects, by what is wrong.

SQLite lets a table refer to one that a later migration makes. Where that is so, the
files leave it so at the version reached, and nothing is wrong.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.sqlite.connection import open_file
from sqlpair.errors import SqlpairError, first_of

if TYPE_CHECKING:
    from sqlpair.databases.sqlite.unresolved import Unresolved
    from sqlpair.project.settings import Database

Reference = tuple[str, int | None, str]  # table, rowid, the table referred to
SHOWN = 10
RECIPE = (
    "To change a table, make the new one under another name, copy the rows, drop the"
    " old table,\nand rename the new one last. A table that is renamed takes along what"
    " refers to it.\nA view or trigger that names what goes is dropped before, and made"
    " again."
)
# What may break an object that was there before. Any other statement can only make one,
# and only one of these has something that may not resolve.
_BREAKING = frozenset({"ALTER", "DROP", "PRAGMA"})
_MAKING = re.compile(r"\b(?:view|trigger|references)\b", re.IGNORECASE)


class _Found(NamedTuple):
    dangling: list[Reference]
    unresolved: list[Unresolved]

    def rows(self) -> Counter[tuple[str, str]]:
        return Counter((table, to) for table, _, to in self.dangling)

    def objects(self) -> Counter[tuple[str, str]]:
        return Counter((each.kind, each.problem) for each in self.unresolved)

    def without(self, tables: Set[str]) -> _Found:
        """Return what has to do with no table of ``tables``."""
        return _Found(
            [row for row in self.dangling if row[2].lower() not in tables],
            [o for o in self.unresolved if o.missing().lower() not in tables],
        )


class References:
    """What is dangling or does not resolve in one database over a deployment."""

    def __init__(self, database: Database):
        self._database = database
        self._rows: Counter[tuple[str, str]] = Counter()
        self._objects: Counter[tuple[str, str]] = Counter()
        self._known = False
        self._last: _Found | None = None
        self._since: int | None = None
        self._whole = False
        self._ran: list[Path] = []

    def begin(self, raw: sqlite3.Connection) -> None:
        """Count them, unless that can still be done when some are found.

        Only a write-ahead log lets others read on whatever a transaction writes.
        """
        if not self._known:
            (mode,) = raw.execute("PRAGMA main.journal_mode").fetchone()
            if mode != "wal":
                self.count(raw)
        self._since = None
        self._whole = False
        self._ran.clear()

    def count(self, raw: sqlite3.Connection) -> None:
        """Count them, once."""
        if not self._known:
            found = _find(raw, since=0)
            self._rows, self._objects = found.rows(), found.objects()
            self._known = True

    def note(
        self, words: Sequence[str], text: str, path: Path, raw: sqlite3.Connection
    ) -> None:
        """Note that a statement of the file ``path`` is about to run."""
        self._whole |= not _BREAKING.isdisjoint(words)
        if self._since is None and words[:1] == ("CREATE",) and _MAKING.search(text):
            query = "SELECT coalesce(max(rowid), 0) FROM main.sqlite_master"
            (self._since,) = raw.execute(query).fetchone()
        if not self._ran or self._ran[-1] is not path:
            self._ran.append(path)

    def note_unseen(self) -> None:
        """Note that statements may run that are not told."""
        self._whole = True

    def check(self, raw: sqlite3.Connection) -> None:
        """Raise SqlpairError where the open transaction leaves more than there were."""
        found = self._last = _find(raw, 0 if self._whole else self._since)
        if not (found.dangling or found.unresolved):
            return
        if not self._known:
            outside = open_file(self._database, read_only=True)
            try:
                self.count(outside)
            finally:
                outside.close()
        if found.objects() - self._objects or found.rows() - self._rows:
            error = self._error(_find(raw, since=0))
            if error is not None:
                raise error

    def left(self, raw: sqlite3.Connection, path: Path) -> SqlpairError | None:
        """Return what the file ``path``, which ran outside, left broken.

        It is there from now on.
        """
        self._ran = [path]
        found = _find(raw, since=0)
        error = self._error(found)
        self._objects, self._rows = found.objects(), found.rows()
        return error

    def commit(self) -> None:
        """Take what was checked last for what is there now."""
        if self._last is None:
            return
        # Where not all was looked at, what was broken before is not known by this.
        self._known |= self._whole
        if self._known:
            self._rows = self._last.rows()
        if self._whole:
            self._objects = self._last.objects()

    def _error(self, found: _Found) -> SqlpairError | None:
        """Return what is wrong of all that was found, if anything is."""
        from sqlpair.databases.sqlite.unresolved import made_later

        if self._ran:
            last = self._ran[-1]
            found = found.without(made_later(self._database, last, found.unresolved))
        if new := found.objects() - self._objects:
            return self._broken(found, new)
        if not (new := found.rows() - self._rows):
            return None
        keys = "foreign key is" if new.total() == 1 else "foreign keys are"
        return SqlpairError(
            f"{self._database.name}: {new.total()} {keys} left dangling",
            first_of(
                [
                    f"{table} rowid {rowid} refers to {to}"
                    for table, rowid, to in found.dangling
                    if (table, to) in new
                ],
                SHOWN,
            ),
            "Let the migration keep what is referred to.",
        )

    def _broken(self, found: _Found, new: Counter[tuple[str, str]]) -> SqlpairError:
        objects = [o for o in found.unresolved if (o.kind, o.problem) in new]
        path = _culprit(self._ran, objects)
        where = f" {path.stem}" if path else ""
        shown = first_of([*map(str, objects)], SHOWN)
        return SqlpairError(
            f"{self._database.name}{where}: something refers to what is not there",
            [f"{path.name}: {line}" if path else line for line in shown],
            RECIPE,
        )


def _find(raw: sqlite3.Connection, since: int | None) -> _Found:
    """Return what is wrong, of objects after row ``since`` of the schema; of none."""
    from sqlpair.databases.sqlite import unresolved

    objects = [] if since is None else list(unresolved.code(raw, since))
    try:
        found = raw.execute("PRAGMA main.foreign_key_check").fetchall()
    except sqlite3.OperationalError:  # a foreign key to what is not unique
        found = []
        query = "SELECT name FROM main.sqlite_master WHERE type = 'table'"
        for (table,) in raw.execute(query).fetchall():
            try:
                found += unresolved.dangling(raw, table)
            except sqlite3.OperationalError as error:
                objects.append(
                    unresolved.Unresolved("foreign key of", table, str(error))
                )
    return _Found([row[:3] for row in found], objects)


def _culprit(ran: Iterable[Path], objects: Iterable[Unresolved]) -> Path | None:
    """Return the file that most likely broke them, if any ran.

    That is the last that speaks of what is missing, or else of the object.
    """
    from sqlpair.project import sql_file

    names = [name for o in objects for name in (o.missing(), o.name)]
    texts = [(path, sql_file.lenient(path).lower()) for path in ran]
    for name in names:
        for path, text in reversed(texts):
            if name.lower() in text:
                return path
    return texts[-1][0] if texts else None
