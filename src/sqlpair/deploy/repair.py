"""Taking over the present files of applied migrations that were edited.

Nothing runs: the ledger learns the new checksums, and the rollback as it is now; its
history says who let it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from sqlpair.databases.interface import BookkeepingSQL, Report
from sqlpair.deploy import record
from sqlpair.deploy.survey import survey
from sqlpair.errors import HistoryError
from sqlpair.ledger import write_sql
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner import applied_files
from sqlpair.runner.steps import Outcome, Place, Places
from sqlpair.verify.edits import Edit, edited


def edits(settings: Settings, report: Report) -> tuple[Edit, ...]:
    """Return what of applied migrations differs and is there. Creates nothing."""
    with ExitStack() as resources:
        places = survey(branches(settings), report, resources)
        return _accepted_by(places)


def _accepted_by(places: Places) -> tuple[Edit, ...]:
    found = (edit for place in places.values() for edit in edited(place))
    return tuple(edit for edit in found if edit.now)


def repair(settings: Settings, agreed: Sequence[Edit], report: Report) -> Outcome:
    """Record the files of ``agreed`` as they are, which is what a person was shown.

    HistoryError when files or ledgers say something else by now.
    """

    def targets(places: Places) -> Mapping[str, int]:
        now = _accepted_by(places)
        if now != tuple(agreed):
            raise HistoryError(
                "the files or the ledger changed while you were asked",
                [str(edit) for edit in now] or ["nothing differs any more"],
                "Run it again. Nothing was changed.",
            )
        names = {edit.migration.database for edit in agreed}
        return {name: p.position for name, p in places.items() if name in names}

    def writing(place: Place, table: BookkeepingSQL, entry: write_sql.Entry) -> str:
        own = dict.fromkeys(
            edit.migration
            for edit in agreed
            if edit.migration.database == place.branch.name
        )
        files = [(item, applied_files.present(place.branch, item)) for item in own]
        return write_sql.accepted(table, files, entry)

    return record.record_only(settings, targets, writing, report, method="repair")
