"""One PostgreSQL for the whole session, and miniature projects to run things in."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import hypothesis
import psycopg2
import pytest

from commands import Commands
from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.databases.driver import driver_of
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.fleet import executors
from sqlpair.project import settings
from sqlpair.runner.steps import Outcome
from sqlpair.schema.model import Schema

# Hundreds of processes import sqlpair: it is compiled once, not by each, also where the
# environment would not have it. Before xdist starts its workers, which inherit it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# The same examples in every run: a run that fails is one that can be run again.
hypothesis.settings.register_profile("same", derandomize=True, database=None)
hypothesis.settings.load_profile("same")

FAST = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
# The folder of another PostgreSQL's programs, to run the tests on that version.
PROGRAMS = Path(found) if (found := os.environ.get("TEST_POSTGRESQL")) else None
# The password in every address a project is given. It may show up nowhere; another
# run of the tests, beside this one, has another. xdist's workers inherit it.
CANARY = f"canary-{os.environ.setdefault('TEST_RUN', str(os.getpid()))}-password"
WATCHED = pytest.StashKey["CommandLines"]()
# What runs alembic and sqlpair in processes of their own.
COMMANDS = Commands()
# Nothing of the developer's own databases may reach a test, nor of a Git hook, of a
# make or of a runner that the tests run in.
FOREIGN = (
    *("DATABASE_URL", "SCRATCH_URL", "TRADES_DB", "SQLITE_PATH", "SCHEMA_VERSION"),
    *("APP_ENV", "BACKUP", "SQLPAIR_DEBUG"),
    *("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "EDITOR"),
)
PREFIXES = ("PG", "GIT_", "GITHUB_", "MAKE", "RUNNER_")
# A terminal as wide as what the documents show, whatever the tests are started in.
TERMINAL = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=4, help="how many of each test_faults_counts kills"
    )
    parser.addoption(
        "--dist-folder", help="what test_distribution tries, with all it depends on"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: half of the time, a test waits for its server."""
    return 2 * executors.processors()


def pytest_configure() -> None:
    """Let signals act where the tests run in the background of a script, or of nohup.

    There they are ignored, by every command that a test starts, too.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


class CommandLines:
    """Look at the arguments of every process, again and again, while tests run.

    A server's own processes show the name of the role they were asked for, and in a
    malformed address a password may stand there: no argument that anybody gave.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._older = self._processes()  # they were here before the password was
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @staticmethod
    def _processes() -> set[str]:
        return {p.name for p in Path("/proc").iterdir() if p.name.isdigit()}

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for process in self._processes() - self._older:
                with contextlib.suppress(OSError):
                    arguments = Path("/proc", process, "cmdline").read_bytes()
                    if arguments.startswith(b"postgres: "):
                        continue
                    if CANARY.encode() in arguments:
                        self.seen.add(arguments)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch the command lines once for all workers: it costs what a test does."""
    if "PYTEST_XDIST_WORKER" not in os.environ and Path("/proc").is_dir():
        session.config.stash[WATCHED] = CommandLines()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if watched := session.config.stash.get(WATCHED, None):
        watched.close()
        if watched.seen:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to have the tests in the same order again, and where a password stood."""
    watched = terminalreporter.config.stash.get(WATCHED, None)
    for arguments in watched.seen if watched else ():
        words = arguments.replace(b"\0", b" ").decode(errors="replace")
        terminalreporter.write_line(f"ERROR: a password in a command line: {words}")
    seed = getattr(terminalreporter.config.option, "randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"the order again: --randomly-seed={seed}")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    number = request.config.getoption("--kills")
    assert isinstance(number, int)
    return number


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> None:
    """The one place that decides what of the environment reaches a test.

    Locale, time zone and umask do: what is tested holds in any.
    """
    for name in [*os.environ]:
        if name in FOREIGN or name.startswith(PREFIXES):
            del os.environ[name]
    os.environ.update(TERMINAL)


@pytest.fixture(autouse=True, scope="session")
def closed_commands() -> Iterator[None]:
    yield
    COMMANDS.close()


@contextlib.contextmanager
def data_folder(name: str) -> Iterator[Path]:
    """Where a server is to have its data: in memory where the machine allows it."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix=f"sqlpair-{name}-", dir=parent))
    try:
        yield folder / "postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(clean_environment: None) -> Iterator[str]:
    """The libpq string of a real server."""
    with (
        data_folder("tests") as data,
        embedded.server(data, binaries=PROGRAMS) as running,
    ):
        with connected(running.dsn) as execute:
            for name in FAST:
                execute(f"ALTER SYSTEM SET {name} = off")
            execute("SELECT pg_reload_conf()")
        yield running.dsn


@pytest.fixture(scope="session")
def server_version(server: str) -> int:
    """As 180001."""
    with connected(server) as execute:
        return int(execute("SHOW server_version_num")[0][0])


@pytest.fixture(scope="session")
def unpreparing_server(clean_environment: None) -> Iterator[str]:
    """One with ``max_prepared_transactions = 0``, which is PostgreSQL's default."""
    launch = sys.modules["sqlpair.databases.embedded.launch"]
    options = launch._options

    def without(*arguments: object) -> list[str]:
        words = options(*arguments)
        return [w.replace("transactions=64", "transactions=0") for w in words]

    with data_folder("plain") as data, contextlib.ExitStack() as running:
        with mock.patch.object(launch, "_options", without):
            server = embedded.server(data, binaries=PROGRAMS)
            dsn = running.enter_context(server).dsn
        yield dsn


class connected:  # noqa: N801
    """A PostgreSQL connection in autocommit, as a function that executes."""

    def __init__(self, dsn: str):
        self.raw = psycopg2.connect(dsn)
        self.raw.autocommit = True

    def __enter__(self) -> Callable[[str], list[tuple[Any, ...]]]:
        return self.execute

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        with self.raw.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def _databases(server: str) -> Iterator[tuple[connected, Iterator[str], list[str]]]:
    """A connection to make databases with, their names, and those to drop."""
    admin = connected(server)
    # A connection leaves a cache in the template, with which a copy begins.
    name = "test_template"
    admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    with connected(" ".join([*_without(server, "dbname"), f"dbname={name}"])):
        pass
    yield admin, (f"test_{number}" for number in count(1)), []
    admin.raw.close()


@pytest.fixture
def new_database(
    server: str, _databases: tuple[connected, Iterator[str], list[str]]
) -> Iterator[Callable[[], str]]:
    """Make empty databases on the session's server; they go after the test."""
    admin, names, left = _databases
    made = []

    def make() -> str:
        # Not at the end of their test: PostgreSQL waits 0.1 s for a connection that
        # is about to end.
        while left:
            name = left.pop()
            if _is_untouched(name, admin):
                break  # of each five tests, one never looks at its database
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        else:
            name = next(names)
            admin.execute(
                f"CREATE DATABASE {name} TEMPLATE test_template STRATEGY file_copy"
            )
        made.append(name)
        return " ".join([*_without(server, "dbname"), f"dbname={name}"])

    yield make
    left.extend(made)


def _is_untouched(database: str, admin: connected) -> bool:
    """Say whether nobody has ever connected to a database.

    In this order: a session is counted before it leaves ``pg_stat_activity``.
    """
    there = f"FROM pg_stat_activity WHERE datname = '{database}'"
    counted = f"FROM pg_stat_database WHERE datname = '{database}' AND sessions = 0"
    return not admin.execute(f"SELECT 1 {there}") and bool(
        admin.execute(f"SELECT 1 {counted}")
    )


def _without(dsn: str, key: str) -> list[str]:
    return [word for word in dsn.split() if not word.startswith(f"{key}=")]


@pytest.fixture
def postgres(new_database: Callable[[], str]) -> str:
    """The libpq string of an empty database."""
    return new_database()


@pytest.fixture
def older() -> Iterator[str]:
    """An empty database on the oldest PostgreSQL of this machine."""
    places = sorted(Path("/usr/lib/postgresql").glob("1[4-9]/bin"))
    with (
        data_folder("older") as data,
        embedded.server(data, binaries=next(iter(places), None)) as own,
    ):
        yield own.dsn


def _nobody(_line: str) -> None:
    """Report to nobody."""


def with_canary(dsn: str, **changes: str) -> str:
    """Return ``dsn`` as a URL with a password, which the server does not ask for."""
    words = dict(word.split("=", 1) for word in dsn.split()) | changes
    host, port = quote(words["host"], safe=""), words["port"]
    user, name = words["user"], words["dbname"]
    return f"postgresql://{user}:{CANARY}@/{name}?host={host}&port={port}"


class Project:
    """A miniature project: databases ``postgres`` and ``sqlite``, no migrations.

    Or a copy of ``source``, a real one.
    """

    python = sys.executable
    commands = COMMANDS

    def __init__(self, root: Path, dsn: str, source: Path | None = None):
        self.root = root
        self.dsn = dsn
        url = with_canary(dsn) if dsn else ""
        self.environ = {**os.environ, "DATABASE_URL": url, "SCRATCH_URL": url}
        # With which alembic.ini, and what that says: to read it takes a millisecond.
        self._revised: tuple[bytes, settings.Settings] | None = None
        if source is None:
            self.init()
        else:
            root.mkdir()
            for name in ("alembic.ini", "pyproject.toml"):
                shutil.copy(source / name, root)
            for folder in ("alembic", "sql"):
                shutil.copytree(source / folder, root / folder)
        self.file = Path(self.settings.database("sqlite").address)

    def init(self) -> None:
        """Lay it down."""
        scaffold.init(self.root)

    def revise(self) -> None:
        """Write the revision modules that are missing."""
        text = (self.root / "alembic.ini").read_bytes()
        if self._revised is None or self._revised[0] != text:
            self._revised = text, self.settings
        scaffold.write_revisions(self._revised[1])

    def add(
        self, database: str, stem: str, up: str, down: str = "-- nothing\n"
    ) -> None:
        """Write a SQL pair and its revision module."""
        folder = self.root / "sql" / database
        (folder / f"{stem}.sql").write_text(up)
        (folder / f"{stem}_rollback.sql").write_text(down)
        self.revise()

    def configure(self, section: str, **values: str) -> None:
        """Set values in a section of alembic.ini."""
        ini = self.root / "alembic.ini"
        config = ConfigParser(interpolation=None)
        config.read(ini)
        if section not in config:
            config[section] = {}
        config[section].update(values)
        with ini.open("w") as file:
            config.write(file)

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.root / "alembic.ini", self.environ)

    def alembic(
        self, *arguments: str, expect: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Alembic as a person would, and check its exit code."""
        return self._checked(self.raw("alembic", *arguments, **environ), expect)

    def sqlpair(
        self, *arguments: str, expect: int = 0, within: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run sqlpair in this process, which is quicker, and check its exit code."""
        from sqlpair.cli import main

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.root / within),
            mock.patch.dict(os.environ, self.environ | environ),
            mock.patch.object(sys, "argv", ["sqlpair", *arguments]),
            mock.patch.object(sys, "stdin", io.StringIO()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as left,
        ):
            main()
        done = subprocess.CompletedProcess(
            arguments, int(left.value.code or 0), out.getvalue(), err.getvalue()
        )
        return self._checked(done, expect)

    def run(
        self, *arguments: str, expect: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a new Python, and check its exit code; there must be no traceback."""
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return self._checked(done, expect)

    @staticmethod
    def _checked(
        done: subprocess.CompletedProcess[str], expect: int
    ) -> subprocess.CompletedProcess[str]:
        assert done.returncode == expect, (
            f"exit {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}"
        )
        assert "Traceback" not in done.stderr
        assert CANARY not in done.stdout + done.stderr
        return done

    def raw(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run alembic or sqlpair in a process, however it ends."""
        environ = self.environ | environ
        return self.commands.run(*command, cwd=self.root, env=environ)

    def upgrade(self, destination: str = "heads") -> Outcome:
        """Upgrade in this process; raises SqlpairError."""
        return self._deploy(destination, "upgrade")

    def downgrade(self, destination: str) -> Outcome:
        """Downgrade in this process; raises SqlpairError."""
        return self._deploy(destination, "downgrade")

    def schema(self, database: str) -> Schema:
        """Describe the live schema."""
        target = self.settings.database(database)
        session = driver_of(target).connect(target, read_only=True, report=_nobody)
        if session is None:
            return {}
        try:
            session.execute("BEGIN")
            return session.schema()
        finally:
            session.close()

    def _deploy(self, destination: str, command: str) -> Outcome:
        target = Destination((destination,), command, _nobody)
        return deployment.deploy(self.settings, target, _nobody)

    def pg(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL on the PostgreSQL database, outside the engine."""
        with connected(self.dsn) as execute:
            return execute(sql)

    def lite(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL on the SQLite database, outside the engine."""
        connection = sqlite3.connect(self.file, isolation_level=None)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def tables(self, database: str) -> set[str]:
        """Return the tables that are not the engine's own."""
        if database == "sqlite":
            if not self.file.exists():
                return set()
            rows = self.lite("SELECT name FROM sqlite_master WHERE type = 'table'")
        else:
            rows = self.pg(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
                " AND relnamespace = 'public'::regnamespace"
            )
        own = {"alembic_version", "schema_version", "schema_history"}
        own.add("schema_repeatable")
        return {row[0] for row in rows} - own - {"sqlite_sequence"}

    def applied(self, database: str) -> list[str]:
        """Return the stems in the ledger, lowest number first."""
        query = self.lite if database == "sqlite" else self.pg
        rows = query("SELECT migration_name FROM schema_version ORDER BY version")
        return [row[0] for row in rows]

    def heads(self, database: str) -> list[str]:
        """Return what alembic_version says."""
        query = self.lite if database == "sqlite" else self.pg
        return [row[0] for row in query("SELECT version_num FROM alembic_version")]

    @property
    def log(self) -> str:
        return (self.root / "logs" / "migration.log").read_text()


@pytest.fixture
def project(tmp_path: Path, postgres: str) -> Iterator[Project]:
    """An empty project whose databases are real and empty.

    Whatever a test does in it, no file but a .env may hold the canary afterwards.
    """
    made = Project(tmp_path / "project", postgres)
    yield made
    for path in made.root.rglob("*"):
        if path.is_file() and not path.name.startswith(".env"):
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of the session have."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def built(shared: Path) -> Path:
    """The folder with the sdist and the wheel."""
    from outside import build

    return build(shared / "built")


@pytest.fixture(scope="session")
def installed(shared: Path, built: Path) -> Path:
    """The programs of an environment that has sqlpair from the wheel."""
    from outside import install, once

    (archive,) = built.glob("*.whl")
    with once(shared / "installed") as wanted:
        if wanted:
            install(archive, shared / "installed")
    return shared / "installed" / "bin"


@pytest.fixture(scope="session")
def installed_commands(installed: Path) -> Iterator[Commands]:
    commands = Commands(python=str(installed / "python"))
    yield commands
    commands.close()


@pytest.fixture
def outside(
    tmp_path: Path, postgres: str, installed: Path, installed_commands: Commands
) -> Project:
    """An empty project outside this repository, made and run by the wheel."""
    from outside import OutsideProject

    return OutsideProject(tmp_path / "outside", postgres, installed, installed_commands)


@pytest.fixture
def unpreparing(tmp_path: Path, unpreparing_server: str) -> Project:
    """An empty project whose PostgreSQL cannot prepare transactions."""
    with connected(unpreparing_server) as execute:
        assert execute("SHOW max_prepared_transactions") == [("0",)]
        execute("DROP DATABASE IF EXISTS plain WITH (FORCE)")
        execute("CREATE DATABASE plain TEMPLATE template0 STRATEGY file_copy")
    dsn = " ".join([*_without(unpreparing_server, "dbname"), "dbname=plain"])
    return Project(tmp_path / "project", dsn)


@pytest.fixture
def tradebaas(tmp_path: Path, postgres: str) -> Project:
    """A copy of this repository's own project, on real and empty databases."""
    return Project(tmp_path / "tradebaas", postgres, Path(__file__).parents[1])
