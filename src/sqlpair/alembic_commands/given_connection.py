"""A command on one database, over a connection that the program gives.

``config.attributes["connection"]``, as Alembic's cookbook and pytest-alembic have it.
Alembic plans, runs and commits as it does for a single database; a transaction that is
open already stays its caller's. The SQL pairs run on that connection, and the ledger is
kept. What a deployment guards is not guarded here: its locks, both databases or
neither, data loss. This is for tests, and for programs that know.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair import revision
from sqlpair.alembic_commands import models
from sqlpair.alembic_commands.one_database import alone
from sqlpair.databases.driver import driver_of
from sqlpair.errors import HistoryError, StatementError, UsageError
from sqlpair.ledger import tables, write_sql
from sqlpair.ledger.applied_files import NONE
from sqlpair.project import sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.statement import excerpt
from sqlpair.runner import applied_files
from sqlpair.runner.migration import read_file
from sqlpair.runner.steps import Step, record

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, MigrationInfo
    from sqlalchemy.engine import Connection

    from sqlpair.alembic_commands.models import Given
    from sqlpair.project.settings import Database, Settings

DEPLOYMENT = "connection"


def serve(context: EnvironmentContext, settings: Settings, given: Given) -> None:
    """Serve the command that is running."""
    given.check(settings)
    attributes = context.config.attributes
    with _connected(attributes["connection"]) as connection:
        branch = _branch(context, settings, connection)
        declared = models.of(branch.database, settings, given)
        metadata = attributes.get("target_metadata")
        if declared is None and metadata is not None:
            declared = models.Models("attributes", metadata, given.options)
        work = _Work(branch, connection)
        schema = driver_of(branch.database).table(branch.database).schema
        with alone(
            context,
            branch,
            declared,
            on=(connection, schema),
            transaction_per_migration=True,
            on_version_apply=work.note,
        ):
            _refuse_files(context)
            work.migrations = context.get_context()
            with context.begin_transaction(), revision.running(work.run):
                context.run_migrations()


@contextmanager
def _connected(bind: Any) -> Iterator[Connection]:
    if hasattr(bind, "run_sync") or hasattr(bind, "sync_engine"):
        raise UsageError(
            "attributes['connection'] is asynchronous",
            remedy="Give the connection that connection.run_sync() hands over.",
        )
    if not hasattr(bind, "dialect"):
        raise UsageError(
            "attributes['connection'] is not a connection of SQLAlchemy's",
            [f"it is of type {type(bind).__name__}"],
        )
    with bind.connect() if hasattr(bind, "connect") else nullcontext(bind) as found:
        yield found


def _branch(
    context: EnvironmentContext, settings: Settings, connection: Connection
) -> Branch:
    """Return the branch of the database that the connection is to."""
    known = {branch.name: branch for branch in branches(settings)}
    dialect = connection.dialect.name
    named = context.config.attributes.get("database")
    if named is not None:
        database = settings.database(named)
        found = [database] if database.driver == dialect else []
    else:
        listed = {
            Path(item).resolve() for item in context.script.version_locations or ()
        }
        found = [item for item in settings.databases if item.driver == dialect]
        chosen = [item for item in found if item.versions.resolve() in listed]
        found = chosen or found
    if len(found) != 1:
        raise _unclear(settings.databases, dialect, found)
    return known[found[0].name]


def _unclear(
    databases: Sequence[Database], dialect: str, found: Sequence[Database]
) -> UsageError:
    fits = ", ".join(item.name for item in found) or "none"
    return UsageError(
        "which database attributes['connection'] is to cannot be told",
        [
            f"the connection is to {dialect}, which fits: {fits}",
            *(f"{item.name}: {item.driver}" for item in databases),
        ],
        "Name it: config.attributes['database'] = 'NAME'",
    )


def _refuse_files(context: EnvironmentContext) -> None:
    """UsageError where a revision is to be written: its number is of all databases."""
    command = context.get_context().opts.get("revision_context")
    arguments = getattr(command, "command_args", {})
    caller = getattr(command, "process_revision_directives", None)
    if "message" in arguments and caller is None:
        raise UsageError(
            "a revision is not written over attributes['connection']",
            remedy="Leave that out, or run: sqlpair new DATABASE NAME",
        )


class _Work:
    """What runs on the connection, and is recorded there."""

    migrations: MigrationContext

    def __init__(self, branch: Branch, connection: Connection):
        self._branch = branch
        self._connection = connection
        self._driver = driver_of(branch.database)
        self._table = self._driver.table(branch.database)
        self._began = time.monotonic()

    def run(self, path: str, direction: str) -> None:
        """Run one SQL file of a pair, as its revision module asks."""
        name = Path(path).name
        found = [item for item in self._branch.migrations if item.up.name == name]
        if not found:
            raise HistoryError(
                f"{self._branch.name}: a revision module runs another SQL pair: {path}"
            )
        self._began = time.monotonic()
        step = Step(self._branch, found[0], upgrade=direction == "upgrade")
        file = read_file(step)
        alone = not file.transactional
        with self.migrations.autocommit_block() if alone else nullcontext():
            for statement in sql_file.statements(file):
                if statement.rows:
                    raise UsageError(
                        f"{step}: {file.path.name}:{statement.line}: COPY with its rows"
                        " does not run over attributes['connection']"
                    )
                try:
                    self._execute(statement.text)
                except Exception as error:
                    reason = str(getattr(error, "orig", error)).strip()
                    raise StatementError(
                        f"{step}: {file.path.name}:{statement.line}: {reason}",
                        [excerpt(statement.line, statement.text)],
                        line=statement.line,
                    ) from error

    def note(self, *, step: MigrationInfo, heads: set[str], **_: Any) -> None:
        """Keep the ledger, once Alembic has written its version table."""
        if step.is_stamp:
            position = max(map(self._position, heads), default=0)
            kept = applied_files.present_up_to(self._branch, position)
            sql = write_sql.stamped(self._table, kept, self._entry("stamp"))
        else:
            (moved,) = step.up_revision_ids  # of a downgrade, what is undone
            migration = self._branch.migrations[self._position(moved) - 1]
            sql = self._recorded(migration, upgrade=step.is_upgrade)
        for statement in self._driver.split(tables.tables(self._table) + sql):
            self._execute(statement.text)

    def _recorded(self, migration: Migration, *, upgrade: bool) -> str:
        step = Step(self._branch, migration, upgrade=upgrade)
        files = applied_files.present(self._branch, migration) if upgrade else NONE
        return record([(step, files, self._entry(step.direction))], self._table)

    def _entry(self, method: str) -> write_sql.Entry:
        milliseconds = round((time.monotonic() - self._began) * 1000)
        return write_sql.Entry(
            DEPLOYMENT,
            DEPLOYMENT,
            method,
            milliseconds,
            who=tables.who(),
            at=write_sql.moment(),
        )

    def _position(self, name: str) -> int:
        return self._branch.position(name) or 0

    def _execute(self, sql: str) -> None:
        options = {"no_parameters": True}  # a % or a :name is SQL's own
        self._connection.exec_driver_sql(sql, execution_options=options)
