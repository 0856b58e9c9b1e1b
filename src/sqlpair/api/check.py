"""At an application's start: are the databases at the version that its code expects?

What the code expects are the SQL files beside its alembic.ini. Each database is asked
one query, and neither Alembic nor SQLAlchemy is imported. Whether a file was edited or
a schema has drifted is not asked: ``verify`` finds that out.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases import bookkeeping, held, retry
from sqlpair.databases.driver import driver_of
from sqlpair.errors import ConnectError, HistoryError, LockError, SqlpairError, several
from sqlpair.ledger import version
from sqlpair.project.branches import Branch, branches
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
    member: str = "",
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
    if not settings.fleets:
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
            with held.to_the_end():
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
    if not any(branch.migrations for branch in known):
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
    session = driver_of(database).connect(database, read_only=True, report=logger.info)
    if session is None:
        return _behind(branch, {}, "the database is not there yet")
    with closing(session):
        revisions, applied = _asked(session)
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
            f"{branch.name}: alembic_version and schema_version disagree",
            [f"alembic_version says {revisions or 'nothing'}, not {last or 'nothing'}"],
            "Find out more: sqlpair verify",
        )
    return None


def _asked(session: Session) -> tuple[str, dict[int, str]]:
    """Return what the version table says, and what is applied, by number."""
    prefix, join = session.table.prefix, session.table.join
    try:
        (row,) = session.rows(
            f"SELECT (SELECT {join}(version_num, ' ')"
            f" FROM {prefix}{bookkeeping.VERSION_TABLE}) AS revisions,"
            f" (SELECT {join}(version || ' ' || migration_name, '\n')"
            f" FROM {prefix}{bookkeeping.LEDGER}) AS applied"
        )
    except SqlpairError:
        if session.columns(bookkeeping.LEDGER)[bookkeeping.LEDGER]:
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
