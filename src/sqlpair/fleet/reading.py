"""What is asked of all members, or done beside their migrations: status, verify,
backup, adopt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.backup import backup as backups
from sqlpair.deploy.status import Status, overview
from sqlpair.fleet.project import FleetWork, over, reached
from sqlpair.fleet.run import FleetRun
from sqlpair.fleet.work import MemberAction, MemberResult
from sqlpair.ledger import log, version
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.verify import records
from sqlpair.verify import verify as verify_databases
from sqlpair.verify.problem import Problem


class FleetReport(NamedTuple):
    """What was found in the whole project.

    ``members`` is what is kept of each; ``behind`` are those with something pending,
    each with why, where the log knows.
    """

    environment: str
    singles: Status | None
    fleets: tuple[FleetRun, ...]
    members: tuple[MemberResult, ...]
    behind: tuple[MemberResult, ...]
    version: int | None
    latest: int
    expected: int | None
    problems: tuple[Problem, ...]

    @property
    def pending(self) -> int:
        """How many migrations are pending, in all databases and members."""
        single = len(self.singles.pending) if self.singles else 0
        return single + sum(result.pending for result in self.behind)

    @property
    def troubles(self) -> int:
        """How many problems there are, and members that could not be looked at."""
        return len(self.problems) + sum(len(fleet.failures) for fleet in self.fleets)

    @property
    def good(self) -> bool:
        """Whether all could be looked at, and nothing is wrong."""
        return not self.troubles and not any(fleet.left for fleet in self.fleets)

    def to_json(self) -> dict[str, Any]:
        """Return it for a program, with each member."""
        single = self.singles.databases if self.singles else ()
        fleets: dict[str, dict[str, Any]] = {fleet.fleet: {} for fleet in self.fleets}
        for result in self.members:
            fleet = result.title.removesuffix(f"/{result.name}")
            fleets[fleet][result.name] = {
                "version": result.number,
                "head": result.head,
                "pending": result.pending,
                "error": result.error,
                "told": list(result.told),
                "problems": [problem._asdict() for problem in result.detail or ()],
            }
        return {
            "environment": self.environment,
            "version": self.version,
            "latest": self.latest,
            "expected": self.expected,
            "problems": [problem._asdict() for problem in self.problems],
            "databases": {
                item.name: {
                    "version": item.version,
                    "head": item.head,
                    "pending": [migration.stem for migration in item.pending],
                }
                for item in single
            },
            "fleets": fleets,
        }


class _KeptResults:
    """The results as they come: each is short, and none is lost."""

    def __init__(self, work: FleetWork):
        self.results: list[MemberResult] = []
        self.work = work._replace(tell=self._keep)
        self._tell = work.tell

    def _keep(self, result: MemberResult) -> None:
        self.results.append(result)
        self._tell(result)


def status(settings: Settings, work: FleetWork) -> FleetReport:
    """Read where every database and every member is. Creates nothing."""
    found = None
    if settings.singles:
        found = overview(settings.apart(*settings.singles), work.report)
    kept = _KeptResults(work)
    fleets = tuple(over(settings, MemberAction.STATUS, kept.work))
    return _report(settings, found, fleets, kept.results, ())


def verify(settings: Settings, work: FleetWork, name: str | None) -> FleetReport:
    """Check every database and every member, or those of ``name``."""
    whole = settings  # another database may answer which members there are
    if name:
        settings = settings._replace(databases=(settings.database(name),))
    found = None
    problems: tuple[Problem, ...] = ()
    if settings.singles:
        part = settings.apart(*settings.singles)
        found = overview(part, work.report)._replace(problems=())
        problems = verify_databases(part, work.report).problems
    kept = _KeptResults(work)
    fleets = tuple(over(whole, MemberAction.VERIFY, kept.work, name=name))
    return _report(settings, found, fleets, kept.results, problems)


def _report(
    settings: Settings,
    found: Status | None,
    fleets: tuple[FleetRun, ...],
    results: list[MemberResult],
    problems: tuple[Problem, ...],
) -> FleetReport:
    known = branches(settings)
    singles = {
        item.name: [row.number for row in item.applied]
        for item in (found.databases if found else ())
    }
    number = reached(known, singles, fleets)
    wanted = version.expected(settings)
    own = [problem for result in results for problem in result.detail or ()]
    told = [*(found.problems if found else ()), *problems, *own]
    if wanted is not None and number is not None:
        told += records.unexpected(settings.env_file.name, wanted, number, ())
    reasons = _failures(settings) if any(result.pending for result in results) else {}
    behind = tuple(
        result._replace(told=(*result.told, reasons[result.title]))
        if result.title in reasons
        else result
        for result in results
        if result.pending
    )
    return FleetReport(
        settings.environment,
        found,
        fleets,
        tuple(results),
        behind,
        number,
        version.latest(known),
        wanted,
        tuple(dict.fromkeys(told)),
    )


def _failures(settings: Settings) -> dict[str, str]:
    """Return of each member why it failed last, as the log has it."""
    found: dict[str, str] = {}
    for line in log.lines(settings.log_file):
        title = log.title(line)
        if line.get("environment") != settings.environment or "/" not in title:
            continue
        if line["outcome"] == "failed":
            what = line.get("error", "").partition("\n")[0]
            found[title] = f"failed on {line['at'][:16]}: {what}"
        elif line["outcome"] in ("moved", "committed"):
            found.pop(title, None)
    return found


def backup(
    settings: Settings, work: FleetWork
) -> tuple[Path | None, tuple[FleetRun, ...]]:
    """Back up the databases of one address at one version, and every member."""
    folder = None
    if settings.singles:
        folder = backups.backup(settings.apart(*settings.singles), work.report)
    return folder, tuple(over(settings, MemberAction.BACKUP, work))


def adopt(
    settings: Settings, work: FleetWork, number: int | None, name: str | None = None
) -> tuple[FleetRun, ...]:
    """Record in every member without records, of one fleet or all, its version."""
    return tuple(over(settings, MemberAction.ADOPT, work, to=number, name=name))
