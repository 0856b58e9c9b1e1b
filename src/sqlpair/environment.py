"""What ``alembic/env.py`` calls: have the Alembic command served, and tell failures.

Light, as most upgrades have nothing to do: what serves
(``alembic_commands/commands.py``) is imported when there is more to say than that.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.util import CommandError

from sqlpair import live
from sqlpair.alembic_commands import plugin
from sqlpair.databases import kept_open
from sqlpair.errors import Interrupted, SqlpairError, UsageError, of_system, printable
from sqlpair.project.settings import load, load_without_addresses
from sqlpair.signals import handled

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

# Alembic has done so, unless sqlpair is on the path without being installed.
plugin.setup()
logger = logging.getLogger("sqlpair")


def run(
    context: EnvironmentContext,
    *,
    target_metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Serve the Alembic command that is running.

    ``target_metadata`` has the models of databases by their names, for those that
    alembic.ini names none for. The ``options`` are Alembic's, for comparing with them:
    see OPTIONS in ``alembic_commands/models.py``.

    From the command line a failure is printed to stderr and exits with its code;
    a program that called ``alembic.command`` gets a ``CommandError``.
    """
    from_terminal = context.config.cmd_opts is not None
    if from_terminal:
        _log_to_stderr()
    try:
        with _at_terminal() if from_terminal else nullcontext():
            _serve(context, target_metadata or {}, options)
    except (OSError, RuntimeError, MemoryError) as error:
        if (told := of_system(error)) is None:
            raise
        _fail(told, from_terminal=from_terminal)
    except CommandError as error:
        if not (from_terminal and isinstance(error.__cause__, SqlpairError)):
            raise
        _fail(error.__cause__, from_terminal=from_terminal)
    except (SqlpairError, Interrupted) as error:
        _fail(error, from_terminal=from_terminal)


def _fail(error: SqlpairError | Interrupted, *, from_terminal: bool) -> NoReturn:
    if not from_terminal:
        raise CommandError(str(error)) from error
    debugging = bool(os.environ.get("SQLPAIR_DEBUG"))
    logger.error("%s", error, exc_info=error if debugging else None)
    try:
        sys.stderr.flush()
    except OSError:  # the terminal is closed: at the end that would be the exit code
        live.lead_nowhere(sys.stderr)
    raise SystemExit(error.exit_code) from None


def _log_to_stderr() -> None:
    """Show what is logged, unless the env.py has configured where that goes."""
    logger.disabled = False  # as fileConfig leaves those that were there before it
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logger.addFilter(_clear)


def _clear(record: logging.LogRecord) -> bool:
    if record.levelno < logging.ERROR:  # those are failures, which are printable
        record.msg, record.args = printable(record.getMessage()), ()
    if record.exc_info:
        lines = "".join(traceback.format_exception(*record.exc_info)).splitlines()
        record.exc_text = "\n".join(map(printable, lines))
    with live.cleared():
        return True


@contextmanager
def _at_terminal() -> Iterator[None]:
    with handled(), live.shown(sys.stderr, logger.info), kept_open.to_the_end():
        yield


def _serve(
    context: EnvironmentContext,
    metadata: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    config = context.config
    if config.config_file_name is None or config.config_ini_section != "alembic":
        raise UsageError(
            "sqlpair reads the section [alembic] of an alembic.ini, and nothing else",
            remedy="Give another project another file, and name that with -c.",
        )
    file = Path(config.config_file_name)
    if config.attributes.get("connection") is not None:
        from sqlpair.alembic_commands import given_connection, models

        own = models.Given(metadata, options)
        given_connection.serve(context, load_without_addresses(file), own)
        return
    settings = load(file)
    # Configured without a connection, only to read what the command asked for.
    context.configure(dialect_name="sqlite")
    asked = context.get_context().opts
    command = asked["fn"].__qualname__.partition(".")[0]
    from sqlpair.alembic_commands import commands
    from sqlpair.alembic_commands.models import Given

    commands.serve(context, settings, command, Given(metadata, options))
