"""Prove that migrations can be undone: each up, down and up, on rows.

Here they are selected, and what is proved is recorded; ``branch_proof`` goes through
the migrations of one database, ``trial`` tries one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import UsageError
from sqlpair.progress import Note, unseen
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Settings
from sqlpair.prove import record
from sqlpair.prove.branch_proof import BranchProof
from sqlpair.prove.repeatable import verdicts as verdicts_of_repeatable
from sqlpair.prove.trial import Verdict
from sqlpair.runner import repeatable


class Selection(NamedTuple):
    """Which migrations to prove: numbered ``since`` or higher, or one of ``only``."""

    since: int = 0
    only: Collection[int] = ()

    def __contains__(self, item: object) -> bool:
        assert isinstance(item, Migration)
        return item.number >= self.since and (not self.only or item.number in self.only)


ALL = Selection()


def prove(
    settings: Settings,
    names: Sequence[str],
    report: Report,
    tell: Callable[[Verdict], None],
    *,
    selection: Selection = ALL,
    watch: Note = unseen,
) -> tuple[Verdict, ...]:
    """Prove the selected migrations of the databases ``names``, or of all.

    Touches none of these. ``tell`` is given each verdict as it comes, ``watch`` each
    migration before it is tried; what is proved is recorded for the checklist of a dry
    run.
    """
    chosen = branches(settings, names)
    wanted = {b.name: [m for m in b.migrations if m in selection] for b in chosen}
    _check(selection, [m for found in wanted.values() for m in found])
    repeated = [b for b in chosen if b.repeatable and _reaches_head(b, selection)]
    total = sum(map(len, wanted.values()))
    total += sum(len(branch.repeatable) for branch in repeated)
    verdicts: list[Verdict] = []
    for branch in chosen:
        proved = set()
        try:

            def see(what: str) -> None:
                watch(what, len(verdicts), total)

            proof = BranchProof(branch, wanted[branch.name], report, see)
            files = verdicts_of_repeatable(branch, report, see)
            for verdict in chain(proof.verdicts(), files if branch in repeated else ()):
                tell(verdict)
                verdicts.append(verdict)
                if verdict.proved:
                    proved.add(verdict.migration)
        finally:
            known = [step.migration for step in repeatable.steps(branch)]
            done = [m for m in (*branch.migrations, *known) if m.stem in proved]
            record.keep(settings, done, report)
    return tuple(verdicts)


def _reaches_head(branch: Branch, selection: Selection) -> bool:
    return not branch.migrations or branch.migrations[-1] in selection


def _check(selection: Selection, found: Sequence[Migration]) -> None:
    missing = set(selection.only) - {item.number for item in found}
    if missing or (selection.since and not found):
        wanted = ", ".join(f"{number:03}" for number in sorted(missing))
        raise UsageError(
            f"there is no migration {wanted or f'from {selection.since:03} on'}",
            remedy="Give the number of a migration, as in its file name.",
        )
