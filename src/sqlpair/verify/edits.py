"""Applied migrations whose files were edited since."""

from __future__ import annotations

from typing import NamedTuple

from sqlpair.errors import HistoryError
from sqlpair.project import sql_file
from sqlpair.project.migrations import Migration
from sqlpair.runner.steps import Place


class Edit(NamedTuple):
    """An applied migration whose file is no longer what was applied."""

    migration: Migration
    recorded: str
    now: str
    applied_at: str

    @property
    def checksums(self) -> str:
        """Say both."""
        return (
            f"recorded {self.recorded[:12]} on {self.applied_at[:10]};"
            f" the file is now {self.now[:12]}"
        )

    def error(self) -> HistoryError:
        """Return it as a failure, with what to do."""
        return HistoryError(
            f"{self.migration.database} {self.migration.stem}: the SQL file was edited"
            " after it was applied",
            [self.checksums],
            "Restore the file and put the change in a new migration, or run:"
            " sqlpair repair",
        )

    def __str__(self) -> str:
        """Name it, with both checksums."""
        return f"{self.migration.database} {self.migration.stem}: {self.checksums}"


def edited(place: Place) -> tuple[Edit, ...]:
    """Return the applied migrations whose files differ from their checksums."""
    files = {item.number: item for item in place.branch.migrations}
    found = []
    for row in place.state.applied:
        item = files.get(row.number)
        if item is None or not row.checksum:
            continue
        now = sql_file.checksum_of(item.up)
        if now != row.checksum:
            found.append(Edit(item, row.checksum, now, row.applied_at))
    return tuple(found)
