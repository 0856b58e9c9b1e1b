"""What is done with members, one after the other, in whichever process.

Each is a project with one database, and goes the way that any project goes: here is
only what is called for it, and what is told of it afterwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlpair.backup.backup import backup
from sqlpair.databases.driver import silent
from sqlpair.deploy import deployment
from sqlpair.deploy.adopt import adopt, choose
from sqlpair.deploy.status import overview
from sqlpair.errors import ConnectError, HistoryError, SqlpairError, several
from sqlpair.fleet.members import Member
from sqlpair.fleet.nothing_to_do import NothingToDo
from sqlpair.ledger.position import claimed
from sqlpair.project.branches import branches
from sqlpair.project.presence import below, is_dir, is_file
from sqlpair.project.read_once import read_once
from sqlpair.runner.survey import survey
from sqlpair.verify import verify
from sqlpair.verify.recognise import examine, refuse_unlike

if TYPE_CHECKING:
    from sqlpair.project.settings import Settings
    from sqlpair.runner.steps import BranchStatus, BranchStatuses, Outcome
    from sqlpair.verify.problem import Problem


class MemberAction(Enum):
    """What is done with each member, by the command's name."""

    MIGRATE = "migrate"
    ROLLBACK = "rollback"
    STATUS = "status"
    VERIFY = "verify"
    BACKUP = "backup"
    ADOPT = "adopt"


class Job(NamedTuple):
    """What a process is to do: the action, with whose settings, on which files.

    ``run`` is the id of the command that asks for it. ``to`` is a version number, where
    it names one. With ``create``, what a list names and is not there is made.
    """

    settings: Settings
    action: MemberAction
    files: str
    run: str
    to: int | None = None
    allow_data_loss: bool = False
    create: bool = False

    def __repr__(self) -> str:
        """Say what it is without the settings."""
        return f"<Job {self.action.value} of {self.settings.root.name}>"


class MemberResult(NamedTuple):
    """What became of one member.

    ``number`` is of its last applied migration, 0 at base; None where that is not
    known. ``ran`` are the migrations it ran, ``error`` why it failed. ``told`` is what
    a person ought to know besides; ``detail`` is what only this action tells.
    """

    title: str
    name: str
    number: int | None
    head: str
    pending: int = 0
    ran: tuple[str, ...] = ()
    deployment: str = ""
    milliseconds: int = 0
    error: str = ""
    told: tuple[str, ...] = ()
    detail: Any = None


def files_of(settings: Settings, name: str) -> str:
    """Return a checksum of a database's SQL files and revision modules."""
    database = settings.database(name)
    digest = sha256()
    for folder in (database.sql, database.versions):
        for path in sorted(below(folder)) if is_dir(folder) else ():
            if path.suffix in (".sql", ".py") and is_file(path):
                data = path.read_bytes()
                digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


_agreed = ("", "")  # the last run that this process has found to be of its own files


def _refuse_other_files(job: Job, name: str) -> None:
    """HistoryError where this process reads another checkout; once for each command."""
    global _agreed
    if _agreed == (job.run, job.files):
        return
    if files_of(job.settings, name) != job.files:
        raise HistoryError(
            f"{name}: the files here are not those that the command began with",
            [f"{job.settings.root} on {os.uname().nodename}"],
            "Bring one checkout to every machine, at the same path, and leave it alone"
            " meanwhile.",
        )
    _agreed = (job.run, job.files)


def work(
    job: Job, members: tuple[Member, ...], stopped: Callable[[], bool] = lambda: False
) -> list[MemberResult]:
    """Do the job on each of ``members``, until ``stopped`` says so.

    Never raises for what is wrong with one of them; Interrupted where a signal came.
    """
    return list(each(job, members, stopped))


def each(
    job: Job, members: tuple[Member, ...], stopped: Callable[[], bool]
) -> Iterator[MemberResult]:
    """Do the job on one after the other; see ``work``."""
    with read_once(job.run + job.files):
        for member in members:
            if stopped():
                return
            yield _one(job, member)


def _one(job: Job, member: Member) -> MemberResult:
    settings = job.settings.apart(member.database, member=member.name)
    began = time.monotonic()
    try:
        _refuse_other_files(job, member.database.name)
        if not member.database.search_path:  # or it might be made
            _refuse_gone(member)
            _refuse_absent(job, member)
        result = ACTIONS[job.action](job, member, settings)
        if not result.number:  # without records, or away
            _refuse_gone(member)
    except SqlpairError as error:
        result = _failed(job, member, settings, str(error))
    except OSError as error:
        what = f"{member.database.name}: {error.strerror or error}"
        what += f"\n  {error.filename}" if error.filename else ""
        result = _failed(job, member, settings, what)
    except Exception as error:  # noqa: BLE001 - of this one: it stops no other
        what = f"{member.database.name}: {type(error).__name__}: {error}"
        result = MemberResult(member.title, member.name, None, "", error=what)
    return result._replace(milliseconds=round((time.monotonic() - began) * 1000))


def _refuse_gone(member: Member) -> None:
    """ConnectError for one that is gone: it is not at base, nor to be made again."""
    if member.found and not member.is_there():
        path = member.database.search_path
        raise ConnectError(
            f"{member.database.name}: its {'schema' if path else 'file'} is gone since"
            " it was found",
            [path[0] if path else member.database.address],
            "It is not made again. Nothing was changed.",
        )


def _refuse_absent(job: Job, member: Member) -> None:
    """HistoryError for one that a list names and that is not there.

    A disk is not mounted, or a file was lost, or another machine has it.
    """
    if not (member.found or job.create or member.is_there()):
        raise HistoryError(
            f"{member.database.name}: there is no database, though it is listed",
            [f"{member.database.variable}: {member.database.address}"],
            "Nothing was changed.\n"
            "If it is new, migrate it by its name, with --member; all such ones:"
            "\nsqlpair migrate --create, or alembic -x create=true upgrade heads",
        )


def _failed(job: Job, member: Member, settings: Settings, error: str) -> MemberResult:
    """Say where a member is that failed, as far as it can be told."""
    with suppress(SqlpairError, OSError):
        _refuse_gone(member)
        _refuse_absent(job, member)
        return _here(member, settings)._replace(error=error)
    return MemberResult(member.title, member.name, None, "", error=error)


def _at(member: Member, status: BranchStatus) -> MemberResult:
    last = status.migration
    return MemberResult(
        title=member.title,
        name=member.name,
        number=last.number if last else 0,
        head=status.head,
        pending=len(status.branch.migrations) - status.position,
    )


class UpTo:
    """The last migration numbered ``number`` or lower, or head; only ever upwards."""

    upward = True  # so repeatable files run, too

    def __init__(self, number: int | None):
        self.number = number

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the positions."""
        if self.number is None:
            return {name: len(p.branch.migrations) for name, p in statuses.items()}
        return {
            name: max(p.position, p.branch.at(self.number))
            for name, p in statuses.items()
        }


class DownTo:
    """The last migration numbered ``number`` or lower; only ever downwards."""

    def __init__(self, number: int):
        self.number = number

    def __call__(self, statuses: BranchStatuses) -> Mapping[str, int]:
        """Return the positions."""
        return {
            name: min(p.position, p.branch.at(self.number))
            for name, p in statuses.items()
        }


_nothing_to_do: NothingToDo[MemberResult] = NothingToDo()


def _migrate(job: Job, member: Member, settings: Settings) -> MemberResult:
    global _nothing_to_do
    _nothing_to_do = _nothing_to_do.of(job.run + job.files)
    if known := _nothing_to_do.recall(settings):
        return known._replace(title=member.title, name=member.name)
    outcome = deployment.deploy(settings, UpTo(job.to), silent)
    result = _moved(member, outcome)
    if not outcome.deployment:
        (status,) = outcome.statuses.values()
        _nothing_to_do.keep(status, result)
    return result


def _rollback(job: Job, member: Member, settings: Settings) -> MemberResult:
    assert job.to is not None
    outcome = deployment.deploy(
        settings, DownTo(job.to), silent, allow_data_loss=job.allow_data_loss
    )
    return _moved(member, outcome)


def _moved(member: Member, outcome: Outcome) -> MemberResult:
    (status,) = outcome.statuses.values()
    return _at(member, status)._replace(
        ran=tuple(done.step.migration.stem for done in outcome.done),
        deployment=outcome.deployment,
        told=tuple(done.left for done in outcome.done if done.left),
    )


def _status(_job: Job, member: Member, settings: Settings) -> MemberResult:
    found = overview(settings, silent)
    (database,) = found.databases
    files = [file.stem for file in database.repeatable if file.pending]
    return MemberResult(
        member.title,
        member.name,
        database.version,
        database.head,
        pending=len(database.pending) + len(files),
        told=(f"to run: {several(files)}",) if files else (),
        detail=_titled(found.problems, member),
    )


def _verify(_job: Job, member: Member, settings: Settings) -> MemberResult:
    found = verify(settings, silent)
    (database,) = found.databases
    (branch,) = branches(settings)
    numbers = {item.stem: item.number for item in branch.migrations} | {"base": 0}
    return MemberResult(
        member.title,
        member.name,
        numbers.get(database.head),
        database.head,
        pending=len(database.pending),
        detail=_titled(found.problems, member),
    )


def _titled(problems: Iterable[Problem], member: Member) -> tuple[Problem, ...]:
    """Let problems name the member, which to its project is the one database."""
    name, title = member.database.name, member.title
    return tuple(
        problem._replace(
            database=title,
            what=title + problem.what.removeprefix(name)
            if problem.what.startswith(name)
            else f"{title}: {problem.what}",
        )
        for problem in problems
    )


def _backup(_job: Job, member: Member, settings: Settings) -> MemberResult:
    folder = backup(settings, silent)
    return _here(member, settings)._replace(detail=folder.name)


def _adopt(job: Job, member: Member, settings: Settings) -> MemberResult:
    found = examine(settings, silent, (), job.to)
    refuse_unlike(found)
    positions = choose(found, job.to)
    if not positions:
        return _here(member, settings)
    outcome = adopt(settings, found, positions, silent)
    return _moved(member, outcome)


def _here(member: Member, settings: Settings) -> MemberResult:
    with ExitStack() as resources:
        known = branches(settings)
        (status,) = survey(known, silent, resources, locate=claimed).values()
        return _at(member, status)


ACTIONS: dict[MemberAction, Callable[[Job, Member, Settings], MemberResult]] = {
    MemberAction.MIGRATE: _migrate,
    MemberAction.ROLLBACK: _rollback,
    MemberAction.STATUS: _status,
    MemberAction.VERIFY: _verify,
    MemberAction.BACKUP: _backup,
    MemberAction.ADOPT: _adopt,
}
