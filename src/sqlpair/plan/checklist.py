"""The pre-migration checklist, each line answered from what is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlpair.backup import directory
from sqlpair.databases.interface import Report
from sqlpair.deploy.status import Status, overview
from sqlpair.errors import several
from sqlpair.plan.report import ChecklistItem, DryRun, StepResult
from sqlpair.project.presence import is_file
from sqlpair.project.settings import Settings
from sqlpair.prove import record
from sqlpair.schema.model import BEFORE, Change, describe

FRESH = timedelta(days=1)
# A name that other programs may use.
NAMED = {"table", "column", "view", "materialized view", "function", "procedure",
         "type", "enum", "domain", "sequence", "schema"}  # fmt: skip


def checklist(
    settings: Settings, dry_run: DryRun, report: Report
) -> tuple[ChecklistItem, ...]:
    """Answer every line."""
    status = overview(settings, report)
    backed_up, tracked = _backed_up(settings, status, dry_run), _tracked(status)
    if not dry_run.steps:
        rest = ("tested", "rollback", "breaks")
        tested, *others = (
            ChecklistItem(line, True, "nothing is pending") for line in rest
        )
        return backed_up, tested, tracked, *others
    return (
        backed_up,
        _tested(settings, dry_run),
        tracked,
        _rollback(dry_run),
        _breaking(dry_run),
    )


def _backed_up(settings: Settings, status: Status, dry_run: DryRun) -> ChecklistItem:
    question = "backed up"
    if dry_run.absent == {item.name for item in status.databases}:
        return ChecklistItem(question, True, "nothing is there yet that could be lost")
    made = list(directory.backups(settings).values())
    first = "; sqlpair migrate begins with one" if settings.backups.first else ""
    if not made:
        return ChecklistItem(question, bool(first), f"there is no backup yet{first}")
    newest = made[-1]
    age = datetime.now(UTC) - datetime.fromisoformat(newest.created_at)
    told = f"{newest.created_at}, at version {newest.schema_version}"
    if newest.schema_version != status.version:
        return ChecklistItem(
            question,
            bool(first),
            f"{told}: the databases are at {status.version} now{first}",
        )
    if age > FRESH:
        return ChecklistItem(question, bool(first), f"{told}: older than a day{first}")
    return ChecklistItem(question, True, told)


def _tested(settings: Settings, dry_run: DryRun) -> ChecklistItem:
    question = "tested"
    missing = [
        str(item.step)
        for item in dry_run.steps
        if record.proved(settings, item.step.migration) is None
    ]
    if missing:
        told = f"not proved on this machine: {several(missing)} (sqlpair prove)"
        return ChecklistItem(question, False, told)
    return ChecklistItem(
        question, True, "up, down and up on rows, as the files are now"
    )


def _tracked(status: Status) -> ChecklistItem:
    question = "version tracking"
    problems = [problem.what for problem in status.problems]
    if problems:
        return ChecklistItem(question, False, several(problems, between="; "))
    return ChecklistItem(question, True, "files, ledger, version table and .env agree")


def _rollback(dry_run: DryRun) -> ChecklistItem:
    question = "rollback"
    bad = list(_bad_rollbacks(dry_run))
    if bad:
        return ChecklistItem(question, False, several(bad, between="; "))
    unknown = [
        str(item.step)
        for item in dry_run.steps
        if item.reason or (item.undo and item.undo.unknown)
    ]
    if unknown:
        return ChecklistItem(question, None, f"no dry run: {several(unknown)}")
    return ChecklistItem(question, True, "there, and it leads back")


def _bad_rollbacks(dry_run: DryRun) -> Iterator[str]:
    for item in dry_run.steps:
        if item.step.migration.repeatable:
            continue  # its earlier text is in the ledger
        if not is_file(item.step.migration.down):
            yield f"{item.step}: there is none"
        elif item.undo and item.undo.refused:
            yield f"{item.step}: {item.undo.refused.partition(chr(10))[0]}"
        elif item.undo and item.undo.left:
            yield f"{item.step}: it does not lead back"


def _breaking(dry_run: DryRun) -> ChecklistItem:
    question = "breaks"
    found = [line for item in dry_run.steps for line in breaking(item)]
    found += [
        f"{item.step} deletes {loss.described()}"
        for item in dry_run.steps
        for loss in item.losses or ()
        if loss.amount
    ]
    if found:
        return ChecklistItem(question, None, several(found, between="; "))
    unknown = [
        str(item.step) for item in dry_run.steps if item.reason or item.losses is None
    ]
    if unknown:
        return ChecklistItem(question, None, f"no dry run: {several(unknown)}")
    return ChecklistItem(
        question, True, "nothing that a program may use is missing or changed"
    )


def breaking(item: StepResult) -> list[str]:
    """Say what of before is gone or another, so that a program may stumble over it."""
    return [
        describe(change, BEFORE).partition("\n")[0]
        for change in item.changes
        if _breaks(change)
    ]


def _breaks(change: Change) -> bool:
    if change.attribute is None:
        return change.kind in NAMED and not change.actual
    if change.kind != "column":
        return False
    required = change.attribute == "nullable" and not change.actual
    return required or change.attribute == "type"
