"""Alembic's view of one database at a time: its connection, and its branch alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError

from sqlpair.databases.driver import reading
from sqlpair.errors import HistoryError, SqlpairError
from sqlpair.ledger import tables
from sqlpair.runner import scratch
from sqlpair.verify.interrupted import claims, interruptions

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy.engine import Connection

    from sqlpair.alembic_commands.models import Models
    from sqlpair.databases.interface import Session
    from sqlpair.project.branches import Branch
    from sqlpair.project.settings import Settings
    from sqlpair.runner.steps import BranchStatuses

logger = logging.getLogger("sqlpair")


def surveyed(settings: Settings) -> BranchStatuses:
    """Read where every database is; warn where something was interrupted."""
    statuses = claims(settings, logger.info)
    for problem in interruptions(settings, statuses, logger.info):
        lines = [problem.what, *problem.evidence, *problem.remedy.splitlines()]
        warn("\n  ".join(lines))
    return statuses


def warn(text: str) -> None:
    """Log each line of a text by itself: a record is told as one line."""
    for line in text.splitlines():
        logger.warning("%s", line)


def is_asked(context: EnvironmentContext, name: str) -> bool:
    """Say whether ``-x name=true`` was given."""
    given = context.get_x_argument(as_dictionary=True).get(name, "")
    return str(given).lower() in ("true", "yes", "1")


@contextmanager
def alone(
    context: EnvironmentContext,
    branch: Branch,
    models: Models | None = None,
    *,
    on: tuple[Connection, str] | None = None,
    **options: Any,
) -> Iterator[None]:
    """Let Alembic see one database and its branch; reads, and creates nothing.

    With ``models`` it is to compare them, with Alembic's ``options``. ``on`` is a
    connection to use, and the version table's schema.
    """
    from alembic.script import ScriptDirectory
    from sqlalchemy import MetaData

    script = context.script
    whole = script.revision_map
    connected = nullcontext(on) if on else _connection(branch, compared=bool(models))
    with connected as (connection, schema):
        if models is None:
            options |= {"target_metadata": MetaData()}
            options |= {"include_name": lambda *_: False}
        else:
            own = branch.database.tables
            options = models.configuration(connection, schema, own) | options
        try:
            script.revision_map = ScriptDirectory(
                script.dir, version_locations=[branch.database.versions]
            ).revision_map
            context.configure(
                connection=connection,
                version_table=branch.database.tables.version,
                version_table_schema=schema,
                **options,
            )
            yield
        finally:
            script.revision_map = whole


def compare(context: EnvironmentContext, branch: Branch) -> None:
    """Let Alembic compare the database with the models; HistoryError where it fails."""
    migrations = context.get_context()
    try:
        migrations.opts["fn"](migrations.get_current_heads(), migrations)
    except (CommandError, SqlpairError):
        raise
    except Exception as error:  # a hook of the project, or a package that extends it
        first, *_ = str(error).splitlines() or [""]
        raise HistoryError(
            f"{branch.name}: autogenerate failed",
            [f"{type(error).__name__}: {first}"],
            "SQLPAIR_DEBUG=1 in the environment shows where.",
        ) from error


@contextmanager
def _connection(branch: Branch, *, compared: bool) -> Iterator[tuple[Connection, str]]:
    """A connection that reads the branch's database, and its version table's schema.

    What extends autogenerate may make things where schemas are ``compared``, to see
    what becomes of them; that is rolled back.
    """
    with reading(branch.database, logger.info) as session:
        if session is not None:
            # A table that is locked, or may not be read, is named by this: in Alembic's
            # hands it would be a traceback.
            tables.read(session)
            with _borrowed(session, writable=compared) as connection:
                yield connection, session.table.schema
            return
    # An empty one answers the same.
    logger.info("%s: there is no database yet", branch.name)
    if compared:
        with (
            scratch.opened(branch._replace(migrations=()), logger.info) as empty,
            _borrowed(empty.session, writable=True) as connection,
        ):
            yield connection, empty.session.table.schema
        return
    from sqlalchemy import create_engine

    with create_engine("sqlite://").connect() as connection:
        yield connection, "main"


@contextmanager
def _borrowed(session: Session, *, writable: bool) -> Iterator[Connection]:
    with (
        session.snapshot(writable=writable),
        closing(session.alembic_connection()) as connection,
    ):
        yield connection
