"""Settings: alembic.ini, .env and the environment, read once into frozen values.

``alembic.ini`` names the databases and holds no credentials. What a database is
called in the environment is looked up in the process's environment first, then in
``.env`` (``.env.<APP_ENV>`` outside development). Defaults hold in development only:
a missing address in staging or production is an error that names the variable.

Reading settings opens no database and creates nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from configparser import ConfigParser, Error, SectionProxy
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SettingsError, UsageError
from sqlpair.project import dotenv
from sqlpair.project.backups import Backups, backups
from sqlpair.project.database import (
    DEVELOPMENT,
    Database,
    Reader,
    declared,
    folder,
    refuse_unanswered,
    seconds,
)
from sqlpair.project.fleet import SourceKind, file_name
from sqlpair.project.identity import location, refuse_shared
from sqlpair.project.presence import is_file

__all__ = ["DEVELOPMENT", "INI", "Backups", "Database", "Settings", "find", "load"]

INI = "alembic.ini"
VERSION_KEY = "SCHEMA_VERSION"
NONE: Mapping[str, str] = {}
NOWHERE = Path(os.devnull)

ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Settings(NamedTuple):
    """Everything the engine needs to know about one project.

    ``plan_lock_limit`` is how many seconds a dry run may keep others from writing.
    ``member`` names what these settings are of, where that is one member of a fleet.
    """

    root: Path
    ini: Path
    environment: str
    env_file: Path
    env: Mapping[str, str]
    databases: tuple[Database, ...]
    transaction: str
    log_file: Path
    backups: Backups
    plan_lock_limit: float | None
    member: str = ""

    @property
    def fleets(self) -> tuple[Database, ...]:
        """The databases that have members."""
        return tuple(database for database in self.databases if database.fleet)

    @property
    def singles(self) -> tuple[Database, ...]:
        """The databases that have one address."""
        return tuple(database for database in self.databases if not database.fleet)

    def apart(self, *databases: Database, member: str = "") -> Settings:
        """Return the settings of a part of the project: these databases alone.

        Its schema version is not the project's: ``.env`` neither says nor is told it.
        A member's log lines and backups are its fleet's to keep.
        """
        env = dict(self.env)
        env.pop(VERSION_KEY, None)
        part = self._replace(
            databases=databases,
            env=env,
            # A file that can never be, by the name that messages give it.
            env_file=NOWHERE / self.env_file.name,
            member=member,
        )
        if not member:
            return part
        (database,) = databases
        where = self.backups.folder / database.name / file_name(member)
        # A schema is not backed up by itself; fleet.project says so.
        first = self.backups.first and not database.search_path
        return part._replace(
            log_file=NOWHERE,
            backups=self.backups._replace(folder=where, first=first),
        )

    def __repr__(self) -> str:
        """Name the project without what its .env holds."""
        return f"<Settings of {self.root}, {self.environment}>"

    def database(self, name: str) -> Database:
        """Return the database called ``name``; UsageError when there is none."""
        for database in self.databases:
            if database.name == name:
                return database
        known = ", ".join(database.name for database in self.databases)
        raise UsageError(f"no database is called {name!r}", [f"databases: {known}"])


_part: ContextVar[Callable[[Settings], Settings] | None] = ContextVar(
    "sqlpair_part", default=None
)


def find() -> Path:
    """Return the nearest alembic.ini that declares databases, here or above.

    Where there is none, the nearest at all, and else the one that is missing here:
    ``load`` says what is wrong with it. Raises SettingsError where there is no folder.
    """
    try:
        here = Path.cwd()
    except OSError as error:
        raise SettingsError(
            "the current folder cannot be read",
            [str(error.strerror)],
            "Change to the project's folder, or name its alembic.ini with -c.",
        ) from None
    found = [path for folder in (here, *here.parents) if is_file(path := folder / INI)]
    declaring = (path for path in found if _declares_databases(path))
    return next(declaring, (found or [here / INI])[0])


def _declares_databases(ini: Path) -> bool:
    config = ConfigParser(interpolation=None)
    try:
        config.read(ini, encoding="utf-8")
    except (Error, UnicodeDecodeError, OSError):
        return True  # it cannot be told: ``load`` says why
    return config.has_option("alembic", "databases")


def load(
    ini: Path,
    environ: Mapping[str, str] = os.environ,
    addresses: Mapping[str, str] = NONE,
) -> Settings:
    """Read the settings of the project whose ``alembic.ini`` is ``ini``.

    ``addresses`` are those of databases, by name; the others are looked up. Raises
    SettingsError naming the key, variable or file that is wrong.
    """
    ini = ini.absolute()
    try:
        settings = _load(ini, _parse(ini), environ, addresses)
        part = _part.get()
        return part(settings) if part else settings
    except UnicodeDecodeError as error:
        raise SettingsError(f"{ini.name} is not UTF-8", [error.reason]) from None
    except Error as error:
        raise SettingsError(f"{ini.name} cannot be read", _where(error)) from None


@contextmanager
def narrowing(part: Callable[[Settings], Settings]) -> Iterator[None]:
    """Let whatever loads the settings within the block get ``part`` of them."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


def load_without_addresses(
    ini: Path,
    environ: Mapping[str, str] = os.environ,
    addresses: Mapping[str, str] = NONE,
) -> Settings:
    """As ``load``, but no database needs an address.

    Those that are not in ``addresses`` get one that leads nowhere, whatever the
    environment says.
    """
    nowhere = {
        item.name: f"postgresql:///{item.name}"
        if item.driver == "postgresql"
        else f"/nowhere/{item.name}.db"
        for item in declared(ini)
    }
    return load(ini, environ, nowhere | dict(addresses))


def _where(error: Error) -> list[str]:
    """Say what ConfigParser stumbled over without the value, which may be a secret."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    ((first, _), *_) = getattr(error, "errors", None) or [("", "")]
    told = {
        "section": getattr(error, "section", ""),
        "option": getattr(error, "option", ""),
        "line": getattr(error, "lineno", first),
    }
    words = [f"{word} {value}" for word, value in told.items() if value]
    return [", ".join([kind, *words])]


def _load(
    ini: Path,
    config: ConfigParser,
    environ: Mapping[str, str],
    addresses: Mapping[str, str],
) -> Settings:
    root = ini.parent
    section = config["alembic"]
    environment, env_file = _environment(root, environ)
    env = dotenv.read(env_file)
    if environment == DEVELOPMENT and not environ.get("APP_ENV"):
        # A server's own .env may say which environment it is.
        environment = _checked_environment(env.get("APP_ENV") or DEVELOPMENT)

    names = section.get("databases", "").replace(",", " ").split()
    if not names:
        raise SettingsError(
            f"{ini.name}: no databases are declared",
            remedy="Add to [alembic]: databases = postgres, sqlite",
        )
    transaction = section.get("transaction", "deployment").strip()
    if transaction not in ("deployment", "migration"):
        raise SettingsError(
            f"{ini.name}: transaction = {transaction}",
            remedy="It is either deployment or migration.",
        )
    versions = folder(root, section.get("script_location", "alembic")) / "versions"
    if unknown := sorted(addresses.keys() - set(names)):
        raise SettingsError(
            f"an address is given for {unknown[0]!r}, which {ini.name} does not name",
            [f"databases: {', '.join(names)}"],
        )
    found = environ, addresses
    reader = Reader(ini, root, environment, env_file, env, *found, versions)
    databases = tuple(reader.database(name, config) for name in names)
    refuse_shared(databases)
    refuse_unanswered(ini, databases)
    _refuse_unlisted(section, root, databases)
    return Settings(
        root=root,
        ini=ini,
        environment=environment,
        env_file=env_file,
        env=env,
        databases=_with_hosts(databases),
        transaction=transaction,
        log_file=folder(root, section.get("log_file", "logs/migration.log")),
        backups=backups(ini, root, environment, section, environ),
        plan_lock_limit=_plan_lock_limit(ini, environment, section),
    )


def _with_hosts(databases: Iterable[Database]) -> tuple[Database, ...]:
    """Return them with the fleets whose schemas are in a database of one address."""

    def place(one: Database) -> tuple[object, ...]:
        return location(one), one.parameters, one.embedded

    fleets = [
        (place(one), one.fleet.text)
        for one in databases
        if one.fleet and one.fleet.kind is SourceKind.SCHEMAS
    ]
    return tuple(
        one
        if one.fleet
        else one._replace(hosts=tuple(t for there, t in fleets if there == place(one)))
        for one in databases
    )


def _refuse_unlisted(
    section: SectionProxy, root: Path, databases: Iterable[Database]
) -> None:
    """Raise SettingsError where Alembic would not see a database's revisions."""
    listed = section.get("version_locations", "")
    separator = section.get("path_separator", "").strip()
    between = {"newline": "\n", "os": os.pathsep, "space": " "}.get(
        separator, separator
    )
    parts = listed.split(between) if between else re.split(r"[,\s]+", listed)
    folders = {folder(root, part) for part in parts}
    for database in databases if listed else ():
        if database.versions not in folders:
            raise SettingsError(
                f"{database.name}: version_locations leaves its revisions out",
                [f"{database.versions} is not in it"],
                f"Add a line to it: %(here)s/{database.versions.relative_to(root)}",
            )


def _plan_lock_limit(
    ini: Path, environment: str, section: SectionProxy
) -> float | None:
    if environment == DEVELOPMENT and not section.get("plan_lock_limit", "").strip():
        return None
    return seconds(ini, section, "plan_lock_limit", 5)


def _parse(ini: Path) -> ConfigParser:
    if not is_file(ini):
        raise SettingsError(
            f"{ini.name} is not there",
            [f"looked for {ini}"],
            "Run the command in the project's folder or below it, or name the file"
            " with -c.",
        )
    config = ConfigParser({"here": str(ini.parent).replace("%", "%%")})
    try:
        with ini.open(encoding="utf-8") as file:
            config.read_file(file)
    except OSError as error:
        raise SettingsError(
            f"{ini.name} cannot be read",
            [f"{ini}: {error.strerror}"],
            "Let this user read it.",
        ) from None
    if "alembic" not in config:
        raise SettingsError(f"{ini.name} has no section [alembic]")
    return config


def _environment(root: Path, environ: Mapping[str, str]) -> tuple[str, Path]:
    environment = _checked_environment(environ.get("APP_ENV") or DEVELOPMENT)
    if environment == DEVELOPMENT:
        return environment, root / ".env"
    # Never a fall-back to .env: it would point staging at development's databases.
    return environment, root / f".env.{environment}"


def _checked_environment(name: str) -> str:
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise SettingsError(
            f"APP_ENV is {name!r}",
            remedy="Use letters, digits, - and _, for example: staging",
        )
    return name
