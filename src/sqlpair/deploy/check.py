"""Steps read and checked: what a plan needs before anything of it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlpair.deploy.left_in_place import is_idle
from sqlpair.deploy.nothing_to_do import refuse_changed
from sqlpair.errors import DataLossError
from sqlpair.project import sql_file
from sqlpair.project.statement import Statement
from sqlpair.revision import is_pair
from sqlpair.runner import data_loss
from sqlpair.runner.edits import UNDOING, edited
from sqlpair.runner.migration import Ready, read, refuse_missing
from sqlpair.runner.steps import BranchStatuses, Step

# Of what runs outside transactions, statements of both engines that change how rows are
# found and stored, and never which rows there are.
_KEEP_ROWS = (
    ("ANALYZE",),
    ("CREATE", "INDEX"),
    ("CREATE", "UNIQUE", "INDEX"),
    ("DROP", "INDEX"),
    ("REINDEX",),
    ("VACUUM",),
)


def check(
    statuses: BranchStatuses,
    steps: Sequence[Step],
    *,
    allow_data_loss: bool,
    recorded: Sequence[Ready] = (),
) -> list[Ready]:
    """Read every file and module of ``steps``; raises SqlpairError, nothing has run.

    Where they are ``recorded``, there are no files to read.
    """
    if any(step.upgrade for step in steps):
        for status in statuses.values():
            refuse_changed(status)
    if recorded:
        assert [ready.step for ready in recorded] == [*steps]
        ready = [*recorded]
        refuse_missing(ready)
    else:
        refuse_other_rollbacks(statuses, steps)
        ready = read(steps)
    if not allow_data_loss:
        _refuse_unknown_loss(ready)
    return ready


def _refuse_unknown_loss(steps: Iterable[Ready]) -> None:
    for step, file, module in steps:
        if step.upgrade or file.transactional:
            continue
        plain = is_pair(getattr(module, "downgrade", None))
        if not plain or not all(map(_keeps_rows, sql_file.statements(file))):
            raise DataLossError(
                f"{step}: what its rollback loses cannot be known beforehand",
                [f"{file.path.name} is -- no-transaction: no trial can be undone"],
                data_loss.REMEDY,
            )


def _keeps_rows(statement: Statement) -> bool:
    """Say whether it can be told without running it that it takes no row or value."""
    return is_idle(statement) or any(
        statement.words[: len(words)] == words for words in _KEEP_ROWS
    )


def refuse_other_rollbacks(statuses: BranchStatuses, steps: Iterable[Step]) -> None:
    """Raise HistoryError where what is to undo a step is not what was applied with it.

    That is its rollback file and its revision module.
    """
    undone = {(s.branch.name, s.migration.number) for s in steps if not s.upgrade}
    for name, status in statuses.items():
        rows = [row for row in status.records.applied if (name, row.number) in undone]
        state = status.records._replace(applied=tuple(rows))
        if edits := edited(status._replace(records=state), UNDOING):
            raise edits[0].error()
