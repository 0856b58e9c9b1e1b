"""sqlpair prove: prove that every migration can be undone."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from sqlpair import progress
from sqlpair.cli import options, output
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings, load
from sqlpair.prove.proof import Selection, prove
from sqlpair.prove.trial import Reason, Verdict


@click.command("prove", cls=options.Command)
@options.database("Which one; else all of them.")
@click.option(
    "--since", type=int, metavar="N", default=0, help="Only migrations from N on."
)
@click.option(
    "--only", type=int, metavar="N", multiple=True, help="Only this one; repeatable."
)
@options.json
@click.pass_obj
def command(
    config: Path, database: str | None, since: int, only: tuple[int, ...], json: bool
) -> None:
    """Prove that every migration can be undone, on rows, in a scratch database.

    Each one goes up, down and up, on a copy restored from a backup; then rows are added
    above it, and it goes down and up again. After each step schema and rows are
    compared. One that is not proved does not keep the others from being tried.

    Rows come from sql/DATABASE/seed.sql or are generated from the schema. Rows that a
    rollback loses are accepted where the header of the SQL file says so (Rollback
    loses: …), and listed. Privileges, owners and roles are not compared.

    Exit code 1 when a migration is not proved.
    """
    settings = load(config)
    names = [database] if database is not None else []
    with progress.task("", unit="migration") as task:
        verdicts = prove(
            settings,
            names,
            output.progress,
            (lambda _verdict: None) if json else _verdict,
            selection=Selection(since, only),
            watch=lambda *far: _note(task, *far),
        )
    if json:
        output.dump({"proved": _proved(verdicts), "migrations": _plain(verdicts)})
    else:
        _summary(verdicts, _known(settings, names))
    if not _proved(verdicts):
        sys.exit(1)


def _known(settings: Settings, names: Sequence[str]) -> int:
    """How many migrations there are to choose from."""
    return sum(
        len(branch.migrations) + len(branch.repeatable)
        for branch in branches(settings, names)
    )


def _note(task: progress.Task, what: str, done: int, total: int | None) -> None:
    task.what, task.done, task.total = f"Proving {what}", done + 1, total


def _proved(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict.proved for verdict in verdicts)


def _plain(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    return [
        verdict._asdict()
        | {
            "proved": verdict.proved,
            "reason": verdict.reason.value if verdict.reason else None,
        }
        for verdict in verdicts
    ]


def _verdict(verdict: Verdict) -> None:
    told = output.amount(verdict.rows, "row")
    if not verdict.effect:
        told = "changes neither the schema nor a row"
    output.say(
        f"{verdict.database} {verdict.migration}:"
        f" {'proved' if verdict.proved else 'NOT PROVED'} ({told})",
        "green" if verdict.proved else "bold red",
    )
    for note in verdict.notes:
        _say(f"note: {note}")
    if verdict.losses:
        _say(f"declared: Rollback loses: {verdict.declared}", "yellow")
    for loss in verdict.losses:
        output.say(f"    {loss}")
    for problem in verdict.problems:
        _say(problem, "red")
    if verdict.reason is Reason.UP_ON_ROWS:
        _say(f"Put rows that it accepts into sql/{verdict.database}/seed.sql.")


def _say(text: str, style: str = "") -> None:
    """Print it below a verdict, its later lines further in."""
    first, *others = text.splitlines() or [""]
    for line in (f"  {first}", *(f"    {other}" for other in others)):
        output.say(line, style)


def _summary(verdicts: Sequence[Verdict], known: int) -> None:
    bad = [verdict for verdict in verdicts if not verdict.proved]
    good = [verdict for verdict in verdicts if verdict.proved]
    output.say()
    if len(verdicts) < known:
        output.say(f"Tried: {len(verdicts)} of {output.amount(known, 'migration')}.")
    twice = sum(verdict.repeatable for verdict in good)
    if good or not bad:
        text = output.amount(len(good) - twice, "migration")
        text = f"Proved: {text}, up, down and up on rows."
        if twice:
            text += f" {output.amount(twice, 'repeatable file')}, run twice."
        output.say(text, "green" if bad else "bold green")
    without_effect = sum(not verdict.effect for verdict in good)
    if without_effect:
        verb = "changes" if without_effect == 1 else "change"
        output.say(f"  {without_effect} of them {verb} neither the schema nor a row")
    declared = sum(bool(verdict.losses) for verdict in good)
    if declared:
        output.say(f"  {declared} of them with a rollback that loses what it declares")
    if bad:
        output.say(
            f"Not proved: {len(bad)} of {output.amount(len(verdicts), 'migration')}.",
            "bold red",
        )
    reasons = Counter(verdict.reason for verdict in bad)
    width = len(str(max(reasons.values(), default=0)))
    for reason, count in reasons.most_common():
        assert reason is not None
        output.say(f"  {count:>{width}}  {reason.value}")
