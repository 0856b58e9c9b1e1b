"""Setting the version by hand: ledger, version table and ``.env``, and no SQL runs.

For a database whose tables are right and whose bookkeeping is not. Anyone who forces a
version vouches for the tables; the ledger keeps ``force`` as the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.deploy import deployment, record
from sqlpair.deploy.targets import refuse_unknown
from sqlpair.errors import HistoryError
from sqlpair.ledger import version
from sqlpair.ledger.position import claimed
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import Outcome, Place, Places
from sqlpair.runner.survey import survey


class VersionChange(NamedTuple):
    """What forcing writes to one database.

    ``before`` is what its version table says, ``recorded`` and ``forgotten`` are the
    ledger rows that come and go.
    """

    database: str
    before: tuple[str, ...]
    after: str
    recorded: tuple[str, ...]
    forgotten: tuple[str, ...]


def preview(
    settings: Settings, number: int, report: Report
) -> tuple[VersionChange, ...]:
    """Say what ``force`` would write. Creates nothing; a refusal is logged."""
    with deployment.refusals_logged(settings, report), ExitStack() as resources:
        places = survey(branches(settings), report, resources, locate=claimed)
        refuse_unknown(number, places)
        _refuse_ahead(places)
        return tuple(_change(place, number) for place in places.values())


def force(settings: Settings, number: int, report: Report) -> Outcome:
    """Let every database say that it is at version ``number``."""

    def targets(places: Places) -> Mapping[str, int]:
        refuse_unknown(number, places)
        _refuse_ahead(places)
        return {name: place.branch.at(number) for name, place in places.items()}

    return record.stamp(settings, targets, report, method="force", purge=True)


def _refuse_ahead(places: Places) -> None:
    # The files of a newer checkout are not here to check or to undo them.
    last = version.latest([place.branch for place in places.values()])
    for name, place in places.items():
        ahead = [row.stem for row in place.state.applied if row.number > last]
        if ahead:
            raise HistoryError(
                f"{name}: the database is ahead of this checkout",
                [f"applied, and not here: {', '.join(ahead)}"],
                "Update the checkout, or run the command from the newer one.",
            )


def _change(place: Place, number: int) -> VersionChange:
    kept = place.branch.migrations[: place.branch.at(number)]
    known = {row.number for row in place.state.applied}
    numbers = {item.number for item in kept}
    return VersionChange(
        place.branch.name,
        place.state.revisions,
        kept[-1].revision if kept else "base",
        tuple(item.stem for item in kept if item.number not in known),
        tuple(row.stem for row in place.state.applied if row.number not in numbers),
    )
