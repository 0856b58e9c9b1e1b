"""Where a command wants the databases: its words turned into positions.

The words are Alembic's: ``head``, ``base``, a revision or the start of one, with
``<database>@`` before it and ``+N`` or ``-N`` behind it, or ``+N`` and ``-N`` alone.
Without a database's name they mean each database, the way they would mean the only
one: ``downgrade -1`` is one step back on each.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, UsageError
from sqlpair.project.branches import Branch
from sqlpair.runner.steps import BranchStatus, BranchStatuses

_WORDS = re.compile(
    r"(?:(?P<database>\w+)@)?(?P<revision>\w+)?(?P<steps>[+-][0-9]{1,9})?", re.ASCII
)
_SIGNS = {"upgrade": "+", "downgrade": "-"}
HEADS = ("head", "heads")
UNCHANGED = "Nothing was changed."


class TargetAddress(NamedTuple):
    """What a person calls a revision. ``database`` and ``revision`` may be empty."""

    text: str
    database: str
    revision: str
    steps: int | None


def parse(text: str) -> TargetAddress:
    """Read what a command was given; UsageError when it is no address."""
    match = _WORDS.fullmatch(text)
    if match is None or not (match["revision"] or match["steps"]):
        raise UsageError(
            f"{text!r} is no revision",
            remedy="Write head, base, +1, -1 or a revision, each for every database or"
            " with its name before it: sqlite@head",
        )
    steps = int(match["steps"]) if match["steps"] else None
    return TargetAddress(text, match["database"] or "", match["revision"] or "", steps)


def positions(address: TargetAddress, branches: Iterable[Branch]) -> dict[str, int]:
    """Return the position that an address with a revision means on each branch.

    HistoryError when it is on none of them, is the start of several revisions, or
    leads off a branch.
    """
    known = {branch.name: branch for branch in branches}
    concerned = _concerned(address, known)
    if address.revision in HEADS:
        found = {name: len(known[name].migrations) for name in concerned}
    elif address.revision == "base":
        found = dict.fromkeys(concerned, 0)
    else:
        found = _revision(address, [known[name] for name in concerned])
    for name in found:
        found[name] += address.steps or 0
        if not 0 <= found[name] <= len(known[name].migrations):
            raise HistoryError(
                f"{address.text} leads off the branch {name}",
                [f"it has {len(known[name].migrations)} migrations"],
                UNCHANGED,
            )
    return found


def _concerned(address: TargetAddress, known: Iterable[str]) -> list[str]:
    names = list(known)
    if not address.database:
        return names
    if address.database not in names:
        raise UsageError(
            f"{address.text}: no database is called {address.database!r}",
            [f"databases: {', '.join(names)}"],
        )
    return [address.database]


def _revision(address: TargetAddress, branches: Iterable[Branch]) -> dict[str, int]:
    revisions = {
        migration.revision: (branch.name, position)
        for branch in branches
        for position, migration in enumerate(branch.migrations, start=1)
    }
    matches = [address.revision] if address.revision in revisions else []
    matches = matches or [r for r in revisions if r.startswith(address.revision)]
    if any(address.revision == branch.name for branch in branches):
        raise UsageError(
            f"{address.text} is a database, not a revision",
            remedy=f"Its last revision is: {address.revision}@head",
        )
    if not matches:
        raise HistoryError(
            f"no revision is called {address.text!r}",
            remedy="Revisions are listed by: alembic history",
        )
    if len(matches) > 1:
        raise HistoryError(
            f"{len(matches)} revisions start with {address.text!r}",
            [", ".join(matches[:5])],
            "Write one of them out.",
        )
    name, position = revisions[matches[0]]
    return {name: position}


class Version:
    """Each database at its last migration up to ``number``; only ever upwards.

    With ``names``, those alone.
    """

    upward = True

    def __init__(self, number: int, names: Collection[str] = ()):
        self.number = number
        self.names = names

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the positions.

        UsageError when no migration has that number, HistoryError when every database
        is there and one is above.
        """
        refuse_unknown(self.number, statuses)
        if self.names:
            statuses = {name: statuses[name] for name in self.names}
        wanted = {name: p.branch.at(self.number) for name, p in statuses.items()}
        above = [
            f"{name} is at {status.head}"
            for name, status in statuses.items()
            if status.position > wanted[name]
        ]
        if above and all(p.position >= wanted[name] for name, p in statuses.items()):
            raise HistoryError(
                f"version {self.number} lies below, and a migration goes up",
                above,
                f"To go down: sqlpair rollback --to {self.number}. {UNCHANGED}",
            )
        return {name: max(p.position, wanted[name]) for name, p in statuses.items()}


def refuse_unknown(number: int, statuses: BranchStatuses) -> None:
    """UsageError unless a migration of some database has ``number``, or it is 0."""
    numbers = {
        m.number for status in statuses.values() for m in status.branch.migrations
    }
    if number != 0 and number not in numbers:
        known = ", ".join(f"{item:03}" for item in sorted(numbers)[-10:])
        raise UsageError(
            f"no migration has the number {number}",
            [f"the last ones: {known}" if known else "there is none at all"],
            "Nothing was changed.",
        )


class Destination:
    """Alembic's destination arguments (``heads``, ``-1``, ``sqlite@base``, …)."""

    def __init__(self, arguments: tuple[str, ...], command: str, report: Report):
        """``command`` is upgrade, downgrade or stamp."""
        self.addresses = tuple(parse(argument) for argument in arguments)
        self.command = command
        self.upward = command == "upgrade"
        self._report = report
        self._skipped: set[str] = set()
        for address in self.addresses:
            self._refuse_misplaced_steps(address)

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the position each database concerned is to go to.

        Raises UsageError for an unknown database, HistoryError for an unknown
        revision, a step off the branch, or when every database is at the end.
        """
        targets: dict[str, int] = {}
        for address in self.addresses:
            if address.revision:
                found = positions(
                    address, [status.branch for status in statuses.values()]
                )
            else:
                found = self._steps(address, statuses)
            for name, position in found.items():
                if name in targets:
                    raise UsageError(
                        f"{address.text}: {name} is to go to another revision already"
                    )
                targets[name] = self._checked(address, statuses[name], position)
        return targets

    def _refuse_misplaced_steps(self, address: TargetAddress) -> None:
        if address.revision:
            return
        sign = _SIGNS.get(self.command)
        if sign is None:
            raise UsageError(
                f"{self.command} {address.text} names no revision",
                remedy="Name a revision, head or base.",
            )
        if sign not in address.text or not address.steps:
            raise UsageError(
                f"{self.command} {address.text} is not a valid step",
                remedy=f"Steps of this command are counted with {sign}, as in {sign}1.",
            )

    def _steps(
        self, address: TargetAddress, statuses: BranchStatuses
    ) -> dict[str, int]:
        """Count steps from where each database is; one at the end is skipped."""
        assert address.steps
        concerned = _concerned(address, statuses)
        end = "head" if address.steps > 0 else "base"
        found = {}
        for name in concerned:
            position = statuses[name].position
            count = len(statuses[name].branch.migrations)
            if position == (count if address.steps > 0 else 0):
                continue
            found[name] = position + address.steps
            if not 0 <= found[name] <= count:
                raise HistoryError(
                    f"{name}: {self.command} {address.text} goes beyond {end}",
                    [f"{position} of {count} migrations are applied"],
                    UNCHANGED,
                )
        if not found:
            raise HistoryError(
                f"{' and '.join(concerned)} {'is' if len(concerned) == 1 else 'are'}"
                f" at {end} already",
                remedy=UNCHANGED,
            )
        for name in concerned:
            if name not in found and name not in self._skipped:
                self._skipped.add(name)
                self._report(f"{name}: at {end} already, skipped")
        return found

    def _checked(
        self, address: TargetAddress, status: BranchStatus, position: int
    ) -> int:
        if self.command == "downgrade" and position > status.position:
            raise HistoryError(
                f"{status.branch.name}: {address.text} is not below where the database"
                " is",
                [f"it is at {status.head}"],
                f"To go up, use upgrade. {UNCHANGED}",
            )
        if self.command == "upgrade":
            # As Alembic has it: what lies below is applied already.
            return max(position, status.position)
        return position
