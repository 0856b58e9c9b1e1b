"""What ``alembic/env.py`` calls: tell which Alembic command it is, and serve it.

Alembic's upgrade, downgrade and stamp become deployments. Its reading commands
(current, history -i, check) are given one database at a time, with that database's
branch alone as the revision map, so that each keeps its own meaning on each.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.util import to_tuple

from sqlpair import deployment, offline, scaffold
from sqlpair.drivers import driver_of
from sqlpair.errors import SqlpairError, UsageError
from sqlpair.ledger import VERSION_TABLE
from sqlpair.settings import Settings, load
from sqlpair.targets import Destination

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

# How Alembic's commands call the function they hand to the environment.
COMMANDS = {"upgrade": "upgrade", "downgrade": "downgrade", "do_stamp": "stamp"}

logger = logging.getLogger("sqlpair")


def run(context: EnvironmentContext) -> None:
    """Serve the Alembic command that is running.

    From the command line a failure is printed to stderr and exits with its code;
    a program that called ``alembic.command`` gets a ``CommandError``.
    """
    from alembic.util import CommandError

    from_terminal = context.config.cmd_opts is not None
    if from_terminal and not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    try:
        _serve(context)
    except SqlpairError as error:
        if not from_terminal:
            raise CommandError(str(error)) from error
        debugging = bool(os.environ.get("SQLPAIR_DEBUG"))
        logger.error("%s", error, exc_info=debugging)
        raise SystemExit(error.exit_code) from None


def _serve(context: EnvironmentContext) -> None:
    name = context.config.config_file_name
    if name is None:
        raise UsageError("sqlpair needs an alembic.ini", remedy="Name it with -c.")
    settings = load(Path(name))
    # Configured without a connection, only to read what the command asked for.
    context.configure(dialect_name="sqlite")
    options = context.get_context().opts
    creating = options.get("revision_context")
    if creating is not None and not creating.command_args["autogenerate"]:
        _create(context, settings, options)
    elif creating is not None and options["fn"].__qualname__.startswith("revision"):
        raise UsageError(
            "there are no models to generate a migration from",
            remedy="Write it as SQL: alembic revision -m MESSAGE --head DATABASE@head",
        )
    elif "destination_rev" not in options:
        _read(context, settings)
    else:
        _change(context, settings, options)


def _change(
    context: EnvironmentContext, settings: Settings, options: dict[str, Any]
) -> None:
    command = COMMANDS[options["fn"].__name__]
    report = logger.info
    destination = Destination(to_tuple(options["destination_rev"]), command, report)
    if context.is_offline_mode():
        start = options.get("starting_rev")
        offline.write(
            settings, destination, start, context.config.output_buffer, report
        )
        return
    if command == "stamp":
        outcome = deployment.stamp(
            settings,
            destination,
            report,
            method=command,
            purge=bool(options.get("purge")),
        )
    else:
        allowed = context.get_x_argument(as_dictionary=True).get("allow-data-loss", "")
        outcome = deployment.deploy(
            settings,
            destination,
            report,
            allow_data_loss=allowed.lower() in ("true", "yes", "1"),
        )
    for done in outcome.done:
        report(f"{done.step}  {done.step.direction}  {done.milliseconds} ms")
    report(outcome.summary)


def _read(context: EnvironmentContext, settings: Settings) -> None:
    """Run Alembic's own function once for each database, on its branch alone."""
    from alembic.script import ScriptDirectory
    from sqlalchemy import MetaData, create_engine

    script = context.script
    whole = script.revision_map
    try:
        for database in settings.databases:
            session = driver_of(database).connect(
                database, read_only=True, report=logger.info
            )
            if session is None:  # no database yet: an empty one answers the same
                connection = create_engine("sqlite://").connect()
            else:
                connection = session.alembic_connection()
            try:
                script.revision_map = ScriptDirectory(
                    script.dir, version_locations=[database.versions]
                ).revision_map
                has_schema = session is not None and bool(session.table.prefix)
                context.configure(
                    connection=connection,
                    target_metadata=MetaData(),
                    include_object=lambda *_: False,
                    version_table=VERSION_TABLE,
                    version_table_schema=database.schema if has_schema else None,
                )
                options = context.get_context().opts
                migration_context = context.get_context()
                options["fn"](migration_context.get_current_heads(), migration_context)
            finally:
                connection.close()
                if session is not None:
                    session.close()
    finally:
        script.revision_map = whole


def _create(
    context: EnvironmentContext, settings: Settings, options: dict[str, Any]
) -> None:
    """Let ``alembic revision`` number the revision and write its SQL files."""

    def name_it(_context: object, _revision: object, directives: list[Any]) -> None:
        scaffold.name(settings, directives[0], options["template_args"])

    context.configure(dialect_name="sqlite", process_revision_directives=name_it)
    options["fn"]((), context.get_context())
