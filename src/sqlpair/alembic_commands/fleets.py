"""Alembic's commands in a project with fleets.

``alembic upgrade heads`` moves every member, as ``sqlpair migrate`` does. Everything
else means one database: with ``-x member=NAME`` that member, and without it those of
one address, where the command names no fleet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import getclosurevars
from typing import TYPE_CHECKING

from alembic.util import to_tuple

from sqlpair.alembic_commands.one_database import is_asked, warn
from sqlpair.deploy.targets import parse
from sqlpair.errors import SqlpairError, UsageError
from sqlpair.fleet import members, project
from sqlpair.fleet.run import FleetOptions, raise_signal
from sqlpair.project.settings import Settings

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

    from sqlpair.fleet.work import MemberResult

logger = logging.getLogger("sqlpair")
Serve = Callable[[Settings], None]


def serve(
    context: EnvironmentContext, settings: Settings, command: str, one: Serve
) -> None:
    """Serve a command; ``one`` serves it where every database has one address."""
    given = context.get_x_argument(as_dictionary=True)
    name = given.get("member")
    destination = context.get_context().opts.get("destination_rev")
    if name is not None:
        making = command == "upgrade"
        with members.one(settings, str(name), logger.info, making=making) as part:
            one(part)
        return
    if context.is_offline_mode():
        one(settings)
        return
    addresses = to_tuple(destination, default=()) or ()
    if command == "upgrade" and set(addresses) <= {"head", "heads"}:
        jobs = str(given.get("jobs", ""))
        _upgrade(settings, jobs, create=is_asked(context, "create"))
        return
    fleets = {fleet.name for fleet in settings.fleets}
    for address in addresses:
        if parse(address).database in ("", *fleets):
            raise UsageError(
                f"{command} {address} would mean every member of"
                f" {', '.join(sorted(fleets))}",
                remedy="Name one, with -x member=NAME before the command, or a database"
                " of one address.\n"
                "For all: sqlpair migrate --to N, sqlpair rollback --to N."
                " Nothing was changed.",
            )
    names = ", ".join(sorted(fleets))
    asked = context.get_context().opts["fn"]
    if command == "current" and getclosurevars(asked).nonlocals.get("check_heads"):
        raise UsageError(
            f"current --check-heads does not look at the members of {names}",
            remedy="All of them: sqlpair status --exit-code\n"
            "One: alembic -x member=NAME current --check-heads",
        )
    if command in ("current", "check"):  # of none at all they would say: all is well
        part = members.singles(settings)
    else:
        part = settings.apart(*settings.singles)
    if not addresses:
        logger.warning(
            "%s: left out; one member: -x member=NAME, all: sqlpair status", names
        )
    one(part)


def _upgrade(settings: Settings, jobs: str, *, create: bool) -> None:
    if jobs and not (jobs.isdecimal() and int(jobs)):
        raise UsageError(f"-x jobs={jobs}", remedy="It is a number: -x jobs=4")
    options = FleetOptions(int(jobs or 0))
    work = project.FleetWork(logger.info, _tell, options)
    done = project.migrate(settings, work, create=create)
    if done.singles is not None:
        for line in done.singles.where()[:-1]:
            logger.info("%s", line.strip())
    for fleet in done.fleets:
        at = [f"{many} at {head}" for (_, head), many in fleet.heads.items()]
        at += [f"{fleet.unknown} not known"] if fleet.unknown else []
        at += [f"{fleet.left} not begun: {fleet.why_stopped}"] if fleet.left else []
        where = ", ".join(at) or "none"
        logger.info("%s: %s members; %s", fleet.fleet, fleet.total, where)
    if done.version is not None:
        logger.info("schema version %s", done.version)
    raise_signal(done.fleets)
    if not done.whole:
        raise SqlpairError(
            f"{done.failed} of {sum(f.total for f in done.fleets)} members failed",
            [result.title for fleet in done.fleets for result in fleet.failures][:10],
            "The others are done. The same command again does what is left.",
        )


def _tell(result: MemberResult) -> None:
    if result.error:
        warn(f"{result.title} failed: {result.error}")
