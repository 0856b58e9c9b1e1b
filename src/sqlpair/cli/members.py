"""How commands take the members of fleets, and tell what became of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from sqlpair.cli import deployed, output
from sqlpair.errors import UsageError, several
from sqlpair.project.settings import Settings, load

if TYPE_CHECKING:
    from sqlpair.fleet.project import FleetWork, ProjectRun
    from sqlpair.fleet.run import FleetRun
    from sqlpair.fleet.work import MemberResult

Run = TypeVar("Run", bound=Callable[..., Any])

SHOWN = 10  # failures that are told whole, each with its own message


class Given(NamedTuple):
    """What a command line says of members."""

    jobs: int | None = None
    scheduler: str = ""
    shard: tuple[int, int] = (1, 1)
    stop_after: int | None = None
    canary: int = 0


def _part(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[int, int]:
    if text is None:
        return (1, 1)
    number, _, of = text.partition("/")
    if number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return int(number), int(of)
    raise click.BadParameter("it is which part, and of how many: 1/4")


member = click.option(
    "--member",
    metavar="NAME",
    default="",
    help="Only this member of a fleet, as if it were the project's one database.",
)
_COUNT = click.IntRange(min=1)


def over_members(*, moving: bool = False) -> Callable[[Run], Run]:
    """Take the options that say how a fleet's members are gone through."""
    taken = [
        click.option(
            "--jobs",
            metavar="N",
            type=_COUNT,
            help="Members at once; else one for each processor.",
        ),
        click.option(
            "--shard",
            metavar="I/N",
            callback=_part,
            help="Only the I-th of N parts of the members, for a CI matrix.",
        ),
        click.option(
            "--scheduler",
            metavar="URL",
            default="",
            help="Let a Dask cluster do the members: tcp://HOST:8786.",
        ),
    ]
    if moving:
        taken += [
            click.option(
                "--stop-after",
                metavar="N",
                type=_COUNT,
                help="Begin no more members once N have failed.",
            ),
            click.option(
                "--canary",
                metavar="N",
                type=_COUNT,
                default=None,
                help="Do the first N members alone; go on only if none fails.",
            ),
        ]

    def wrap(run: Run) -> Run:
        for option in reversed(taken):
            run = option(run)
        return member(run)

    return wrap


def given(arguments: dict[str, Any]) -> Given:
    """Return what the options of ``over_members`` say."""
    return Given(
        arguments.get("jobs"),
        arguments.get("scheduler") or "",
        arguments.get("shard") or (1, 1),
        arguments.get("stop_after"),
        arguments.get("canary") or 0,
    )


@contextmanager
def project(
    config: Path, name: str, *, fleets: bool = False, making: bool = False
) -> Iterator[Settings]:
    """Load the project, or the one member called ``name`` as if it were one.

    A command that does not go through members (``fleets``) gets the single databases;
    UsageError where there are none. One that is ``making`` a new member makes its
    place.
    """
    settings = load(config)
    if name:
        from sqlpair.fleet import members

        with ExitStack() as resources:
            found = members.choose(settings, name, output.progress, resources)
            if making:
                resources.enter_context(members.made(found, output.progress))
            one = members.settings_of(settings, found)
            yield one._replace(log_file=settings.log_file)
        return
    if fleets or not settings.fleets:
        yield settings
        return
    names = ", ".join(fleet.name for fleet in settings.fleets)
    if not settings.singles:
        raise UsageError(
            f"{names}: a fleet, of which this command takes one member",
            remedy="Name it: --member NAME",
        )
    output.progress(f"{names}: left out; of a fleet it takes one: --member NAME")
    yield settings.apart(*settings.singles)


def work(said: Given) -> FleetWork:
    """Return how the fleet is gone through, for ``sqlpair.fleet.project``."""
    from sqlpair.fleet.executors import default_jobs
    from sqlpair.fleet.project import FleetWork
    from sqlpair.fleet.run import FleetOptions

    options = FleetOptions(
        said.jobs or default_jobs(), said.scheduler, said.stop_after, said.canary
    )
    return FleetWork(output.progress, _tell_failure, options, said.shard)


def _tell_failure(result: MemberResult) -> None:
    if result.error:
        output.warn(f"{result.title}: failed: {result.error.splitlines()[0]}")
    for line in result.told:
        output.progress(f"{result.title}: {line}")


def tell_moved(done: ProjectRun, verb: str, participle: str) -> None:
    """Print what a run over the whole project did, and end with its exit code."""
    if done.singles is not None:
        if done.singles.done:
            deployed.tell_ran(done.singles, verb, participle)
        for line in done.singles.where()[:-1]:
            output.say(line)
    for fleet in done.fleets:
        tell_fleet(fleet, participle)
    if done.version is not None:
        output.say(f"Schema version {done.version}.", "bold")
    done.raise_signal()
    if not done.whole:
        sys.exit(1)


def tell_fleet(fleet: FleetRun, participle: str = "") -> None:
    """Print where the members of a fleet are, and why those that failed did."""
    what = f"{fleet.fleet}: {output.count(fleet.total, 'member')}"
    if fleet.moved:
        ran = output.count(fleet.ran, "migration")
        what += f", {ran} {participle} in {fleet.moved}"
    output.say(what, "bold")
    rows = [
        (f"{many:,}", f"at {head}")
        for (_, head), many in sorted(fleet.heads.items(), reverse=True)
    ]
    if fleet.unknown:
        rows.append((f"{fleet.unknown:,}", "not known"))
    if fleet.left:
        rows.append((f"{fleet.left:,}", f"not begun: {fleet.why_stopped}"))
    if rows:
        output.table((".", ""), rows)
    _tell_failures(fleet.failures)


def _tell_failures(failures: Sequence[MemberResult]) -> None:
    alike: dict[str, list[MemberResult]] = {}
    for result in failures:
        alike.setdefault(result.error.splitlines()[0], []).append(result)
    for number, group in enumerate(alike.values()):
        first, *others = group
        if number == SHOWN:
            output.say(f"  and {len(alike) - number} more; the log has them all")
            return
        output.say(f"  ! {first.title} failed:", "yellow")
        for line in first.error.splitlines():
            output.say(f"    {line}")
        if others:
            names = several([result.name for result in others])
            output.say(f"    the same in {names}", "yellow")
