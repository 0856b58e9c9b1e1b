"""Alembic's commands, each as it means something on several databases.

Its upgrade, downgrade and stamp become deployments. Its reading commands are
Alembic's own functions, given what the databases say: ``current`` and ``check`` one
database at a time, with that database's branch alone as the revision map, so that
each keeps its own meaning on each; the others all heads at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError, to_tuple

from sqlpair.alembic_commands import fleets, offline
from sqlpair.authoring import scaffold
from sqlpair.databases import bookkeeping
from sqlpair.databases.driver import driver_of
from sqlpair.deploy import deployment, record
from sqlpair.deploy.targets import Destination
from sqlpair.errors import SqlpairError, UsageError
from sqlpair.ledger import tables
from sqlpair.ledger.position import known_position
from sqlpair.project.branches import Branch, branches
from sqlpair.project.settings import Settings
from sqlpair.runner.steps import Places
from sqlpair.verify.interrupted import claims, interruptions

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy.engine import Connection

logger = logging.getLogger("sqlpair")
OF_FILES = ("revision", "merge", "heads", "branches", "show")


def serve(context: EnvironmentContext, settings: Settings, command: str) -> None:
    """Serve the Alembic command of that name."""
    if settings.fleets and command not in OF_FILES:
        fleets.serve(context, settings, command, _serve)
    else:
        _serve(context, settings, command)


def _serve(context: EnvironmentContext, settings: Settings, command: str) -> None:
    if command in ("upgrade", "downgrade", "stamp"):
        _change(context, settings, command)
    elif command in ("current", "check"):
        _read_each(context, settings)
    elif command == "revision":
        _create(context, settings)
    elif command == "merge":
        raise UsageError("the branches of different databases do not merge")
    elif command == "ensure_version":
        raise UsageError("the version tables are made with the first migration")
    else:
        _read_all(context, settings)


def _change(context: EnvironmentContext, settings: Settings, command: str) -> None:
    migration_context = context.get_context()
    options = migration_context.opts
    report = logger.info
    destination = Destination(to_tuple(options["destination_rev"]), command, report)
    if context.is_offline_mode():
        output = migration_context.output_buffer
        assert output is not None
        offline.write(
            settings, destination, options.get("starting_rev"), output, report
        )
        return
    if command == "stamp":
        outcome = record.stamp(
            settings,
            destination,
            report,
            method=command,
            purge=bool(options.get("purge")),
        )
    else:
        outcome = deployment.deploy(
            settings,
            destination,
            report,
            allow_data_loss=_is_asked(context, "allow-data-loss"),
            create=_is_asked(context, "create"),
        )
    report(outcome.summary)


def _is_asked(context: EnvironmentContext, name: str) -> bool:
    given = context.get_x_argument(as_dictionary=True).get(name, "")
    return str(given).lower() in ("true", "yes", "1")


def _read_all(context: EnvironmentContext, settings: Settings) -> None:
    """Run Alembic's own function once, with the heads of all databases."""
    migration_context = context.get_context()
    # As revision_environment is set, env.py also runs for a history of the files
    # alone, which has to work without any database.
    asked = context.config.cmd_opts
    marked = getattr(asked, "indicate_current", True)
    bounds = getattr(asked, "rev_range", None) or ""
    places = _surveyed(settings) if marked or "current" in bounds else {}
    heads = tuple(head for place in places.values() for head in place.state.revisions)
    migration_context.opts["fn"](heads, migration_context)


def _surveyed(settings: Settings) -> Places:
    """Read where every database is; warn where something was interrupted."""
    places = claims(settings, logger.info)
    for problem in interruptions(settings, places, logger.info):
        lines = [problem.what, *problem.evidence, problem.remedy]
        logger.warning("%s", "\n  ".join(lines))
    return places


def _read_each(context: EnvironmentContext, settings: Settings) -> None:
    """Run Alembic's own function for each database, on its branch alone."""
    _surveyed(settings)
    failures: list[CommandError] = []
    for branch in branches(settings):
        with _alone(context, branch):
            migration_context = context.get_context()
            heads = migration_context.get_current_heads()
            for head in heads:
                known_position(branch, head)
            try:
                migration_context.opts["fn"](heads, migration_context)
            except CommandError as error:
                if isinstance(error.__cause__, SqlpairError):  # see plugin.py
                    raise
                error.args = (f"{branch.name}: {error}",)
                failures.append(error)
    if failures:
        failures[0].args = ("\n".join(str(error) for error in failures),)
        raise failures[0]


@contextmanager
def _alone(context: EnvironmentContext, branch: Branch) -> Iterator[None]:
    """Let Alembic see one database and its branch; reads, and creates nothing."""
    from alembic.script import ScriptDirectory
    from sqlalchemy import MetaData

    script = context.script
    whole = script.revision_map
    with _connection(branch) as (connection, schema):
        try:
            script.revision_map = ScriptDirectory(
                script.dir, version_locations=[branch.database.versions]
            ).revision_map
            context.configure(
                connection=connection,
                target_metadata=MetaData(),
                include_name=lambda *_: False,
                version_table=bookkeeping.VERSION_TABLE,
                version_table_schema=schema,
            )
            yield
        finally:
            script.revision_map = whole


@contextmanager
def _connection(branch: Branch) -> Iterator[tuple[Connection, str]]:
    """A connection that reads the branch's database, and its version table's schema."""
    database = branch.database
    session = driver_of(database).connect(database, read_only=True, report=logger.info)
    if session is None:  # an empty one answers the same
        from sqlalchemy import create_engine

        logger.info("%s: there is no database yet", branch.name)
        with create_engine("sqlite://").connect() as connection:
            yield connection, "main"
        return
    with closing(session):
        # A table that is locked, or may not be read, is named by this: in Alembic's
        # hands it would be a traceback.
        tables.read(session)
        with closing(session.alembic_connection()) as connection:
            yield connection, session.table.schema


def _create(context: EnvironmentContext, settings: Settings) -> None:
    """Let ``alembic revision`` number the revision and write its SQL files."""
    options = context.get_context().opts
    arguments = options["revision_context"].command_args
    scaffold.refuse_options(arguments)

    def name_it(_context: object, _revision: object, directives: list[Any]) -> None:
        scaffold.name(settings, directives[0], options["template_args"])

    context.configure(dialect_name="sqlite", process_revision_directives=name_it)
    options["fn"]((), context.get_context())
