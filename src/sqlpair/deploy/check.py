"""Steps read and checked: what a plan needs before anything of it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sqlpair.errors import DataLossError, SqlpairError
from sqlpair.project import revisions, sql_file
from sqlpair.project.sql_file import SqlFile
from sqlpair.revision import is_pair
from sqlpair.runner import data_loss
from sqlpair.runner.migration import Ready, read, read_file, refuse_missing
from sqlpair.runner.steps import Place, Places, Step
from sqlpair.verify.edits import UNDOING, FileKind, edited

# As in SELECT 1, which stands where a file may not be empty.
_IDLE = re.compile(r"SELECT\s+(?:[0-9]+|NULL|TRUE|FALSE|'[^']*')\s*;?", re.IGNORECASE)


def check(
    places: Places,
    steps: Sequence[Step],
    *,
    allow_data_loss: bool,
    recorded: Sequence[Ready] = (),
) -> list[Ready]:
    """Read every file and module of ``steps``; raises SqlpairError, nothing has run.

    Where they are ``recorded``, there are no files to read.
    """
    if any(step.upgrade for step in steps):
        for place in places.values():
            refuse_changed(place)
    if recorded:
        assert [ready.step for ready in recorded] == [*steps]
        ready = [*recorded]
        refuse_missing(ready)
    else:
        refuse_other_rollbacks(places, steps)
        ready = read(steps)
    if not allow_data_loss:
        _refuse_unknown_loss(ready)
    return ready


def _refuse_unknown_loss(steps: Iterable[Ready]) -> None:
    for step, file, _ in steps:
        if not step.upgrade and not file.transactional:
            raise DataLossError(
                f"{step}: what its rollback loses cannot be known beforehand",
                [f"{file.path.name} is -- no-transaction: no trial can be undone"],
                data_loss.REMEDY,
            )


def left_in_place(ready: Iterable[Ready]) -> Iterator[str]:
    """Say of each rollback that has no statement that does anything what it leaves.

    Unless its migration has none either, as many a history has it, or its revision
    module does more than run the pair.
    """
    for step, file, module in ready:
        if step.upgrade or not is_pair(getattr(module, "downgrade", None)):
            continue
        if not _does(file) and _made_something(step):
            yield (
                f"{step}: {file.path.name} has no statement that does anything:"
                " what the migration made or changed stays, recorded as not applied"
            )


def _made_something(step: Step) -> bool:
    try:
        return _does(read_file(step._replace(upgrade=True)))
    except SqlpairError:  # its file is gone, or cannot be read any more
        return True


def _does(file: SqlFile) -> bool:
    return any(not _IDLE.fullmatch(it.text) for it in sql_file.statements(file))


def refuse_changed(place: Place) -> None:
    """Raise HistoryError unless the files still are what they were when applied.

    That is: applied SQL is unedited, and each SQL pair has its revision module. A pair
    that was lost would look like a migration that never was.
    """
    revisions.require(place.branch)
    if edits := edited(place, [FileKind.SQL]):
        raise edits[0].error()


def refuse_other_rollbacks(places: Places, steps: Iterable[Step]) -> None:
    """Raise HistoryError where what is to undo a step is not what was applied with it.

    That is its rollback file and its revision module.
    """
    undone = {(s.branch.name, s.migration.number) for s in steps if not s.upgrade}
    for name, place in places.items():
        rows = [row for row in place.state.applied if (name, row.number) in undone]
        state = place.state._replace(applied=tuple(rows))
        if edits := edited(place._replace(state=state), UNDOING):
            raise edits[0].error()
