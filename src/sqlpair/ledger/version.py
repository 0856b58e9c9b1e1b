"""The schema version: one number over all databases, and the one ``.env`` expects.

Version N means: every migration numbered N or lower is applied, in its own database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlpair.errors import HistoryError, SettingsError
from sqlpair.project import dotenv
from sqlpair.project.presence import is_file
from sqlpair.project.settings import VERSION_KEY

if TYPE_CHECKING:
    from sqlpair.project.branches import Branch
    from sqlpair.project.settings import Settings

KEY = VERSION_KEY


def reached(applied: Mapping[str, Iterable[int]], known: Sequence[Branch]) -> int:
    """Return the largest N with every migration numbered N or lower applied.

    ``applied`` maps a database's name to the numbers its ledger holds. 0 when not
    even the lowest is applied.
    """
    have = {name: set(numbers) for name, numbers in applied.items()}
    largest = 0
    for number, name in sorted(
        (migration.number, branch.name)
        for branch in known
        for migration in branch.migrations
    ):
        if number not in have.get(name, ()):
            # Two databases may share a number (a baseline each): then neither counts.
            return max(0, min(largest, number - 1))
        largest = number
    return largest


def latest(known: Sequence[Branch]) -> int:
    """Return the highest number any migration has, 0 where there is none."""
    return max((m.number for branch in known for m in branch.migrations), default=0)


def expected(settings: Settings) -> int | None:
    """Return ``SCHEMA_VERSION`` of ``.env``, None where it says nothing.

    HistoryError when it is not a number.
    """
    value = settings.env.get(KEY)
    if not value:
        return None
    if not value.isdecimal():
        raise HistoryError(
            f"{settings.env_file.name}: {KEY} is not a valid version",
            [f"{KEY}={value}"],
            "Let it be the number of a migration, for example: 2",
        )
    return int(value)


def refuse_unknown(settings: Settings, known: Sequence[Branch]) -> None:
    """Raise HistoryError when ``.env`` expects a version this checkout has not."""
    wanted = expected(settings)
    if wanted is not None and wanted > latest(known):
        raise HistoryError(
            f"{settings.env_file.name} expects a version this checkout does not have",
            [f"{KEY}={wanted}; the last migration here is {latest(known):03}"],
            "Update the checkout, or correct the file. To undo what the checkout lacks:"
            "\nsqlpair rollback --recorded\nNothing was changed.",
        )


def is_kept(settings: Settings) -> bool:
    """Say whether there is a ``.env`` to say it; a member's version is in none."""
    return not settings.member and is_file(settings.env_file)


def refuse_unwritable(settings: Settings, number: int) -> None:
    """Raise SettingsError where ``write`` would, before anything else is done."""
    try:
        if is_kept(settings):
            dotenv.write_value(settings.env_file, KEY, str(number), trial=True)
    except SettingsError as error:
        error.add("no database was changed")
        raise


def write(settings: Settings, number: int) -> bool:
    """Let an existing ``.env`` say ``number``; return whether it changed.

    A file that is not there is not made.
    """
    if not is_kept(settings):
        return False
    return dotenv.write_value(settings.env_file, KEY, str(number))
