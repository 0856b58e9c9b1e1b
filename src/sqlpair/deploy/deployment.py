"""A deployment: one run that moves databases, all of them or none.

    survey    read every database, change nothing, plan; nothing to do ends here
    run       lock, survey and plan again, check, and move stage by stage (``run.py``)

With ``transaction = deployment`` everything is one stage; with ``transaction =
migration`` each migration is one. A ``-- no-transaction`` file is always its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from sqlpair.databases.interface import Report, Session
from sqlpair.deploy.nothing_to_do import is_done
from sqlpair.errors import Interrupted, SqlpairError
from sqlpair.ledger import version
from sqlpair.project.branches import branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import Outcome, Targets
from sqlpair.runner.survey import survey
from sqlpair.runner.unfinished import restores


def deploy(
    settings: Settings,
    targets: Targets,
    report: Report,
    *,
    allow_data_loss: bool = False,
    create: bool = False,
) -> Outcome:
    """Move the databases to where ``targets`` says, all of them or none.

    Raises SqlpairError; the message tells what had been committed by then. A
    downgrade that would lose rows or values is a DataLossError unless allowed. Outside
    development, a database that is not there is made where ``create`` says so.
    """
    with ExitStack() as resources:
        with refusals_logged(settings, report):
            finish_restores(settings, report)
            known = branches(settings)
            version.refuse_unknown(settings, known)
            opened: dict[str, Session] = {}
            statuses = survey(known, report, resources, opened=opened)
            if is_done(settings, statuses, targets):
                return Outcome("", (), statuses)
        from sqlpair.deploy.run import Deployment
        from sqlpair.deploy.stage import DeploymentOptions

        work = DeploymentOptions(
            report, allow_data_loss, settings.backups.first, create
        )
        with Deployment(settings, statuses, targets, work, opened=opened) as run:
            return run.migrate()


@contextmanager
def refusals_logged(settings: Settings, report: Report) -> Iterator[None]:
    """Log what keeps a deployment from beginning; ``Deployment`` logs the rest."""
    try:
        yield
    except (SqlpairError, Interrupted) as error:
        from sqlpair.ledger.log import MigrationLog

        with suppress(SqlpairError):  # the first error is the one to be shown
            MigrationLog(settings, "none", report).failed(error)
        raise


def finish_restores(settings: Settings, report: Report) -> None:
    if restores(settings):
        from sqlpair.backup import swap

        swap.finish_interrupted(settings, report)
