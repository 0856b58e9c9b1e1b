"""The dry run as a change ticket: what, where, how long, which locks, what is lost.

One description of it, written as Markdown for a pull request, and as one HTML file
that holds its style and needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlpair.databases.observer import Lock, Observed
from sqlpair.document.book import SchemaChange
from sqlpair.document.growth import told
from sqlpair.document.markup import block, code, plain, table
from sqlpair.errors import amount, several
from sqlpair.plan.report import ChecklistItem, DryRun, Held, StepResult
from sqlpair.progress import duration
from sqlpair.project import header, sql_file
from sqlpair.project.header import Header

WIDTH = 100
Lines = Iterator[str]


class TicketStatement(NamedTuple):
    """One statement: ``rows`` and ``took`` in words, empty where there are none."""

    line: int
    text: str
    took: str
    rows: str
    locks: tuple[Lock, ...]
    rewritten: tuple[str, ...]


@dataclass(frozen=True)
class TicketStep:
    """One migration, in the order in which a deployment would run them.

    ``reason`` is why it did not run to its end. ``loses`` is what its rollback loses,
    ``leaves`` what it does not put back, ``rollback`` why it is not known.
    """

    number: int
    database: str
    stem: str
    header: Header
    reason: str
    took: str
    statements: tuple[TicketStatement, ...]
    changes: tuple[SchemaChange, ...]
    deletes: tuple[str, ...]
    loses: tuple[str, ...]
    leaves: tuple[str, ...]
    rollback: str

    @property
    def strong(self) -> tuple[str, ...]:
        """The locks that keep others from writing, at least."""
        found = [
            f"{lock.table} ({lock.mode})"
            for statement in self.statements
            for lock in statement.locks
            if lock.strong
        ]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Ticket:
    """All of it."""

    environment: str
    verdict: str
    failed: bool
    steps: tuple[TicketStep, ...]
    held: tuple[Held, ...]
    notes: tuple[str, ...]
    checklist: tuple[ChecklistItem, ...]

    @property
    def title(self) -> str:
        """What it is about."""
        bases = {step.database for step in self.steps}
        if not bases:
            return "Change ticket: nothing is pending"
        told = amount(len(self.steps), "migration")
        return f"Change ticket: {told} in {amount(len(bases), 'database')}"


def ticket(environment: str, found: DryRun) -> Ticket:
    """Describe a dry run and the answers to its checklist."""
    steps = tuple(_step(n, item) for n, item in enumerate(found.steps, start=1))
    return Ticket(
        environment,
        _verdict(found),
        found.failed,
        steps,
        found.held,
        found.notes,
        found.checklist,
    )


def _verdict(found: DryRun) -> str:
    ran = [item for item in found.steps if not item.reason]
    total = sum(item.milliseconds for item in ran)
    if not found.steps:
        told = "Every migration is applied."
    elif len(ran) == len(found.steps):
        told = f"All of them ran, and were rolled back: {duration(total)}."
    else:
        told = f"{len(ran)} of {len(found.steps)} ran, and were rolled back."
    return f"{told} Something would fail." if found.failed else told


def _step(number: int, item: StepResult) -> TicketStep:
    undo, migration = item.undo, item.step.migration
    return TicketStep(
        number,
        item.step.branch.name,
        migration.stem,
        header.read(sql_file.lenient(migration.up)),
        item.reason,
        "" if item.reason else duration(item.milliseconds),
        tuple(map(_statement, item.statements)),
        tuple(map(told, item.changes)),
        item.deletes,
        tuple(loss.described() for loss in undo.losses) if undo else (),
        tuple(told(change).text for change in undo.left) if undo else (),
        (undo.refused or undo.unknown) if undo else "not run",
    )


def _statement(observed: Observed) -> TicketStatement:
    return TicketStatement(
        observed.line,
        observed.title(WIDTH),
        duration(observed.milliseconds),
        "" if observed.rows is None else f"{observed.rows:,}",
        tuple(lock for lock in observed.locks if lock.mode != "ACCESS SHARE"),
        observed.rewritten,
    )


# -- Markdown ------------------------------------------------------------------------


def markdown(made: Ticket) -> str:
    """Return the ticket for a pull request or an issue."""
    return "\n".join([*_lines(made), ""])


def _lines(made: Ticket) -> Lines:
    yield f"### {made.title}"
    yield ""
    yield f"{plain(made.verdict)} Environment: {code(made.environment)}."
    if made.steps:
        yield ""
        yield from table(
            ("", "database", "migration", "does", "takes", "locks",
             "deletes", "rollback loses"),
            [
                (
                    str(one.number), plain(one.database), code(one.stem),
                    plain(one.header.summary), one.took or "**not run**",
                    plain(several(one.strong)), plain(several(one.deletes)),
                    plain(several(one.loses) or one.rollback.partition("\n")[0]),
                )
                for one in made.steps
            ],
        )  # fmt: skip
    yield from ("", "#### Checklist", "")
    yield from table(
        ("", "", ""),
        [
            (
                plain(one.question),
                "**NO**" if one.good is False else one.mark,
                plain(one.answer),
            )
            for one in made.checklist
        ],
    )
    if made.held:
        yield from ("", "#### Locks", "")
        yield from table(
            ("database", "on", "lock", "blocks", "held in the dry run"),
            [
                (
                    plain(one.database), code(one.lock.table), one.lock.mode,
                    one.lock.blocks, duration(one.milliseconds),
                )
                for one in made.held
            ],
        )  # fmt: skip
    if made.notes:
        yield from ("", "#### Notes", "")
        yield from (f"- {plain(note)}" for note in made.notes)
    for one in made.steps:
        yield from ("", f"#### {one.number}. {plain(f'{one.database} {one.stem}')}", "")
        yield from _told(one)


def _told(one: TicketStep) -> Lines:
    for label, text in one.header.labels:
        yield f"- **{plain(label)}**: {plain(text)}"
    for title, sentences in (
        ("changes", [change.text for change in one.changes]), ("deletes", one.deletes),
        ("rollback loses", one.loses), ("rollback leaves", one.leaves),
    ):  # fmt: skip
        for sentence in sentences:
            first, _, more = sentence.partition("\n")
            yield f"- {title}: {plain(first)}"
            if more:
                yield from ("", *(f"  {line}" for line in block(more, "diff")), "")
    if one.rollback:
        yield f"- rollback: {plain(one.rollback)}"
    elif not (one.loses or one.leaves or one.reason):
        yield "- rollback loses: nothing"
    if one.reason:
        yield ""
        yield from block(one.reason, "text")
    if one.statements:
        yield ""
        yield from table(
            ("line", "statement", "took", "rows", "locks", "rewrites"),
            [
                (
                    str(each.line), code(each.text), each.took, each.rows,
                    "; ".join(plain(_lock(lock)) for lock in each.locks),
                    plain(", ".join(each.rewritten)),
                )
                for each in one.statements
            ],
        )  # fmt: skip


def _lock(lock: Lock) -> str:
    return f"{lock.table}: {lock.mode}, blocks {lock.blocks}"
