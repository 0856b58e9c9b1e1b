"""A project with fleets: the single databases as one, then the members of each fleet.

Upwards the single databases come first, downwards last: what members rest on is there
as long as they are. Where the single databases fail, no member is touched. The schema
version is what every database and every member has reached; ``.env`` says so at the
end, where that is known of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple

from sqlpair import ids
from sqlpair.databases.interface import Report
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import refuse_unknown
from sqlpair.errors import Interrupted, SqlpairError, UsageError, amount
from sqlpair.fleet.members import find, shard
from sqlpair.fleet.run import FleetOptions, FleetRun, run
from sqlpair.fleet.work import DownTo, Job, MemberAction, MemberResult, UpTo, files_of
from sqlpair.ledger import tables, version
from sqlpair.ledger.log import MigrationLog
from sqlpair.ledger.position import claimed
from sqlpair.project.branches import Branch, branches
from sqlpair.project.fleet import SourceKind
from sqlpair.project.settings import DEVELOPMENT, Database, Settings
from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome
from sqlpair.runner.survey import survey

DIRECTIONS = {
    MemberAction.MIGRATE: "upgrade",
    MemberAction.ROLLBACK: "downgrade",
    MemberAction.ADOPT: "adopt",
}
WHOLE = (1, 1)
READING = (MemberAction.STATUS, MemberAction.VERIFY)


class ProjectRun(NamedTuple):
    """What was done with a whole project.

    ``singles`` is None where no database has one address. ``version`` is the schema
    version; None where it is not known of every member.
    """

    singles: Outcome | None
    fleets: tuple[FleetRun, ...]
    version: int | None

    @property
    def failed(self) -> int:
        """How many members failed."""
        return sum(len(fleet.failures) for fleet in self.fleets)

    @property
    def whole(self) -> bool:
        """Whether every member was reached, and none failed."""
        return not any(fleet.failures or fleet.left for fleet in self.fleets)


class FleetWork(NamedTuple):
    """How a command wants its members: which of them, and in what way.

    ``part`` is (number, of how many); ``tell`` gets each result as it comes.
    """

    report: Report
    tell: Callable[[MemberResult], None]
    options: FleetOptions = FleetOptions()
    part: tuple[int, int] = WHOLE


def migrate(
    settings: Settings, work: FleetWork, to: int | None = None, *, create: bool = False
) -> ProjectRun:
    """Apply what is pending: in the single databases, then in the members."""
    known = branches(settings)
    version.refuse_unknown(settings, known)
    if to is not None:
        _refuse_unknown(settings, to)
    singles = None
    if settings.singles:
        singles = deployment.deploy(
            settings.apart(*settings.singles), UpTo(to), work.report, create=create
        )
    moved = over(settings, MemberAction.MIGRATE, work, to=to, create=create)
    fleets = tuple(moved)
    return _finished(settings, work, singles, fleets)


def roll_back(
    settings: Settings,
    work: FleetWork,
    to: int | None,
    *,
    allow_data_loss: bool = False,
) -> ProjectRun:
    """Undo what is numbered above ``to``: in the members, then in the single databases.

    Those stay as they are where a member failed, or others are left to do.
    """
    if to is None:
        raise UsageError(
            "members have no last deployment in common",
            [f"fleets: {', '.join(fleet.name for fleet in settings.fleets)}"],
            "Say how far to go back: sqlpair rollback --to N, or name one with"
            " --member NAME. Nothing was changed.",
        )
    _refuse_unknown(settings, to)
    fleets = tuple(
        over(
            settings,
            MemberAction.ROLLBACK,
            work,
            to=to,
            allow_data_loss=allow_data_loss,
        )
    )
    singles = None
    if settings.singles and work.part != WHOLE:
        names = ", ".join(database.name for database in settings.singles)
        work.report(f"{names}: as before; without --shard once all parts are done")
    elif settings.singles and not any(run.failures or run.left for run in fleets):
        try:
            singles = deployment.deploy(
                settings.apart(*settings.singles),
                DownTo(to),
                work.report,
                allow_data_loss=allow_data_loss,
            )
        except (SqlpairError, Interrupted) as error:
            if moved := sum(fleet.moved for fleet in fleets):
                error.add(f"before it, {amount(moved, 'member')} went back")
                error.remedy = error.remedy.replace("Nothing was changed. ", "")
                _finished(settings, work, None, fleets)
            raise
    return _finished(settings, work, singles, fleets)


def over(
    settings: Settings,
    action: MemberAction,
    work: FleetWork,
    *,
    to: int | None = None,
    allow_data_loss: bool = False,
    create: bool = False,
    name: str | None = None,
) -> Iterator[FleetRun]:
    """Do ``action`` with the members of each fleet, or of the one called ``name``."""
    at_home = not work.options.scheduler
    fleets = [fleet for fleet in settings.fleets if name in (None, fleet.name)]
    known: dict[object, str] = {}
    with ExitStack() as resources:
        found = [
            find(settings, fleet, work.report, resources, known=known)
            for fleet in fleets
        ]
        known.clear()
        for number, fleet in enumerate(fleets, start=1):
            if not found[number - 1] and fleet.fleet:
                work.report(f"{fleet.name}: none is found by {fleet.fleet.told}")
            members = shard(found[number - 1], *work.part)
            if action in DIRECTIONS:
                _tell_without_backup(settings, fleet, work)
            job = Job(
                settings._replace(databases=(fleet,)),
                action,
                files_of(settings, fleet.name),
                ids.new_id(),
                to,
                allow_data_loss,
                # A worker on another machine may not see a file that is there.
                create or (at_home and settings.environment == DEVELOPMENT),
            )
            log = _FleetLog(settings, action, work)
            with closing(log):
                done = run(fleet.name, job, members, work.options, log)
            yield done
            if done.why_stopped:
                for other in fleets[number:]:
                    what = f"none is begun, for {fleet.name} has stopped"
                    work.report(f"{other.name}: {what}")
                return


def _tell_without_backup(settings: Settings, fleet: Database, work: FleetWork) -> None:
    source = fleet.fleet
    if settings.backups.first and source and source.kind is SourceKind.SCHEMAS:
        work.report(
            f"{fleet.name}: schemas are not backed up one by one; back up the database"
            f" of {fleet.variable} as a whole before, for example with pg_dump"
        )


class _FleetLog:
    """What is logged of a run over members: a line for each that moved or failed."""

    def __init__(self, settings: Settings, action: MemberAction, work: FleetWork):
        self._settings = settings
        self._action = action
        self._work = work
        self._log: MigrationLog | None = None

    def __call__(self, result: MemberResult) -> None:
        """Log it, and tell it to the command."""
        if result.deployment:
            self._line(
                "moved",
                database=result.title,
                migration=result.head,
                direction=DIRECTIONS[self._action],
                migrations=len(result.ran),
                deployment=result.deployment,
                ms=result.milliseconds,
            )
        if result.error and self._action not in READING:
            self._line("failed", database=result.title, error=result.error)
        self._work.tell(result)

    def _line(self, outcome: str, **fields: object) -> None:
        if self._log is None:
            self._log = MigrationLog(self._settings, ids.new_id(), self._work.report)
        self._log.line(outcome, **fields)

    def close(self) -> None:
        """Close the log, where there was something to say."""
        if self._log is not None:
            self._log.close()


def _refuse_unknown(settings: Settings, number: int) -> None:
    """UsageError where no migration of any database has that number."""
    statuses = {
        branch.name: BranchStatus(branch, tables.EMPTY, 0)
        for branch in branches(settings)
    }
    refuse_unknown(number, statuses)


def _finished(
    settings: Settings,
    work: FleetWork,
    singles: Outcome | None,
    fleets: Sequence[FleetRun],
) -> ProjectRun:
    """Let ``.env`` say the version that every database has, where that is known."""
    number = None
    statuses = singles.statuses if singles else _statuses(settings, work.report)
    if work.part == WHOLE and len(fleets) == len(settings.fleets):
        applied = {
            n: [r.number for r in p.records.applied] for n, p in statuses.items()
        }
        number = reached(branches(settings), applied, fleets)
    if number is not None:
        version.write(settings, number)
    return ProjectRun(singles, tuple(fleets), number)


def _statuses(settings: Settings, report: Report) -> BranchStatuses:
    with ExitStack() as resources:
        known = branches(settings.apart(*settings.singles))
        return survey(known, report, resources, locate=claimed)


def reached(
    known: Sequence[Branch],
    singles: Mapping[str, Sequence[int]],
    fleets: Iterable[FleetRun],
) -> int | None:
    """Return the schema version: what all databases and members have reached.

    ``singles`` maps those of one address to the numbers applied there. None where one
    member is not known.
    """
    applied = dict(singles)
    numbers = {b.name: [m.number for m in b.migrations] for b in known}
    for fleet in fleets:
        if not fleet.total:  # every one of none
            applied[fleet.fleet] = numbers[fleet.fleet]
        elif fleet.lowest is None:
            return None
        else:
            lowest = fleet.lowest if fleet.at_base == 0 else -1
            applied[fleet.fleet] = [n for n in numbers[fleet.fleet] if n <= lowest]
    return version.reached(applied, known)
