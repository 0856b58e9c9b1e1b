"""What an interrupted deployment left: databases it has reached, and others not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlpair.runner.steps import Places


class Unfinished(NamedTuple):
    """A transaction that not every database has committed.

    ``landed`` are those that have, ``missing`` maps the others to their positions
    after it.
    """

    transaction: str
    landed: tuple[str, ...]
    missing: Mapping[str, int]

    def __str__(self) -> str:
        """Say it in a sentence."""
        deployment = self.transaction.partition("/")[0]
        missing = " and ".join(self.missing)
        # The same is found where one address was changed and the other was not.
        return (
            f"deployment {deployment} has reached {' and '.join(self.landed)}, but not"
            f" {missing}: it was interrupted between their commits, or it went to"
            f" another {missing}"
        )


def unfinished(places: Places) -> Unfinished | None:
    """Return the newest such transaction that no later one has overtaken."""
    lasts = {place.state.last.name: place.state.last for place in places.values()}
    for name in sorted(filter(None, lasts), reverse=True):
        heads = {
            database: places[database].branch.at(-1 if number is None else number)
            for database, number in lasts[name].databases.items()
            if database in places
        }
        missing = {
            database: position
            for database, position in heads.items()
            # Names sort by time: a later one has taken this database elsewhere.
            if places[database].state.last.name < name
            and places[database].position != position
        }
        if missing:
            return Unfinished(name, tuple(sorted(set(heads) - set(missing))), missing)
    return None
