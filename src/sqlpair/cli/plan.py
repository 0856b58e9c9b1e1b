"""sqlpair plan: run what is pending, roll it back, and answer the checklist."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import sqlpair
from sqlpair.cli import members, options, output
from sqlpair.schema.model import BEFORE, describe

if TYPE_CHECKING:
    from sqlpair.databases.observer import Observed
    from sqlpair.plan.report import StepResult, Undo

WIDTH = 60


@click.command("plan", cls=members.OfMember)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html", "json"]),
    default="text",
    metavar="FORM",
    help="text; markdown or html, which is a change ticket; json, for a program.",
)
@click.option("--json", is_flag=True, help="The same as --format json.")
@click.pass_obj
def command(config: Path, form: str, json: bool) -> None:
    """Run what is pending for real, roll it back, and report: a dry run.

    Says in which order what would run on which database; for each statement the time,
    the rows it touches and, on PostgreSQL, the locks it takes and whom they block; what
    each migration changes and deletes, and what its rollback would lose. Ends with the
    pre-migration checklist, each line answered. Nothing is left behind. Outside
    development no table is kept from writers for longer than plan_lock_limit seconds.
    Exit code 1 when something pending would fail.
    """
    written = _ticket(form) if form in ("markdown", "html") else None
    found = sqlpair.open(config, progress=output.progress).plan()
    if written:
        output.raw(written(found).rstrip("\n"))
    elif json or form == "json":
        output.dump(found.to_json())
    else:
        _print(found)
    if found.failed:
        sys.exit(1)


def _ticket(form: str) -> Callable[[sqlpair.DryRun], str]:
    """Return what writes it; SettingsError where packages for it are missing."""
    from sqlpair.document import ticket

    write = options.html_book().ticket_html if form == "html" else ticket.markdown
    return lambda found: str(write(ticket.ticket(found.environment, found)))


def _print(found: sqlpair.DryRun) -> None:
    if not found.steps:
        output.say("Nothing is pending.", "green")
    for number, item in enumerate(found.steps, start=1):
        output.say(f"{number}. {item.step}", "bold")
        for line, style in _lines(item):
            output.say(f"   {line}", style)
        output.say()
    for line in (line for note in found.notes for line in note.splitlines()):
        output.say(line, "yellow")
    for held in found.held:
        output.say(
            f"{held.database}: {held.lock.table} was under {held.lock.mode} for"
            f" {output.duration(held.milliseconds)}"
        )
    if found.notes or found.held:
        output.say()
    output.say("Checklist", "bold")
    output.table(
        ("", "", ""), [(a.question, a.mark, a.answer) for a in found.checklist]
    )


def _lines(item: StepResult) -> Iterator[tuple[str, str]]:
    for observed in item.statements:
        yield from _statement(observed)
    if item.reason:
        for line in item.reason.splitlines():
            yield line, "red"
        return
    for change in item.changes:
        for line in describe(change, BEFORE).splitlines():
            yield f"changes: {line}", ""
    for told in item.deletes:
        yield f"deletes: {told}", "yellow"
    if item.undo:
        yield from _undo(item.undo)


def _statement(observed: Observed) -> Iterator[tuple[str, str]]:
    rows = "" if observed.rows is None else f", {output.amount(observed.rows, 'row')}"
    took = output.duration(observed.milliseconds)
    yield f"line {observed.line}: {observed.title(WIDTH)} ({took}{rows})", ""
    for lock in observed.locks:
        if lock.mode != "ACCESS SHARE":
            style = "yellow" if lock.strong else "dim"
            yield f"    {lock.table}: {lock.mode}, blocks {lock.blocks}", style
    for table in observed.rewritten:
        yield f"    {table} is rewritten", "yellow"


def _undo(undo: Undo) -> Iterator[tuple[str, str]]:
    if undo.refused:
        for line in undo.refused.splitlines():
            yield f"rollback: {line}", "red"
        return
    if undo.unknown:
        yield f"rollback: {undo.unknown}", "yellow"
        return
    for loss in undo.losses:
        yield f"rollback loses: {loss.described()}", ""
    for change in undo.left:
        for line in describe(change, BEFORE).splitlines():
            yield f"rollback leaves: {line}", "red"
    if not undo.losses and not undo.left:
        yield "rollback loses: nothing", ""
