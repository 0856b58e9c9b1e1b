"""At an application's start: are the databases at the version that its code expects?

What the code expects are the SQL files beside its alembic.ini. Each database is asked
one query, or two where it has repeatable files, and neither Alembic nor SQLAlchemy is
imported. Whether a migration was edited or a schema has drifted is not asked:
``verify`` finds that out.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases import kept_open, retry
from sqlpair.databases.driver import reading
from sqlpair.errors import (
    ConnectError,
    HistoryError,
    LockError,
    SqlpairError,
    amount,
    several,
)
from sqlpair.ledger import version
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import REPEATABLE
from sqlpair.project.repeatable import BASE, migration
from sqlpair.project.settings import NONE, Settings, load

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

POLL_SECONDS = (0.2, 0.4)
logger = logging.getLogger("sqlpair")


class _BehindError(HistoryError):
    """A migrator may be about to apply what is missing."""


def check(
    config: str | os.PathLike[str] = "alembic.ini",
    *,
    addresses: Mapping[str, str] = NONE,
    member: str | None = None,
    wait: float = 0,
    allow_newer: bool = False,
) -> int:
    """Return the schema version, once every database is what the code expects.

    HistoryError names both, where a database is at another version; ConnectError where
    it cannot be reached. With ``wait``, what may come right is asked again for so many
    seconds: a migrator may be at work, or the server still starting. ``allow_newer``
    lets a database be ahead of the code, as it is while a new release replaces this
    one.
    ``addresses`` and ``member`` are as in ``sqlpair.open``. Changes and makes nothing.
    """
    settings = load(Path(config), addresses=addresses)
    if not settings.fleets and member is None:
        return _checked(settings, wait, allow_newer=allow_newer)
    from sqlpair.fleet import members

    with members.one(settings, member, logger.info) as part:
        return _checked(part, wait, allow_newer=allow_newer)


def _checked(settings: Settings, wait: float, *, allow_newer: bool) -> int:
    deadline = time.monotonic() + wait
    known = branches(settings)
    _refuse_nothing(settings, known)
    said = False
    while True:
        try:
            with kept_open.to_the_end():
                _check(known, allow_newer=allow_newer)
        except (_BehindError, ConnectError, LockError) as error:
            if time.monotonic() >= deadline:
                if wait > 0:
                    error.add(f"waited for {wait:g} s")
                raise
            if not said:
                logger.info("%s; waiting", error.what)
                said = True
        else:
            return version.latest(known)
        retry.wait(*POLL_SECONDS)


def _refuse_nothing(settings: Settings, known: Sequence[Branch]) -> None:
    """HistoryError where there is no file at all: they were not deployed."""
    if not any(branch.migrations or branch.repeatable for branch in known):
        raise HistoryError(
            "there are no SQL files to compare the databases with",
            [str(branch.database.sql) for branch in known],
            f"Deploy them beside {settings.ini.name}, with the code that needs them.",
        )


def _check(known: Sequence[Branch], *, allow_newer: bool) -> None:
    """Raise the first fault, with the others in it; one that stays comes first."""
    faults = [
        fault for branch in known if (fault := _fault(branch, allow_newer=allow_newer))
    ]
    faults.sort(key=lambda fault: isinstance(fault, _BehindError))
    if faults:
        first, *others = faults
        for fault in others:
            first.add(fault.what, *fault.evidence)
        raise first


def _fault(branch: Branch, *, allow_newer: bool) -> HistoryError | None:
    database = branch.database
    with reading(database, logger.info) as session:
        if session is None:
            if branch.migrations:
                return _behind(branch, {}, "the database is not there yet")
            return _repeatable_fault(branch, (), allow_newer=allow_newer)
        revisions, applied = _asked(session)
        repeated = _repeated(session) if branch.repeatable else []
    expected = {item.number: item.stem for item in branch.migrations}
    if expected.keys() - applied.keys():
        return _behind(branch, applied)
    newer = [applied[number] for number in sorted(applied.keys() - expected.keys())]
    if newer and not allow_newer:
        return HistoryError(
            _both(branch, applied),
            [f"applied, and not in the code: {several(newer)}"],
            "Start the code that has them; or let the database be newer, if this code"
            " can work with it: allow_newer=True",
        )
    last = branch.migrations[-1].revision if expected else ""
    if not newer and revisions != last:
        return HistoryError(
            f"{branch.name}: alembic_version and {database.tables.ledger} disagree",
            [f"alembic_version says {revisions or 'nothing'}, not {last or 'nothing'}"],
            "Find out more: sqlpair verify",
        )
    return _repeatable_fault(branch, repeated, allow_newer=allow_newer)


def _repeatable_fault(
    branch: Branch, rows: Sequence[tuple[str, int, str]], *, allow_newer: bool
) -> HistoryError | None:
    """Return what is to be said of files whose text is not the one that ran last.

    A newer release may have run another one since.
    """
    own = branch.migrations[-1].number if branch.migrations else BASE
    told = []
    for name in branch.repeatable:
        path = migration(branch.database.sql, branch.name, name, own).up
        now = sql_file.checksum_of(path)
        ran = [row for row in rows if row[0] == name]
        above = any(version > own for _, version, _ in ran)
        if allow_newer and (above or now in (checksum for _, _, checksum in ran)):
            continue
        if not above and ran and ran[-1][2] == now:
            continue
        last = (
            f"recorded {ran[-1][2][:12] or 'that it is gone'}" if ran else "never ran"
        )
        told.append(f"{REPEATABLE}/{name}: {last}; the file is now {now[:12]}")
    if not told:
        return None
    return _BehindError(
        f"{branch.name}: the database has not run"
        f" {amount(len(told), 'repeatable file')} as the code has"
        f" {'it' if len(told) == 1 else 'them'}",
        told,
        "Run: sqlpair migrate",
    )


def _repeated(session: Session) -> list[tuple[str, int, str]]:
    """Return name, version and checksum of what ran, oldest first."""
    table = session.table
    try:
        rows = session.rows(
            f"SELECT name, version, checksum FROM {table.repeatable} ORDER BY id"
        )
    except SqlpairError:
        if session.look(table.names.repeatable).columns[table.names.repeatable]:
            raise
        return []  # none has run
    return [(row["name"], row["version"], row["checksum"]) for row in rows]


def _asked(session: Session) -> tuple[str, dict[int, str]]:
    """Return what the version table says, and what is applied, by number."""
    table, join = session.table, session.table.join
    try:
        (row,) = session.rows(
            f"SELECT (SELECT {join}(version_num, ' ')"
            f" FROM {table.version}) AS revisions,"
            f" (SELECT {join}(version || ' ' || migration_name, '\n')"
            f" FROM {table.ledger}) AS applied"
        )
    except SqlpairError:
        if session.look(table.names.ledger).columns[table.names.ledger]:
            raise
        return "", {}  # no migration has run
    lines = (line.partition(" ") for line in (row["applied"] or "").split("\n"))
    applied = {int(number): stem for number, _, stem in lines if number.isdecimal()}
    return row["revisions"] or "", applied


def _behind(branch: Branch, applied: Mapping[int, str], why: str = "") -> _BehindError:
    pending = [m.stem for m in branch.migrations if m.number not in applied]
    return _BehindError(
        _both(branch, applied),
        [*([why] if why else ()), f"not applied: {several(pending)}"],
        "Run: sqlpair migrate",
    )


def _both(branch: Branch, applied: Mapping[int, str]) -> str:
    at = applied[max(applied)] if applied else "base"
    code = branch.migrations[-1].stem if branch.migrations else "base"
    return f"{branch.name}: the database is at {at}, the code expects {code}"
