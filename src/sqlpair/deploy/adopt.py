"""Adopt: find out which version a database without records is, and record it.

Its schema is compared with what the files build at every version. Objects that no
version makes are another program's, and count for nothing; of all others none may be
missing, different or too many. Migrations that leave no trace in the schema cannot be
told from their neighbours: the highest version that fits is taken, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlpair.databases.interface import Report
from sqlpair.deploy import record
from sqlpair.errors import HistoryError, UsageError
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import BranchStatuses, Outcome
from sqlpair.verify.recognise import Found, Recognised

METHOD = "adopt"


def choose(found: Sequence[Found], number: int | None = None) -> dict[str, int]:
    """Return the position that each recognised database is to be recorded at.

    The highest that fits, or ``number``, which is the version that a person says it
    is; UsageError where that cannot be.
    """
    chosen = {}
    for item in found:
        if not isinstance(item, Recognised):
            continue
        name, positions = item.branch.name, item.positions
        position = positions[-1] if number is None else item.branch.at(number)
        if position not in positions:
            raise UsageError(
                f"{name}: it is not at version {number}",
                [f"its tables are those of {', '.join(item.heads)}"],
                "Nothing was changed.",
            )
        chosen[name] = position
    return chosen


def adopt(
    settings: Settings,
    found: Sequence[Found],
    positions: Mapping[str, int],
    report: Report,
) -> Outcome:
    """Record each database as being at its position; no SQL file runs.

    HistoryError when somebody recorded something meanwhile.
    """
    states = {i.branch.name: i.state for i in found if isinstance(i, Recognised)}

    def targets(statuses: BranchStatuses) -> Mapping[str, int]:
        for name in positions:
            if statuses[name].records != states[name]:
                raise HistoryError(
                    f"{name}: its records changed while you were asked",
                    remedy="Run it again. Nothing was changed.",
                )
        return positions

    return record.stamp(settings, targets, report, method=METHOD, purge=True)
