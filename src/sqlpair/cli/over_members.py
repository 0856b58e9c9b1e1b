"""What commands do with all members of a project's fleets, and how they tell it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlpair.cli import options, output
from sqlpair.errors import UsageError, several
from sqlpair.fleet import project, reading
from sqlpair.fleet.project import FleetWork, ProjectRun
from sqlpair.fleet.run import FleetOptions, raise_signal
from sqlpair.fleet.work import MemberAction

if TYPE_CHECKING:
    from sqlpair.fleet.reading import FleetReport
    from sqlpair.fleet.run import FleetRun
    from sqlpair.fleet.work import MemberResult
    from sqlpair.project.settings import Settings
    from sqlpair.runner.steps import Outcome

Words = dict[str, Any]
SHOWN = 10  # failures that are told whole, each with its own message


def run(name: str, settings: Settings, given: Words, words: Words) -> None:
    """Run the command called ``name``; ``words`` are its own options."""
    COMMANDS[name](settings, _work(given), words)


def _work(given: Words) -> FleetWork:
    options = FleetOptions(
        given["jobs"] or 0,
        given["scheduler"] or "",
        given.get("stop_after"),
        given.get("canary") or 0,
    )
    return FleetWork(output.progress, _tell_result, options, given["shard"])


def _tell_result(result: MemberResult) -> None:
    if result.error:
        output.warn(f"{result.title}: failed: {result.error.splitlines()[0]}")
    for line in result.told:
        output.progress(f"{result.title}: {line}")


def _number(words: Words) -> int | None:
    return None if words["to"] is None else options.number_of(words["to"])


def _migrate(settings: Settings, work: FleetWork, words: Words) -> None:
    done = project.migrate(settings, work, _number(words), create=words["create"])
    _tell_moved(done, "Migrated", "applied")


def _rollback(settings: Settings, work: FleetWork, words: Words) -> None:
    if words["from_ledger"]:
        raise UsageError(
            "--recorded shows what it will run, and asks: of a fleet it takes one",
            remedy="Name it: --member NAME",
        )
    done = project.roll_back(
        settings, work, _number(words), allow_data_loss=words["allow_data_loss"]
    )
    _tell_moved(done, "Rolled back", "undone")


def _tell_moved(done: ProjectRun, verb: str, participle: str) -> None:
    if done.singles is not None:
        _tell_singles(done.singles, verb, participle)
    for fleet in done.fleets:
        tell_fleet(fleet, participle)
    if done.version is not None:
        output.say(f"Schema version {done.version}.", "bold")
    raise_signal(done.fleets)
    if not done.whole:
        sys.exit(1)


def _tell_singles(outcome: Outcome, verb: str, participle: str) -> None:
    for line in outcome.where()[:-1]:
        output.say(line)
    if outcome.done:
        what = output.amount(len(outcome.done), "migration")
        output.say(f"{verb}: {what} {participle} (deployment {outcome.deployment}).")
    output.say()


def tell_fleet(fleet: FleetRun, participle: str = "") -> None:
    """Print where the members of a fleet are, and why those that failed did."""
    what = f"{fleet.fleet}: {output.amount(fleet.total, 'member')}"
    if fleet.moved:
        ran = output.amount(fleet.ran, "migration")
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
            break
        output.say(f"  ! {first.title} failed:", "yellow")
        for line in first.error.splitlines():
            output.say(f"    {line}")
        if others:
            names = several([result.name for result in others])
            same = all(result.error == first.error for result in others)
            but = "" if same else " kind, each with details of its own in the log,"
            output.say(f"    the same{but} in {names}", "yellow")
    if failures:
        name = shlex.quote(failures[0].name)
        output.say(f"  What is to be done for one, as in: --member {name}", "dim")


def _status(settings: Settings, work: FleetWork, words: Words) -> None:
    found = reading.status(settings, work)
    if words["json"]:
        output.dump(found.to_json())
    else:
        _tell_report(found)
        pending = found.pending
        said = [
            f"Schema version {found.version}"
            if found.version is not None
            else "The schema version is not known of every member"
        ]
        if pending:
            said.append(f"{pending} pending: sqlpair migrate")
        elif found.version is not None:
            said.append("nothing is pending")
        if found.problems:
            said.append(output.amount(len(found.problems), "problem"))
        output.say(f"{'; '.join(said)}.", "bold")
    raise_signal(found.fleets)
    if not found.good or (words.get("strict") and found.pending):
        sys.exit(1)


def _tell_report(found: FleetReport) -> None:
    if found.singles is not None:
        for item in found.singles.databases:
            many = f", {len(item.pending)} pending" if item.pending else ""
            output.say(f"{item.name}: at {item.head}{many}", "bold")
    for fleet in found.fleets:
        tell_fleet(fleet)
    for result in found.behind[:SHOWN]:
        why = f": {'; '.join(result.told)}" if result.told else ""
        output.say(f"  {result.title} has {result.pending} pending{why}", "yellow")
    if len(found.behind) > SHOWN:
        output.say(f"  and {len(found.behind) - SHOWN:,} more; --json has each")
    output.problems(found.problems)


def _verify(settings: Settings, work: FleetWork, words: Words) -> None:
    found = reading.verify(settings, work, words["database"])
    if words["json"]:
        output.dump(found.to_json())
    else:
        _tell_report(found)
        if found.good:
            output.say("No problems found.", "bold green")
        else:
            output.say(f"{output.amount(found.troubles, 'problem')}.", "bold yellow")
    raise_signal(found.fleets)
    if not found.good:
        sys.exit(1)


def _backup(settings: Settings, work: FleetWork, words: Words) -> None:
    del words
    folder, fleets = reading.backup(settings, work)
    if folder is not None:
        output.say(str(folder))
    _tell_done(fleets, f"backed up into {settings.backups.folder}", _well)


def _adopt(settings: Settings, work: FleetWork, words: Words) -> None:
    """Adopt the members of one fleet, or of all; single databases come before."""
    number = None if words["at"] is None else options.number_of(words["at"])
    output.agree(
        "Record in each member without records which version its tables are? No"
        " migration runs.",
        yes=words["yes"],
    )
    # A member that has records already is well, and is not adopted.
    adopted = reading.adopt(settings, work, number, words["database"])
    _tell_done(adopted, "adopted", lambda fleet: fleet.deployed)


def _well(fleet: FleetRun) -> int:
    return fleet.done - len(fleet.failures)


def _tell_done(
    fleets: Sequence[FleetRun], done: str, count: Callable[[FleetRun], int]
) -> None:
    for fleet in fleets:
        tell_fleet(fleet)
        output.say(f"  {count(fleet):,} {done}")
    raise_signal(fleets)
    if any(fleet.failures or fleet.left for fleet in fleets):
        sys.exit(1)


COMMANDS: dict[str, Callable[[Settings, FleetWork, Words], None]] = {
    "migrate": _migrate,
    "rollback": _rollback,
    "status": _status,
    "version": _status,
    "verify": _verify,
    "backup": _backup,
    "adopt": _adopt,
}
assert {action.value for action in MemberAction} <= set(COMMANDS)
