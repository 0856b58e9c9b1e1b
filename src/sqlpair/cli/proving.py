"""Commands that try migrations where nothing is lost: prove."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.project.settings import load
from sqlpair.prove.proof import Verdict
from sqlpair.prove.proof import prove as prove_all


@click.command(cls=options.Command)
@options.database("Which one; else all of them.")
@options.json
@click.pass_obj
def prove(config: Path, database: str | None, json: bool) -> None:
    """Prove that every migration can be undone, on rows, in a scratch database.

    Each one goes up, down and up, also from a restored dump and with rows made above
    it; after each step schema and rows are compared. Then its rollback is spoiled, one
    statement or clause at a time, and each spoiled one has to be noticed. Rows come
    from sql/DATABASE/seed.sql or are made from the schema. Exit code 1 when a
    migration is not proved.
    """
    settings = load(config)
    names = [database] if database else []
    tell = (lambda _verdict: None) if json else _verdict
    verdicts = prove_all(settings, names, output.progress, tell)
    if json:
        output.dump({"proved": _proved(verdicts), "migrations": _plain(verdicts)})
    else:
        _summary(verdicts)
    if not _proved(verdicts):
        sys.exit(1)


def _proved(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict.proved for verdict in verdicts)


def _plain(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    return [
        verdict._asdict()
        | {"proved": verdict.proved, "mutants": verdict.mutants._asdict()}
        for verdict in verdicts
    ]


def _verdict(verdict: Verdict) -> None:
    style = "green" if verdict.proved else "bold red"
    said = "proved" if verdict.proved else "NOT PROVED"
    mutants = verdict.mutants
    told = [f"{mutants.caught} mutants caught"]
    if mutants.without_effect:
        told.append(f"{mutants.without_effect} without effect")
    output.say(
        f"{verdict.database} {verdict.migration}: {said}"
        f" ({output.count(verdict.rows, 'row')}; {', '.join(told)})",
        style,
    )
    for note in verdict.notes:
        output.say(f"  note: {note}")
    for problem in verdict.problems:
        output.say(f"  {problem}", "red")
    for missed in mutants.missed:
        output.say(f"  not noticed, {missed}", "red")


def _summary(verdicts: Sequence[Verdict]) -> None:
    bad = sum(not verdict.proved for verdict in verdicts)
    caught = sum(verdict.mutants.caught for verdict in verdicts)
    missed = sum(len(verdict.mutants.missed) for verdict in verdicts)
    nothing = sum(verdict.mutants.without_effect for verdict in verdicts)
    all_of_them = output.count(len(verdicts), "migration")
    output.say()
    if bad:
        output.say(f"Not proved: {bad} of {all_of_them}.", "bold red")
    else:
        output.say(f"Proved: {all_of_them}, up, down and up on rows.", "bold green")
    output.say(
        f"Mutants: {caught} of {caught + missed} caught; {nothing} more without effect."
    )
