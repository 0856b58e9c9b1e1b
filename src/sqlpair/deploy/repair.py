"""Taking over the present files of applied migrations: edited, renamed or squashed.

Nothing runs: the ledger learns the new checksums, names and numbers, and the rollback
as it is now; its history says who let it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.interface import Report
from sqlpair.deploy import record
from sqlpair.errors import HistoryError, several
from sqlpair.ledger import squashed, write_sql
from sqlpair.ledger.applied_files import AppliedFiles
from sqlpair.ledger.position import current
from sqlpair.ledger.tables import Applied, Records
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Settings
from sqlpair.runner import applied_files
from sqlpair.runner.edits import Edit, FileKind, edited
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome
from sqlpair.runner.survey import survey


class Rename(NamedTuple):
    """A row of the ledger, and the file with its text, which no row names."""

    row: Applied
    migration: Migration


class Squash(NamedTuple):
    """Rows of a ledger, and the migration that replaces theirs."""

    rows: tuple[Applied, ...]
    into: Migration


class Repairs(NamedTuple):
    """What of applied migrations differs, and can be accepted."""

    edits: tuple[Edit, ...] = ()
    renames: tuple[Rename, ...] = ()
    squashes: tuple[Squash, ...] = ()

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.edits) + len(self.renames) + len(self.squashes)


def repairs(settings: Settings, report: Report) -> Repairs:
    """Return what differs and can be accepted. Creates nothing.

    HistoryError where a ledger is below what was squashed, or names another order.
    """
    with ExitStack() as resources:
        statuses = survey(branches(settings), report, resources, locate=_accepted)
        return _accepted_by(statuses)


def _renames(branch: Branch, rows: Sequence[Applied]) -> tuple[Rename, ...]:
    """Return the renamed ones, in the order in which they were applied.

    Where several files have one text, each row gets the next of them.
    """
    stems = {item.stem for item in branch.migrations}
    gone = [row for row in rows if row.stem not in stems and row.checksum]
    if not gone:
        return ()
    known = {row.stem for row in rows}
    free = [item for item in branch.migrations if item.stem not in known]
    sums = {item: sql_file.checksum_of(item.up) for item in free}
    found = []
    for row in gone:
        same = [item for item in free if sums[item] == row.checksum]
        if same:
            found.append(Rename(row, same[0]))
            free.remove(same[0])
    return tuple(found)


def _accepted(branch: Branch, state: Records) -> int:
    """Return the position once all is accepted; HistoryError where it cannot be."""
    return current(branch, _after(branch, state))


def _after(branch: Branch, state: Records) -> Records:
    """Return what a database says of itself once all names are accepted."""
    squash = _squash(branch, state)
    rows = tuple(
        row
        for row in state.applied
        if squash is None or row.stem not in {one.stem for one in squash.rows[:-1]}
    )
    if squash is not None:
        last, into = squash.rows[-1].stem, squash.into
        rows = tuple(
            row._replace(number=into.number, stem=into.stem)
            if row.stem == last
            else row
            for row in rows
        )
    named = {rename.row: rename.migration for rename in _renames(branch, rows)}
    if not named and squash is None:
        return state
    rows = tuple(
        row._replace(number=item.number, stem=item.stem)
        if (item := named.get(row))
        else row
        for row in rows
    )
    _refuse_other_order(branch, state, rows)
    known = {item.number: item.revision for item in branch.migrations}
    head = known.get(max((row.number for row in rows), default=-1))
    revisions = (head,) if head and len(state.revisions) == 1 else state.revisions
    return state._replace(applied=rows, revisions=revisions)


def _refuse_other_order(
    branch: Branch, state: Records, rows: Sequence[Applied]
) -> None:
    """Raise HistoryError unless the numbers of ``rows`` rise as they were applied."""
    numbers = [row.number for row in rows]
    if numbers != sorted(numbers):
        raise HistoryError(
            f"{branch.name}: the renamed files are in another order",
            [
                f"applied: {several([row.stem for row in state.applied], 10)}",
                f"as they are called now: {several([row.stem for row in rows], 10)}",
            ],
            "Number them in the order in which they were applied. Nothing was changed.",
        )


def _refuse_exchanged(branch: Branch, edits: Sequence[Edit]) -> None:
    """Raise HistoryError where one has the text of another, and the other way round."""
    texts = [edit for edit in edits if edit.file is FileKind.SQL]
    then, now = {e.recorded for e in texts}, {e.now for e in texts}
    moved = [e.migration.stem for e in texts if e.recorded in now and e.now in then]
    if moved:
        raise HistoryError(
            f"{branch.name}: files have exchanged their texts",
            [several(moved, 10)],
            "A new database would run them in another order than this one did. Put them"
            " back. Nothing was changed.",
        )


def _squash(branch: Branch, state: Records) -> Squash | None:
    rows = squashed.whole(branch, state)
    return Squash(rows, branch.migrations[0]) if rows else None


def _accepted_by(statuses: BranchStatuses) -> Repairs:
    found = []
    for status in statuses.values():
        branch, state = status.branch, status.records
        squash = _squash(branch, state)
        after = status._replace(records=_after(branch, state))
        into = squash.into if squash else None
        edits = [edit for edit in edited(after) if edit.migration != into]
        _refuse_exchanged(branch, edits)
        rows = state.applied
        if squash:
            rows = tuple(row for row in rows if row not in squash.rows)
        found.append(
            Repairs(
                tuple(edit for edit in edits if edit.now),
                _renames(branch, rows),
                (squash,) if squash else (),
            )
        )
    return Repairs(
        tuple(edit for one in found for edit in one.edits),
        tuple(rename for one in found for rename in one.renames),
        tuple(squash for one in found for squash in one.squashes),
    )


def repair(settings: Settings, agreed: Repairs, report: Report) -> Outcome:
    """Record the files of ``agreed`` as they are, which is what a person was shown.

    HistoryError when files or ledgers say something else by now.
    """

    def targets(statuses: BranchStatuses) -> Mapping[str, int]:
        now = _accepted_by(statuses)
        if now != agreed:
            raise HistoryError(
                "the files or the ledger changed while you were asked",
                [str(edit) for edit in now.edits]
                or [f"{now.total} differences now, {agreed.total} were shown"],
                "Run it again. Nothing was changed.",
            )
        names = {item.database for item in _migrations(agreed)}
        return {name: p.position for name, p in statuses.items() if name in names}

    def writing(
        status: BranchStatus, table: BookkeepingSQL, entry: write_sql.Entry
    ) -> str:
        name = status.branch.name

        def present(item: Migration) -> AppliedFiles:
            return applied_files.present(status.branch, item)

        sql = "".join(
            write_sql.squashed(table, rows, into, present(into), entry)
            for rows, into in agreed.squashes
            if into.database == name
        )
        named = [
            (rename.row, rename.migration, present(rename.migration))
            for rename in agreed.renames
            if rename.migration.database == name
        ]
        if named and status.migration:
            sql += write_sql.renamed(table, named, status.migration, entry)
        own = dict.fromkeys(
            edit.migration for edit in agreed.edits if edit.migration.database == name
        )
        files = [(item, present(item)) for item in own]
        return sql + write_sql.accepted(table, files, entry)

    return record.record_only(
        settings, targets, writing, report, method="repair", locate=_accepted
    )


def _migrations(agreed: Repairs) -> Sequence[Migration]:
    return [
        *(edit.migration for edit in agreed.edits),
        *(rename.migration for rename in agreed.renames),
        *(squash.into for squash in agreed.squashes),
    ]
