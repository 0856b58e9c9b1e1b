"""History: who did what when, to every database.

The databases hold it where they can (``schema_history``, written with each step). The
log holds what never reached one, the runs that failed, and what one has forgotten
because it was restored or made again. Neither is ever changed, only added to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report
from sqlpair.ledger import log, tables
from sqlpair.project.settings import Database, Settings

FORGOTTEN = "in the log alone: the database was restored or made again since"
ENDLESS = "no end is known: it is at work, or it was killed"
NO_DEPLOYMENT = "none"


class HistoryEvent(NamedTuple):
    """One thing that was done, or was not, because it failed.

    ``database`` and ``migration`` are empty where it is about a whole run. For what
    moves no migration (stamp, force, adopt) ``migration`` is the head it set.
    """

    at: str
    database: str
    action: str
    version: int | None
    migration: str
    by: str
    milliseconds: int | None
    deployment: str
    note: str


def history(settings: Settings, report: Report) -> tuple[HistoryEvent, ...]:
    """Return every event, oldest first. Creates nothing."""
    recorded = [
        event
        for database in settings.databases
        for event in _recorded(database, report)
    ]
    known = {(event.database, event.deployment) for event in recorded}
    logged = [
        event
        for event in _logged(settings)
        if (event.database, event.deployment) not in known
    ]
    return tuple(sorted([*recorded, *logged], key=lambda event: event.at))


def _recorded(database: Database, report: Report) -> Iterator[HistoryEvent]:
    with reading(database, report) as session:
        if session is None:
            return
        with session.snapshot():
            rows = tables.history(session)
        for row in rows:
            yield HistoryEvent(
                row["at"],
                database.name,
                row["action"],
                row["version"],
                row["migration_name"],
                row["applied_by"] or "",
                row["milliseconds"],
                row["deployment"],
                "",
            )


def _logged(settings: Settings) -> Iterator[HistoryEvent]:
    # A fleet's members share one log.
    member = settings.member
    titles = {f"{database.name}/{member}" for database in settings.databases}
    own = [
        line
        for line in log.lines(settings.log_file)
        if line.get("environment") == settings.environment
        and (not member or log.title(line) in titles)
    ]
    ends = ("committed", "failed")
    ended = {line.get("deployment") for line in own if line["outcome"] in ends}
    for line in own:
        outcome = line["outcome"]
        of = log.title(line)
        event = HistoryEvent(
            at=line["at"].replace("T", " ").removesuffix("Z"),
            database=of.partition("/")[0] if member else of,
            action=outcome,
            version=None,
            migration=line.get("migration", ""),
            by=line.get("by", ""),
            milliseconds=_number(line.get("ms", "")),
            deployment=line.get("deployment", "").replace(NO_DEPLOYMENT, ""),
            note=line.get("error", "") or line.get("what", ""),
        )
        if outcome == "ran":
            number = _number(event.migration.partition("_")[0])
            # Of another member, its own history was not read.
            note = "" if line.get("member", "") != member else FORGOTTEN
            yield event._replace(
                action=line.get("direction", ""), version=number, note=note
            )
        elif outcome == "moved":
            yield event._replace(action=line.get("direction", ""))
        elif outcome in ("failed", "incomplete", "settled"):
            yield event
        elif outcome == "started" and line.get("deployment") not in ended:
            yield event._replace(note=ENDLESS)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
