"""Migrations: numbered pairs of SQL files in a database's folder.

``NNN_name.sql`` goes up, ``NNN_name_rollback.sql`` comes down again, and
``NNN_name_verify.sql``, where there is one, asserts. Nothing here connects to a
database, and nothing outside the folder is followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SqlFileError
from sqlpair.project.read_once import once

# The lookahead keeps 001_rollback.sql from being a migration that goes up.
_FILE_NAME = re.compile(
    r"(?P<stem>(?P<number>[0-9]{3,9})_(?!(?:rollback|verify)\.)[A-Za-z0-9_-]+?)"
    r"(?P<suffix>_rollback|_verify)?\.sql"
)
SNAPSHOT = "schema.sql"
SEED = "seed.sql"
REPEATABLE = "repeatable"


class Migration(NamedTuple):
    """One numbered pair; ``stem`` is its file name without suffix and ``.sql``.

    Or a repeatable file: ``stem`` begins with its folder then, and ``number`` is the
    version that it runs at (see ``project/repeatable.py``).
    """

    database: str
    number: int
    stem: str
    folder: Path

    @property
    def name(self) -> str:
        return self.stem.partition("_")[2]

    @property
    def repeatable(self) -> bool:
        """Whether it is a repeatable file."""
        return self.stem.startswith(f"{REPEATABLE}/")

    @property
    def revision(self) -> str:
        """Alembic's id for it, with the digits of the file name."""
        return f"{self.database}_{self.stem.partition('_')[0]}"

    @property
    def file_name(self) -> str:
        """What its SQL file is called, in its folder."""
        return f"{self.stem.rpartition('/')[2]}.sql"

    @property
    def up(self) -> Path:
        return self.folder / f"{self.stem}.sql"

    @property
    def down(self) -> Path:
        return self.folder / f"{self.stem}_rollback.sql"

    @property
    def verify(self) -> Path:
        return self.folder / f"{self.stem}_verify.sql"


@once
def find(folder: Path, database: str) -> tuple[Migration, ...]:
    """The migrations of a database by number; none where there is no folder.

    Whether a rollback is there is for ``sql_file.read`` to say, since only a
    downgrade needs it.
    """
    found = listing(folder, database)
    for one, other in pairwise(found):
        if one.number == other.number:
            raise _same_number(database, one.number, one.stem, other.stem)
    return found


def listing(folder: Path, database: str) -> tuple[Migration, ...]:
    """As ``find``, but two migrations may have one number: lint and renumber ask."""
    migrations = []
    companions: list[tuple[str, str]] = []
    for name in sql_files(folder, database):
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            raise SqlFileError(
                f"{database}: {name!a} is not a valid name for a SQL file",
                [f"in {folder}"],
                "Name it NNN_name.sql, NNN_name_rollback.sql or NNN_name_verify.sql "
                "(3 to 9 digits, then letters, digits, _ and -), or move it away.\n"
                "Those of another tool's: put them into a folder of their own, and run:"
                " sqlpair import FOLDER",
            )
        number, stem = int(match["number"]), match["stem"]
        if match["suffix"]:
            companions.append((stem, name))
        else:
            migrations.append(Migration(database, number, stem, folder))
    _refuse_orphans(database, (item.stem for item in migrations), companions)
    return tuple(sorted(migrations))


def sql_files(
    folder: Path, database: str, besides: Container[str] = (SNAPSHOT, SEED)
) -> list[str]:
    """The names of the SQL files in ``folder`` but ``besides``, each a regular file."""
    names = []
    try:
        if folder.is_symlink():
            raise _link(database, folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if not name.lower().endswith(".sql"):
                    continue
                if name in besides:
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise _link(database, folder / name)
                names.append(name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SqlFileError(
            f"{database}: the folder of its SQL files cannot be read",
            [f"{folder}: {error.strerror}"],
            "Make it a folder that this user may read.",
        ) from error
    return sorted(names)


def _refuse_orphans(
    database: str, stems: Iterable[str], companions: list[tuple[str, str]]
) -> None:
    known = set(stems)
    orphans = [(stem, name) for stem, name in companions if stem not in known]
    if orphans:
        raise SqlFileError(
            f"{database} {orphans[0][1]}: there is no migration {orphans[0][0]}.sql",
            [
                f"{name} belongs to {stem}.sql, which is missing"
                for stem, name in orphans
            ],
            "Restore the missing file, or remove what belonged to it.",
        )


def _same_number(database: str, number: int, *stems: str) -> SqlFileError:
    return SqlFileError(
        f"{database}: two migrations have the number {number}",
        [f"{stem}.sql" for stem in stems],
        "Give the one that is applied nowhere yet the next free number:"
        f" sqlpair renumber sql/{database}/NNN_name.sql",
    )


def _link(database: str, path: Path) -> SqlFileError:
    return SqlFileError(
        f"{database}: {path.name!a} is a link or a folder, not a file of its own",
        [f"{path}"],
        "Put the file itself there: SQL is read from the database's folder alone.",
    )
