"""That nothing was to do, remembered until anything is different.

A service asks at every start, and the answer takes a look into each file and each row
of each ledger. All that it rests on is gathered here as text: what the files' folders
say of them, and what the databases say of themselves, in one query each. An answer is
kept with the text it rests on; a run that finds the same text again gives the same
answer. Nothing is decided here, and whatever differs takes the full way.

A file is known by its inode, its size and the time of its last change, which no
program can set. Clocks tick in steps, though, and a file may change twice within one:
so nothing is kept before the files have rested for a while (git takes the same care of
its index: https://git-scm.com/docs/racy-git).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.bookkeeping import REPEATABLE as TABLE
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import SqlpairError
from sqlpair.ledger.version import KEY
from sqlpair.project.migrations import REPEATABLE
from sqlpair.runner import restoring

if TYPE_CHECKING:
    from pathlib import Path

    from sqlpair.project.settings import Database, Settings
    from sqlpair.runner.steps import Place, Places

# Seconds. The coarsest clock of a file system in use, FAT's, ticks every two.
RESTED = 3.0
_END = "\n\n"


class NothingToDo(NamedTuple):
    """What is said when there is nothing to do."""

    where: list[str]
    summary: str


class Seen(NamedTuple):
    """What the answer rests on outside the databases; when any of it changed last."""

    text: str
    changed: float


def seen(settings: Settings) -> Seen | None:
    """Look at everything outside the databases; None where that does not tell enough.

    Called before any of it is read: what changes meanwhile then makes a difference.
    """
    if any(database.embedded for database in settings.databases):
        return None  # its server takes longer to start than the answer takes
    if settings.fleets or settings.member:
        return None  # the answer is of databases of one address
    if restoring.interrupted(settings):
        return None
    parts: list[object] = [
        os.stat(os.path.dirname(__file__)).st_mtime_ns,  # noqa: PTH116, PTH120
        settings.environment,
        settings.env_file.is_file(),
        settings.env.get(KEY),
    ]
    latest = 0
    try:
        for database in settings.databases:
            parts += (database.name, database.driver, database.ledger_schema)
            latest = max(latest, _look(database.sql, parts, files=True))
            latest = max(latest, _look(database.versions, parts, files=False))
            if _is_repeated(database):
                latest = max(latest, _look(_repeatable(database), parts, files=True))
    except OSError:
        return None
    return Seen(repr(parts), latest / 1e9)


def _look(folder: Path, parts: list[object], *, files: bool) -> int:
    """Add what identifies a folder's entries, and the content of its ``files``.

    Return when the last of it changed, in nanoseconds. A folder changes with the name
    or kind of any entry; what is in a rollback file nobody reads who only goes up.
    """
    latest = 0
    parts.append(str(folder))
    for found in (folder.lstat(), folder.stat()):  # it may be a link
        latest = max(latest, found.st_ctime_ns)
        parts += (found.st_mode, found.st_ino, found.st_ctime_ns)
    if files:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name[-13:] != "_rollback.sql":
                    at = entry.stat(follow_symlinks=False)
                    changed = at.st_ctime_ns
                    parts += (name, at.st_ino, at.st_size, changed)
                    if changed > latest:
                        latest = changed
    return latest


def _repeatable(database: Database) -> Path:
    return database.sql / REPEATABLE


def _is_repeated(database: Database) -> bool:
    """Say whether it has repeatable files, and so a table of what ran of them."""
    return os.path.isdir(_repeatable(database))  # noqa: PTH112 - many times as fast


def recall(settings: Settings, report: Report) -> NothingToDo | None:
    """Return the answer kept for what is there now, None where there is none."""
    try:
        kept = _path(settings).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    now = seen(settings)
    text, _, rest = kept.partition(_END)
    if now is None or text != now.text:
        return None
    told, _, answer = rest.partition(_END)
    databases = []
    for database in settings.databases:
        try:
            said = asked(database, report)
        except SqlpairError:
            return None
        if said is None:
            return None
        databases.append(said)
    if told != repr(databases):
        return None
    summary, *where = answer.split("\n")
    return NothingToDo(where, summary)


def asked(database: Database, report: Report) -> list[object] | None:
    """Return what a database says of itself, as ``stated`` has it.

    None where it is not there. SqlpairError where it cannot be reached, or has another
    ledger.
    """
    session = driver_of(database).connect(database, read_only=True, report=report)
    if session is None:
        return None
    try:
        prefix, join = session.table.prefix, session.table.join
        with session.snapshot():
            repeated = "NULL"
            # Of members, one may have run what is gone, and another may not.
            if _is_repeated(database) or (
                database.member and session.columns(TABLE)[TABLE]
            ):
                repeated = (
                    f"(SELECT {join}(name || ' ' || version || ' ' || checksum, ', ')"
                    f" FROM (SELECT * FROM {prefix}{TABLE} ORDER BY id) AS r)"
                )
            (row,) = session.rows(
                "SELECT"
                f" (SELECT {join}(version_num, ' ') FROM {prefix}alembic_version)"
                " AS heads,"
                f" (SELECT {join}(version || ' ' || migration_name || ' ' ||"
                " COALESCE(checksum, ''), ', ') FROM (SELECT version, migration_name,"
                f" checksum FROM {prefix}schema_version ORDER BY version, id) AS l)"
                " AS applied,"
                " (SELECT transaction_id || ' ' || COALESCE(databases, '')"
                f" FROM {prefix}schema_history ORDER BY id DESC LIMIT 1) AS last,"
                f" {repeated} AS repeated"
            )
            undecided = session.prepared()
    finally:
        session.close()
    names = ("heads", "applied", "last", "repeated")
    return [*(row[name] or "" for name in names), undecided]


def stated(place: Place) -> list[object]:
    """Return what a database would say of itself in one row.

    Its heads, what is applied, its last transaction, what is repeated, and what is
    in doubt.
    """
    state = place.state
    last = " ".join(
        f"{database}={'base' if head is None else head}"
        for database, head in state.last.databases.items()
    )
    applied = (f"{row.number} {row.stem} {row.checksum}" for row in state.applied)
    repeated = (f"{row.name} {row.version} {row.checksum}" for row in state.repeated)
    database = place.branch.database
    return [
        " ".join(state.revisions),
        ", ".join(applied),
        f"{state.last.name} {last}" if state.last.name else "",
        ", ".join(repeated) if database.member or _is_repeated(database) else "",
        list(place.undecided),
    ]


def keep(settings: Settings, before: Seen | None, places: Places) -> None:
    """Keep what is said when nothing is to do, and all it rests on.

    ``before`` is what was seen before anything was read. Where it cannot be written,
    the next run takes the full way too.
    """
    if before is None or time.time() - before.changed < RESTED:
        return
    from sqlpair.project import new_file
    from sqlpair.runner.steps import Outcome

    databases = [stated(place) for place in places.values()]
    outcome = Outcome("", (), places)
    answer = "\n".join([outcome.summary, *outcome.where()])
    path = _path(settings)
    kept = _END.join([before.text, repr(databases), answer]).encode()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new_file.put(path, kept, 0o600)


def _path(settings: Settings) -> Path:
    return settings.root / "state" / f"at-head.{settings.environment}"
