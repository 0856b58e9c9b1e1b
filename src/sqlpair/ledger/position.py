"""The position that a database is at on its branch."""

from __future__ import annotations

from collections.abc import Sequence

from sqlpair.errors import HistoryError, several
from sqlpair.ledger import squashed
from sqlpair.ledger.tables import Records
from sqlpair.project.branches import Branch


def known_position(branch: Branch, head: str) -> int:
    """Return the position of the revision ``head``; HistoryError if it is unknown."""
    position = branch.position(head)
    if position is None:
        last = branch.migrations[-1].stem if branch.migrations else "no migration"
        raise _ahead(
            branch, f"alembic_version says {head}; the last file here is {last}"
        )
    return position


def refuse_ahead(branch: Branch, state: Records) -> None:
    """Raise HistoryError where the ledger names migrations above the last file here.

    The files of a newer checkout are not here to check or to undo them.
    """
    last = branch.migrations[-1].number if branch.migrations else -1
    ahead = [row.stem for row in state.applied if row.number > last]
    if ahead:
        raise _ahead(branch, f"applied, and not here: {several(ahead)}")


def _ahead(branch: Branch, evidence: str) -> HistoryError:
    return HistoryError(
        f"{branch.name}: the database is ahead of this checkout",
        [evidence],
        "Update the checkout, or run the command from the newer one. To undo what"
        " it lacks:\nsqlpair rollback --recorded\nWhere its file has another number"
        " now: sqlpair repair",
    )


def current(branch: Branch, state: Records) -> int:
    """Return the position a database is at.

    HistoryError when its version table and ledger do not name one position on the
    branch: another checkout's revision, two heads, or tables that disagree.
    """
    if len(state.revisions) > 1:
        raise HistoryError(
            f"{branch.name}: alembic_version has {len(state.revisions)} rows",
            state.revisions,
            "A branch has one head. Set it with: alembic stamp --purge"
            f" {branch.name}@<revision>",
        )
    head = state.revisions[0] if state.revisions else None
    if error := squashed.error(branch, state):
        raise error
    if foreign(branch, state) and not state.applied:
        raise _of_another_project(branch, str(head))
    ledger = branch.database.tables.ledger
    recorded = [row.number for row in state.applied]
    position = branch.position(head) if head else 0
    if position is None and {m.number for m in branch.migrations} >= set(recorded):
        raise _disagreeing(branch, recorded, f"{head}, which no file here is")
    position = known_position(branch, head) if head else 0
    expected = [migration.number for migration in branch.migrations[:position]]
    if expected == recorded:
        return position
    late = [
        migration
        for migration in branch.migrations[:position]
        if migration.number not in recorded
    ]
    if (
        late
        and set(recorded) < set(expected)
        and late[0].number < max(recorded, default=-1)
    ):
        raise HistoryError(
            f"{branch.name} {late[0].stem}: numbered below what is applied already",
            [f"alembic_version says {head}; {ledger} has no {late[0].number:03}"],
            "Give the file the next free number: sqlpair renumber"
            f" sql/{branch.name}/{late[0].stem}.sql\nIf it did run, record it: alembic"
            f" stamp {branch.name}@{head}",
        )
    means = f"{head or 'empty'}, which means {_list(expected)}"
    raise _disagreeing(branch, recorded, means)


def _disagreeing(branch: Branch, recorded: Sequence[int], version: str) -> HistoryError:
    ledger = branch.database.tables.ledger
    return HistoryError(
        f"{branch.name}: alembic_version and {ledger} disagree",
        [
            f"alembic_version: {version}",
            f"{ledger}:  {_list(recorded)}",
            f"SCHEMA_VERSION:  {branch.expected}",
        ],
        f"To have it found out by the tables: sqlpair adopt {branch.name}\n"
        "If you know: sqlpair force-version N, or alembic stamp --purge"
        f" {branch.name}@<revision>",
    )


def foreign(branch: Branch, state: Records) -> list[str]:
    """Return the revisions in the version table that no migration here has."""
    return [name for name in state.revisions if branch.position(name) is None]


def _of_another_project(branch: Branch, head: str) -> HistoryError:
    remedy = (
        f"If this project takes over from that one: sqlpair adopt {branch.name}\n"
        "Nothing was changed."
    )
    if branch.database.driver == "postgresql":
        remedy = (
            "To keep their records apart, make a schema for this project's, and name it"
            f"\nin [{branch.name}] of alembic.ini: ledger_schema = NAME\n{remedy}"
        )
    return HistoryError(
        f"{branch.name}: its alembic_version is another Alembic project's",
        [f"it says {head}, which no file here is, and no ledger names a migration"],
        remedy,
    )


def stated(branch: Branch, state: Records) -> int | None:
    """Return the position that the records name, though they may disagree.

    That is the version table's, or the ledger's where that says nothing; None where
    neither names a position on the branch.
    """
    if state.revisions:
        known = [branch.position(revision) for revision in state.revisions]
        return max((found for found in known if found is not None), default=None)
    numbers = {row.number for row in state.applied}
    return max(
        (i for i, m in enumerate(branch.migrations, 1) if m.number in numbers),
        default=None if numbers else 0,
    )


def claimed(branch: Branch, state: Records) -> int:
    """Return the position that the records name, base where they name none."""
    return stated(branch, state) or 0


def _list(numbers: Sequence[int]) -> str:
    if not numbers:
        return "nothing is applied"
    shown = ", ".join(f"{number:03}" for number in numbers[-5:])
    return f"{len(numbers)} applied, up to {shown}"
