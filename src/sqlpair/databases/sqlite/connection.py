"""A connection to a SQLite file, or what stands in its way.

``isolation_level=None`` keeps Python's driver from committing before DDL, so DDL
rolls back like everything else.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from sqlpair.databases.quoting import quote
from sqlpair.errors import ConnectError, LockError
from sqlpair.project import fleet
from sqlpair.project.owner import make_file
from sqlpair.project.presence import exists, is_dir

if TYPE_CHECKING:
    from sqlpair.project.settings import Database

OLDEST = (3, 35, 0)  # ALTER TABLE ... DROP COLUMN, RETURNING


def open_file(database: Database, *, read_only: bool) -> sqlite3.Connection:
    """Open the database's file, which is made where it is to be written.

    Raises ConnectError: no folder, no permission, not a database.
    """
    fleet.refuse(database.name, database.fleet)
    path = Path(database.address)
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConnectError(
            f"{database.name}: Python's SQLite is {sqlite3.sqlite_version}",
            remedy=f"Use a Python built with SQLite {'.'.join(map(str, OLDEST))}"
            " or newer.",
        )
    if is_dir(path):
        raise ConnectError(
            f"{database.name}: {path} is a folder",
            remedy=f"Let {database.variable} name a file.",
        )
    try:
        if not read_only:
            with suppress(OSError):  # SQLite is to say why it cannot be
                make_file(path)  # its -wal and -shm will have its mode
            return _open(database, path, "rwc")
        try:
            # What a killed writer left, a journal to roll back or a write ahead log,
            # only a connection that may write can take up, and clear away again.
            return _open(database, path, "rw")
        except sqlite3.OperationalError as error:
            beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
            if not _is_refused(error) or any(exists(file) for file in beside):
                raise
            # Reading makes a write ahead log, too. Where that may not be, and there
            # is none, nobody has the database open: it does not change.
            return _open(database, path, "ro&immutable=1")
    except sqlite3.Error as error:
        if is_busy(error):
            raise LockError(
                f"{database.name}: another program holds the database exclusively",
                [f"{path}, for {database.lock_timeout:g} s", *holders(path)],
                "Run it again when that program has closed it, or raise lock_timeout.",
            ) from None
        if _allows(path) and not may_write(path):
            raise ConnectError(
                f"{database.name}: the folder of the SQLite database cannot be written",
                [f"{path.parent}: {error}"],
                "SQLite makes a journal beside the file: let this user write to the"
                " folder, too.",
            ) from None
        raise ConnectError(
            f"{database.name}: cannot open the SQLite database",
            [f"{path}: {error}"],
            f"Check {database.variable}, and that the file is a database you may"
            f" {'read' if read_only else 'write'}.",
        ) from None


def dicts(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    """Yield the rows of a cursor, a dict for each."""
    names = [column[0] for column in cursor.description or ()]
    yield from (dict(zip(names, row, strict=True)) for row in cursor)


def columns(raw: sqlite3.Connection, tables: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of tables, none of what is not there."""
    # No pragma_table_info(): to make that table takes longer than to ask.
    return {
        name: [row[1] for row in raw.execute(f"PRAGMA main.table_info({quote(name)})")]
        for name in tables
    }


def data_version(raw: sqlite3.Connection) -> int:
    """Return a number that is another once another connection has committed.

    https://www.sqlite.org/pragma.html#pragma_data_version
    """
    (number,) = raw.execute("PRAGMA main.data_version").fetchone()
    return int(number)


def identity(path: str | Path) -> tuple[int, int] | None:
    """Return which file it is, if any; no other has the same while it is open."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a text is as good, and asked often
    except OSError:
        return None
    return found.st_dev, found.st_ino


def assert_in_place(database: Database, opened: tuple[int, int] | None) -> None:
    """LockError where the file ``opened`` has lost its name to another, or to none.

    What is written to it then is in nobody's database.
    """
    if (now := identity(database.address)) != opened:
        raise LockError(
            f"{database.name}: the database's file was moved or replaced while this run"
            " was at work",
            [f"{database.address} is {'another file' if now else 'not there'} now"],
            "What was not committed by then is rolled back. Let the file that is to be"
            " migrated have that name, and run the command again.",
        )


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another connection has what this one wants."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def holders(path: Path) -> list[str]:
    """Name other processes that have the file open, where the system tells."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or over meanwhile
            links = [os.readlink(link) for link in (folder / "fd").iterdir()]  # noqa: PTH115
            if str(path) in links and folder.name != str(os.getpid()):
                name = (folder / "comm").read_text().strip()
                found.append(f"open in pid {folder.name} ({name})")
    return found[:5]


def _is_refused(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def _open(database: Database, path: Path, mode: str) -> sqlite3.Connection:
    raw = sqlite3.connect(
        f"file:{url_quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=database.lock_timeout,
        check_same_thread=False,  # by two in turn, never by two at once
    )
    try:
        # A migration can neither ATTACH a file nor, as is Python's default, load code.
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        if mode != "rwc":
            raw.execute("PRAGMA query_only = ON")
        elif not _allows(path):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        elif not _allows(path.parent):
            # SQLite says so only when it writes: another database may have committed.
            raise sqlite3.OperationalError("unable to open its journal")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        raw.close()
        raise
    return raw


def may_write(path: Path) -> bool:
    """Say whether this user may write the file, and the journal beside it."""
    return _allows(path) and _allows(path.parent)


def _allows(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def keep_journal(raw: sqlite3.Connection, database: Database) -> None:
    """Let the rollback journal's file stay from one transaction to the next.

    Making and removing it each time may take longer than the transaction. A commit
    then overwrites its header, and syncs that. A write-ahead log stays what it is.
    https://www.sqlite.org/pragma.html#pragma_journal_mode
    """
    if database.member:
        return  # most often one transaction: it would cost a sync, and save none
    if _journal_mode(raw) not in ("wal", "persist"):
        raw.execute("PRAGMA main.journal_mode = PERSIST").fetchall()


def drop_journal(raw: sqlite3.Connection, database: Database) -> None:
    """Remove the journal's file again."""
    if not database.member and _journal_mode(raw) == "persist":
        raw.execute("PRAGMA main.journal_mode = DELETE").fetchall()


def _journal_mode(raw: sqlite3.Connection) -> str:
    (mode,) = raw.execute("PRAGMA main.journal_mode").fetchone()
    return str(mode)


def make_folder(database: Database) -> None:
    """Make the folder of a database that is to be made, where that is safe."""
    # The default lies in state/, which a fresh clone does not have. Any other
    # missing folder is more likely a slip, and is left for its owner to make.
    folder = Path(database.address).parent
    if is_dir(folder):
        return
    if folder.name == "state" and is_dir(folder.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
        return
    raise ConnectError(
        f"{database.name}: the folder of the database is not there",
        [str(folder)],
        f"Create it, or change {database.variable}.",
    )
