"""Templates, migrated once for a session, and a test's own copies of them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.errors import SqlpairError, UsageError
from sqlpair.project.database import declared
from sqlpair.project.presence import exists
from sqlpair.testing import server
from sqlpair.testing.session import database_of, settings_of, turn

if TYPE_CHECKING:
    from psycopg2.extensions import connection

_numbers = count(1)
# Starts the session's server, of programs in a folder or else those that are found.
Start = Callable[[Path | None], str]


class Templates:
    """The databases of a project at head, each built by the first who asks."""

    def __init__(self, config: Path, folder: Path, start: Start):
        self.config = config
        self.folder = folder
        self._start = start
        self.drivers = {item.name: item.driver for item in declared(config)}
        self._failed: dict[str, SqlpairError] = {}

    def driver(self, name: str) -> str:
        """Return the driver of a database; UsageError for an unknown one."""
        if name not in self.drivers:
            raise UsageError(
                f"no database is called {name!r}",
                [f"databases: {', '.join(self.drivers)}"],
            )
        return self.drivers[name]

    def server(self, name: str) -> str:
        """Return the URL of the server for tests of a PostgreSQL database.

        That is the one which the setting ``scratch`` names, or the session's own.
        """
        found = database_of(self.config, name)
        return found.scratch or self._start(found.binaries)

    def file(self, name: str) -> Path:
        """Return the file of a SQLite database at head."""
        key = self._key(name)
        path = self.folder / f"{key}.db"
        self._build(name, key, str(path), path.touch)
        return path

    def database(self, name: str, address: str) -> str:
        """Return the name of a PostgreSQL database at head, on a server.

        Nobody may connect to it.
        """
        key = self._key(name, address)  # each process may have a server of its own
        own = server.template_name(self.folder, key)

        def make() -> None:
            server.note(self.folder, address)
            server.create(address, own)

        self._build(
            name,
            key,
            server.url_of(address, own),
            make,
            lambda: server.close(address, own),
        )
        return own

    def _key(self, *what: str) -> str:
        text = "\n".join([str(self.config.absolute()), *what])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]

    def _build(
        self,
        name: str,
        key: str,
        address: str,
        make: Callable[[], object],
        end: Callable[[], object] = lambda: None,
    ) -> None:
        """Migrate what ``make`` makes, unless a process of the session has done so."""
        if key in self._failed:
            raise self._failed[key]
        with turn(self.folder, key):
            done = self.folder / f"{key}.done"
            if exists(done):
                return
            make()
            try:
                self._migrate(name, address)
            except SqlpairError as error:
                self._failed[key] = error
                raise
            end()
            done.touch()

    def _migrate(self, name: str, address: str) -> None:
        from sqlpair.databases.driver import silent
        from sqlpair.deploy.deployment import deploy
        from sqlpair.deploy.targets import Destination

        settings = settings_of(self.config, name, address, self.folder)
        deploy(settings, Destination(("heads",), "upgrade", silent), silent)


class DatabaseCopies:
    """A test's own copies of the migrated databases, each made when it is asked for.

    They go when the test ends, and so do the connections.
    """

    def __init__(self, templates: Templates, folder: Path):
        self._templates = templates
        self._folder = folder
        self._urls: dict[str, str] = {}
        self._resources = ExitStack()

    def url(self, name: str) -> str:
        """Return the URL of the copy of that database, as SQLAlchemy has it, too."""
        if name not in self._urls:
            postgresql = self._templates.driver(name) == "postgresql"
            self._urls[name] = self._database(name) if postgresql else self._file(name)
        return self._urls[name]

    @property
    def urls(self) -> dict[str, str]:
        """The URLs of copies of all databases, by name."""
        return {name: self.url(name) for name in self._templates.drivers}

    @property
    def environ(self) -> dict[str, str]:
        """The same, each by the variable that the application reads it from.

        Without fleets of schemas: the database that they are in is another.
        """
        databases = {n: database_of(self._templates.config, n) for n in self.urls}
        return {
            database.variable: self.url(name)
            for name, database in databases.items()
            if not database.fleet
        }

    def path(self, name: str) -> Path:
        """Return the file of the copy of a SQLite database."""
        self._assert_sqlite(name)
        self.url(name)
        return self._folder / f"{name}.db"

    def connect(self, name: str) -> connection | sqlite3.Connection:
        """Return a new connection to the copy, psycopg2's or sqlite3's."""
        if self._templates.driver(name) == "postgresql":
            import psycopg2

            raw = psycopg2.connect(self.url(name))
            self._resources.callback(raw.close)
            return raw
        file = sqlite3.connect(self.path(name))
        self._resources.callback(file.close)
        return file

    def memory(self, name: str) -> sqlite3.Connection:
        """Return a connection to another copy of a SQLite database, in memory."""
        self._assert_sqlite(name)
        copy = sqlite3.connect(":memory:")
        self._resources.callback(copy.close)
        with closing(sqlite3.connect(self._templates.file(name))) as template:
            template.backup(copy)
        return copy

    def empty(self, name: str) -> str:
        """Return the URL of another database of that kind, which nothing has run in."""
        number = next(_numbers)
        if self._templates.driver(name) == "sqlite":
            return f"sqlite:///{self._folder / f'{name}-{number}.db'}"
        return self._made(name, number)

    def close(self) -> None:
        """Close the connections, and remove the copies."""
        self._resources.close()

    def _assert_sqlite(self, name: str) -> None:
        if self._templates.driver(name) != "sqlite":
            raise UsageError(f"{name} is not a SQLite database")

    def _file(self, name: str) -> str:
        path = self._folder / f"{name}.db"
        shutil.copyfile(self._templates.file(name), path)
        return f"sqlite:///{path}"

    def _database(self, name: str) -> str:
        template = self._templates.database(name, self._templates.server(name))
        return self._made(name, next(_numbers), template)

    def _made(self, name: str, number: int, template: str = "") -> str:
        address = self._templates.server(name)
        copy = server.copy_name(number)
        server.create(address, copy, template)
        self._resources.callback(server.drop, address, copy)
        return server.url_of(address, copy)
