"""Alembic's commands, each as it means something on several databases.

Its upgrade, downgrade and stamp become deployments. Its reading commands are
Alembic's own functions, given what the databases say: ``current`` and ``check`` one
database at a time, with that database's branch alone as the revision map, so that
each keeps its own meaning on each; the others all heads at once. A database without
models is checked against its files.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError, to_tuple

from sqlpair.alembic_commands import check, fleets, models, offline
from sqlpair.alembic_commands.models import Given
from sqlpair.alembic_commands.one_database import alone, compare, is_asked, surveyed
from sqlpair.authoring import scaffold
from sqlpair.deploy import deployment, record
from sqlpair.deploy.targets import Destination
from sqlpair.errors import HistoryError, SqlpairError, UsageError
from sqlpair.ledger.position import known_position
from sqlpair.project.branches import branches
from sqlpair.project.revisions import require
from sqlpair.project.settings import Settings

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

logger = logging.getLogger("sqlpair")
OF_FILES = ("revision", "merge", "heads", "branches", "show")


def serve(
    context: EnvironmentContext, settings: Settings, command: str, given: Given
) -> None:
    """Serve the Alembic command of that name."""
    given.check(settings)
    named = "member" in context.get_x_argument(as_dictionary=True)
    if (settings.fleets or named) and command not in OF_FILES:
        fleets.serve(
            context,
            settings,
            command,
            lambda part: _serve(context, part, command, given),
        )
    else:
        _serve(context, settings, command, given)


def _serve(
    context: EnvironmentContext, settings: Settings, command: str, given: Given
) -> None:
    if command in ("upgrade", "downgrade", "stamp"):
        _change(context, settings, command)
    elif command == "current":
        _read_each(context, settings)
    elif command == "check":
        check.check(context, settings, given)
    elif command == "revision":
        _create(context, settings, given)
    elif command == "merge":
        raise UsageError(
            "there is nothing to merge: a database's migrations are one line, and those"
            " of different databases stay apart",
            remedy="Where two took one number, give the later one another:"
            " sqlpair renumber",
        )
    elif command == "ensure_version":
        raise UsageError(
            "the version tables are made with the first migration",
            remedy="To have them in an empty database now, run: alembic stamp base",
        )
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
            allow_data_loss=is_asked(context, "allow-data-loss"),
            create=is_asked(context, "create"),
        )
    report(outcome.summary)


def _read_all(context: EnvironmentContext, settings: Settings) -> None:
    """Run Alembic's own function once, with the heads of all databases."""
    migration_context = context.get_context()
    # As revision_environment is set, env.py also runs for a history of the files
    # alone, which has to work without any database.
    asked = context.config.cmd_opts
    marked = getattr(asked, "indicate_current", True)
    bounds = getattr(asked, "rev_range", None) or ""
    statuses = surveyed(settings) if marked or "current" in bounds else {}
    heads = tuple(
        head for status in statuses.values() for head in status.records.revisions
    )
    migration_context.opts["fn"](heads, migration_context)


def _read_each(context: EnvironmentContext, settings: Settings) -> None:
    """Run Alembic's own function for each database, on its branch alone."""
    surveyed(settings)
    failures: list[CommandError] = []
    for branch in branches(settings):
        with alone(context, branch):
            migration_context = context.get_context()
            heads = migration_context.get_current_heads()
            for head in heads:
                known_position(branch, head)
            require(branch)  # without its module, Alembic takes a file for none
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


def _create(context: EnvironmentContext, settings: Settings, given: Given) -> None:
    """Let ``alembic revision`` number the revision and write its SQL files."""
    options = context.get_context().opts
    arguments = options["revision_context"].command_args
    scaffold.refuse_options(arguments)
    template = options["template_args"]
    if arguments["autogenerate"]:
        _generate(context, settings, given, str(arguments["head"] or "head"))
        return

    def name_it(_context: object, _revision: object, directives: list[Any]) -> None:
        if directives:  # what calls alembic.command may have taken it away
            scaffold.name(settings, directives[0], template)

    context.configure(dialect_name="sqlite", process_revision_directives=name_it)
    options["fn"]((), context.get_context())


def _generate(
    context: EnvironmentContext, settings: Settings, given: Given, head: str
) -> None:
    """Let ``alembic revision --autogenerate`` write its SQL files from the models."""
    from sqlpair.alembic_commands import autogenerate

    branch = scaffold.branch_below(settings, head)
    declared = models.of(branch.database, settings, given)
    if declared is None:
        raise UsageError(
            f"{branch.name} names no models to generate a migration from",
            remedy=f"Name them in [{branch.name}] of {settings.ini.name}, for example:"
            " target_metadata = myapp.models:Base.metadata",
        )
    own = given.options.get("process_revision_directives")

    def name_it(migrations: Any, revision: Any, directives: list[Any]) -> None:
        if own is not None:
            own(migrations, revision, directives)
        if not directives:
            return
        text = autogenerate.written(migrations, directives[0], branch, logger.info)
        if text.up or text.down:
            template = migrations.opts["template_args"]
            scaffold.name(settings, directives[0], template, text)
        else:
            directives.clear()
            logger.info(
                "%s: nothing to write, the schema is what its models say (%s)",
                branch.name,
                declared.source,
            )

    with alone(context, branch, declared, process_revision_directives=name_it):
        migrations = context.get_context()
        if autogenerate.rebuilds(migrations):
            migrations.opts["render_as_batch"] = True
        heads = migrations.get_current_heads()
        for name in heads:
            known_position(branch, name)
        if heads != tuple(item.revision for item in branch.migrations[-1:]):
            raise HistoryError(
                f"{branch.name}: migrations are pending, so its schema is not yet what"
                " the models are compared with",
                remedy="Apply them first: sqlpair migrate",
            )
        compare(context, branch)
