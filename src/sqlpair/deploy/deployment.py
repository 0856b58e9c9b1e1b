"""A deployment: one run that moves databases, all of them or none.

    survey    read every database, change nothing, plan; nothing to do ends here
    run       lock, survey and plan again, check, and move stage by stage (``run.py``)

With ``transaction = deployment`` everything is one stage; with ``transaction =
migration`` each migration is one. A ``-- no-transaction`` file is always its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from sqlpair.backup import interrupted
from sqlpair.databases.interface import Report, Table, driver_of
from sqlpair.deploy import fast_path
from sqlpair.deploy.check import refuse_changed
from sqlpair.deploy.recovery import unfinished
from sqlpair.errors import Interrupted, SqlpairError
from sqlpair.ledger import tables, version, write_sql
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches, current
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import (
    Outcome,
    Place,
    Places,
    Step,
    Targets,
    Watch,
    Writing,
    plan,
    reached,
    record,
    unwatched,
)

__all__ = [
    "Outcome",
    "Place",
    "Places",
    "Step",
    "Targets",
    "Writing",
    "deploy",
    "plan",
    "reached",
    "record",
    "record_only",
    "refusals_logged",
    "stamp",
    "survey",
]


def survey(
    known: Sequence[Branch],
    report: Report,
    resources: ExitStack,
    *,
    locate: Callable[[Branch, tables.State], int] = current,
) -> dict[str, Place]:
    """Read where every database is. Creates nothing.

    Connections stay open until ``resources`` closes, and so does an embedded server.
    """
    places = {}
    for branch in known:
        session = driver_of(branch.database).connect(
            branch.database, read_only=True, report=report
        )
        state = tables.EMPTY
        undecided: list[str] = []
        if session is not None:
            resources.callback(session.close)
            with session.snapshot():  # or a commit in between looks like a fault
                state = tables.read(session)
            undecided = session.prepared()
        places[branch.name] = Place(
            branch, state, locate(branch, state), tuple(undecided)
        )
    return places


def deploy(
    settings: Settings,
    targets: Targets,
    report: Report,
    *,
    allow_data_loss: bool = False,
    watch: Watch = unwatched,
) -> Outcome:
    """Move the databases to where ``targets`` says, all of them or none.

    Raises SqlpairError; the message tells what had been committed by then. A
    downgrade that would lose rows or values is a DataLossError unless allowed.
    """
    before = fast_path.seen(settings)
    with ExitStack() as resources:
        with refusals_logged(settings):
            _settle_restores(settings, report)
            known = branches(settings)
            version.refuse_unknown(settings, known)
            places = survey(known, report, resources)
            if _is_done(settings, places, targets, before):
                return Outcome("", (), places)
        from sqlpair.deploy.run import Run

        with Run(settings, known, report) as run:
            run.allow_data_loss = allow_data_loss
            run.backup_first = settings.backups.first
            run.watch = watch
            run.hold(places, targets)
            return run.migrate(targets)


@contextmanager
def refusals_logged(settings: Settings) -> Iterator[None]:
    """Log what keeps a deployment from so much as beginning; ``Run`` logs the rest."""
    try:
        yield
    except (SqlpairError, Interrupted) as error:
        from sqlpair.ledger.log import Journal

        with suppress(SqlpairError):  # the first error is the one to be shown
            Journal(settings, "none").failed(error)
        raise


def _settle_restores(settings: Settings, report: Report) -> None:
    if interrupted.interrupted(settings):
        from sqlpair.backup import swap

        swap.settle(settings, report)


def _is_done(
    settings: Settings, places: Places, targets: Targets, before: fast_path.Seen | None
) -> bool:
    if _unsettled(settings, places):
        return False
    goals = targets(places)
    if plan(places, goals):
        return False
    at_head = [
        place
        for name, place in places.items()
        if goals.get(name) == len(place.branch.migrations)
    ]
    for place in at_head:
        # Whoever asks for what is there already is told when it is not that any more.
        refuse_changed(place)
    if len(at_head) == len(places):
        fast_path.keep(settings, before, places)
    return True


def _unsettled(settings: Settings, places: Places) -> bool:
    """Say whether an interrupted run left something to do: a promise, .env, a half."""
    written = version.expected(settings)
    return (
        any(place.undecided for place in places.values())
        or unfinished(places) is not None
        or (settings.env_file.is_file() and written != reached(places))
    )


def stamp(
    settings: Settings, targets: Targets, report: Report, *, method: str, purge: bool
) -> Outcome:
    """Let version table and ledger say what ``targets`` says; run no SQL file.

    With ``purge``, also where the version table names no revision of this checkout.
    """

    def locate(branch: Branch, state: tables.State) -> int:
        known = [branch.position(name) for name in state.revisions]
        if None in known and not purge:
            current(branch, state)  # says so
        return max((position or 0 for position in known), default=0)

    from sqlpair.deploy.run import Run

    with ExitStack() as resources:
        with refusals_logged(settings):
            _settle_restores(settings, report)
            known = branches(settings)
            places = survey(known, report, resources, locate=locate)
        with Run(settings, known, report, locate=locate) as run:
            run.hold(places, targets)
            goals = targets(run.places)

            def writing(place: Place, table: Table, entry: write_sql.Entry) -> str:
                kept = [
                    (item, sql_file.checksum(item.up.read_bytes()))
                    for item in place.branch.migrations[: goals[place.branch.name]]
                ]
                return write_sql.stamped(table, kept, entry)

            return run.record(goals, writing, method)


def record_only(
    settings: Settings,
    targets: Targets,
    writing: Writing,
    report: Report,
    *,
    method: str,
) -> Outcome:
    """Write bookkeeping to the databases that ``targets`` names; nothing moves."""
    from sqlpair.deploy.run import Run

    with ExitStack() as resources:
        with refusals_logged(settings):
            _settle_restores(settings, report)
            known = branches(settings)
            places = survey(known, report, resources)
        with Run(settings, known, report) as run:
            run.hold(places, targets)
            return run.record(targets(run.places), writing, method)
