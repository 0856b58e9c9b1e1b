"""Repeatable files in a deployment: what is to run, and what is recorded of it.

Upwards, at head, each file runs whose text is not the one that ran last. Downwards,
what ran above the version that is left is taken back: the views, routines, triggers,
rules and policies that it made are dropped, the text that ran before runs again, and
the rows go.

A text belongs to the version that it ran at. So one that ran above the version that a
database is at (its rollback was interrupted) counts as not run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlpair.databases.bookkeeping import BookkeepingSQL
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Session
from sqlpair.errors import HistoryError, several
from sqlpair.ledger import repeatable as ledger
from sqlpair.ledger import tables, write_sql
from sqlpair.ledger.applied_files import compressed, expanded
from sqlpair.ledger.repeatable import Repeated
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import REPEATABLE
from sqlpair.project.repeatable import BASE, migration
from sqlpair.runner.migration import Ready, of_pair, refuse_missing
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Step, Targets


class FileState(StrEnum):
    """What a repeatable file is to its database."""

    APPLIED = "applied"
    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


class RepeatableFile(NamedTuple):
    """A repeatable file, and the row of what ran last, if that counts."""

    name: str
    state: FileState
    row: Repeated | None

    @property
    def stem(self) -> str:
        """What it is called: its folder, and its name."""
        return f"{REPEATABLE}/{self.name}"

    @property
    def pending(self) -> bool:
        """Whether a migration to head has something to do for it."""
        return self.state is not FileState.APPLIED


class Repeat(NamedTuple):
    """A repeatable file that takes part in a deployment.

    Downwards, the rows ``removed`` go, and the text of ``earlier`` runs again, the last
    of the rows ``kept``. ``gone``: there is no file any more, which is recorded.
    """

    step: Step
    gone: bool = False
    removed: tuple[int, ...] = ()
    earlier: Repeated | None = None
    kept: tuple[int, ...] = ()

    @property
    def from_file(self) -> bool:
        """Whether what runs is the file as it is."""
        return self.step.upgrade and not self.gone


class ReadyRepeat(NamedTuple):
    """One whose text was read and checked.

    ``undo`` drops, before it, what was made by the runs that are undone, ``replaced``
    what was made by those that are kept: for CREATE OR REPLACE takes no column away.
    """

    repeat: Repeat
    ready: Ready
    undo: Ready | None = None
    replaced: Ready | None = None


def files(status: BranchStatus) -> tuple[RepeatableFile, ...]:
    """Return the repeatable files of a database, in the order they run, then the gone.

    SqlFileError where one cannot be read.
    """
    branch, own = status.branch, _version(status.branch, status.position)
    rows = ledger.latest(row for row in status.records.repeated if row.version <= own)
    found = []
    for name in branch.repeatable:
        row = rows.pop(name, None)
        item = migration(branch.database.sql, branch.name, name, own)
        if row is None or not row.checksum:
            state = FileState.NEW
        elif row.checksum == sql_file.checksum_of(item.up):
            # An interrupted rollback may have run another text since.
            later = any(
                one.name == name and one.version > own
                for one in status.records.repeated
            )
            state = FileState.CHANGED if later else FileState.APPLIED
        else:
            state = FileState.CHANGED
        found.append(RepeatableFile(name, state, row))
    gone = [row for row in rows.values() if row.checksum]
    return (*found, *(RepeatableFile(row.name, FileState.GONE, row) for row in gone))


def plan(
    statuses: BranchStatuses, goals: Mapping[str, int], targets: Targets
) -> tuple[Repeat, ...]:
    """Return what repeatable files are to do on the way to ``goals``, by name.

    ``targets`` says whether that is upwards, and which deployment it undoes, if any.
    """
    if getattr(targets, "upward", False):
        found = [
            repeat
            for name, position in goals.items()
            if position == len(statuses[name].branch.migrations)
            for repeat in _upward(statuses[name])
        ]
    else:
        undone = getattr(targets, "undoes", "")
        found = [
            repeat
            for name, position in goals.items()
            for repeat in _downward(statuses[name], position, undone)
        ]
    found.sort(key=lambda repeat: repeat.step.migration.stem)
    first = [repeat for repeat in found if repeat.removed and not repeat.earlier]
    # What is dropped for good goes first, and may depend on what was made before it.
    return (*reversed(first), *(repeat for repeat in found if repeat not in first))


def _upward(status: BranchStatus) -> Iterator[Repeat]:
    branch = status.branch
    version = _version(branch, len(branch.migrations))
    for file in files(status):
        if file.pending:
            gone = file.state is FileState.GONE
            yield Repeat(_step(branch, file.name, version), gone=gone)


def _downward(status: BranchStatus, position: int, undone: str) -> Iterator[Repeat]:
    branch = status.branch
    version = _version(branch, position)
    rows = status.records.repeated
    removed = [row for row in rows if row.version > version or row.deployment == undone]
    kept = [row for row in rows if row not in removed]
    earlier = ledger.latest(kept)
    for name in sorted({row.name for row in removed}):
        yield Repeat(
            _step(branch, name, version)._replace(upgrade=False),
            removed=tuple(row.id for row in removed if row.name == name),
            earlier=earlier.get(name),
            kept=tuple(row.id for row in kept if row.name == name),
        )


def _version(branch: Branch, position: int) -> int:
    return branch.migrations[position - 1].number if position else BASE


def read(
    repeats: Sequence[Repeat],
    checked: Sequence[Ready],
    sessions: Mapping[str, Session],
) -> tuple[ReadyRepeat, ...]:
    """Read the texts that run; those of files are among ``checked``.

    HistoryError where the ledger does not have the one that ran before.
    """
    known = {str(ready.step): ready for ready in checked}
    found = []
    for repeat in repeats:
        step, earlier = repeat.step, repeat.earlier
        if repeat.from_file:
            found.append(ReadyRepeat(repeat, known[str(step)]))
            continue
        ids = [*repeat.removed, *repeat.kept]
        texts = ledger.texts(sessions[step.branch.name], ids)
        undo, replaced = (
            _parsed(step, drops) if drops else None
            for drops in (_drops(texts, repeat.removed), _drops(texts, repeat.kept))
        )
        ready = _recorded(step, earlier, texts)
        found.append(ReadyRepeat(repeat, ready, undo, replaced))
    refuse_missing(one.ready for one in found)
    return tuple(found)


def _drops(texts: Mapping[int, tuple[str, str]], ids: Sequence[int]) -> bytes:
    """Return what drops what these runs made, the newest first."""
    found = (texts[number][1] for number in reversed(ids))
    return b"\n".join(expanded(undo) for undo in found if undo)


def applied(status: BranchStatus, session: Session) -> tuple[Ready, ...]:
    """Return the texts that a database has of its repeatable files, by name."""
    version = _version(status.branch, status.position)
    rows = ledger.latest(
        row for row in status.records.repeated if row.version <= version
    )
    kept = [row for row in rows.values() if row.checksum]
    texts = ledger.texts(session, [row.id for row in kept])
    found = tuple(
        _recorded(_step(status.branch, row.name, version), row, texts) for row in kept
    )
    refuse_missing(found)
    return found


def steps(branch: Branch) -> list[Step]:
    """Return a step for each repeatable file as it is, in the order they run."""
    version = _version(branch, len(branch.migrations))
    return [_step(branch, name, version) for name in branch.repeatable]


def _step(branch: Branch, name: str, version: int) -> Step:
    item = migration(branch.database.sql, branch.name, name, version)
    return Step(branch, item, upgrade=True)


def _recorded(
    step: Step, row: Repeated | None, texts: Mapping[int, tuple[str, str]]
) -> Ready:
    """Return what runs a text of the ledger; nothing runs where there is none."""
    data = b""
    if row is not None and row.checksum:
        try:
            data = expanded(texts[row.id][0])
        except (KeyError, ValueError):
            data = b""
        if sql_file.checksum(data) != row.checksum:
            raise HistoryError(
                f"{step}: the text in the ledger is not the one that was recorded",
                [f"its checksum is not {row.checksum[:12]}"],
                "Put the text it had before into the file, and run: sqlpair migrate\n"
                "Nothing was changed.",
            )
    return _parsed(step, data)


def _parsed(step: Step, data: bytes) -> Ready:
    split = driver_of(step.branch.database).split
    return of_pair(step, sql_file.parse(data, step.migration.up, split))


def told(repeats: Sequence[Repeat]) -> Iterator[str]:
    """Say of what no text runs that it stays."""
    for repeat in repeats:
        if repeat.gone:
            yield (
                f"{repeat.step}: its file is gone; what it made stays, unless a"
                " migration drops it"
            )
        elif not repeat.step.upgrade and not (
            repeat.earlier and repeat.earlier.checksum
        ):
            yield (
                f"{repeat.step}: no text ran before it; the views, routines, triggers,"
                " rules and policies that it made are dropped, all else stays"
            )


def refuse_dropped(
    repeats: Sequence[ReadyRepeat], session: Session, lost: Collection[str]
) -> None:
    """Raise HistoryError where ``repeats`` dropped what files make that did not run.

    ``lost`` are the statements that drop it. Nothing would make it again.
    """
    lost = {*lost} - {*driver_of(session.database).droppable(session)} if lost else ()
    if not lost:
        return
    name = session.database.name
    ran = [one.repeat.step for one in repeats if one.repeat.step.branch.name == name]
    own = {step.migration.stem for step in ran}
    known = {f"{REPEATABLE}/{name}" for name in ran[0].branch.repeatable} - own
    others = {
        row.id: stem
        for row in tables.read(session).repeated
        if (stem := f"{REPEATABLE}/{row.name}") in known
    }
    made = {
        f"{others[number]}.sql: {drop[len('DROP ') :].replace('IF EXISTS ', '', 1)}"
        for number, (_, undo) in ledger.texts(session, others).items()
        for drop in expanded(undo).decode().splitlines()
        if drop in lost
    }
    if made:
        raise HistoryError(
            f"{several([str(step) for step in ran])}: drops what other files make,"
            " which do not run again",
            sorted(made),
            "Make it again in that file, or change those files, too: a blank line is"
            " enough.",
        )


def record(
    done: Sequence[tuple[ReadyRepeat, Sequence[str], write_sql.Entry]],
    table: BookkeepingSQL,
) -> str:
    """Return the SQL that records what ran on one database.

    Each comes with the statements that drop what it made, newest first.
    """
    return write_sql.repeated(
        table,
        [
            write_sql.RepeatRecord(
                one.repeat.step.migration.stem.removeprefix(f"{REPEATABLE}/"),
                one.repeat.step.migration.number,
                "" if one.repeat.gone else one.ready.file.checksum,
                compressed(one.ready.file.text.encode()),
                compressed("\n".join(drops).encode()) if drops else "",
                one.repeat.removed,
                entry,
            )
            for one, drops, entry in done
        ],
    )
