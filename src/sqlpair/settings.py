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
from collections.abc import Mapping
from configparser import ConfigParser, Error, SectionProxy
from pathlib import Path
from typing import NamedTuple

from sqlpair import dotenv_file
from sqlpair.errors import SettingsError, UsageError

DEVELOPMENT = "development"
# alembic_version.version_num is VARCHAR(32), and a revision is <database>_<NNN...>.
DATABASE_NAME = re.compile(r"[a-z][a-z0-9_]{0,21}")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
RESERVED_NAMES = frozenset({"alembic", "base", "head", "heads", "loggers", "handlers"})
DRIVERS = ("postgresql", "sqlite")

# libpq reads these from the process's environment by itself; from .env they have
# to be handed over. https://www.postgresql.org/docs/current/libpq-envars.html
LIBPQ_VARIABLES = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGSERVICE": "service",
    "PGSERVICEFILE": "servicefile",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGOPTIONS": "options",
}
# Any one of these says which server is meant.
LIBPQ_ADDRESS = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")


class Database(NamedTuple):
    """One named target.

    ``address`` is a libpq URL or an absolute file path; it may hold a password, so
    it is left out of ``repr``. ``embedded`` is the data folder of the PostgreSQL to
    start when no address is configured. ``scratch`` is the libpq URL of a server where
    databases may be made and dropped, if one is named. Times are in seconds.
    """

    name: str
    driver: str
    variable: str
    address: str
    parameters: Mapping[str, str]
    embedded: Path | None
    binaries: Path | None
    schema: str
    sql: Path
    versions: Path
    lock_timeout: float
    lock_wait: float
    scratch: str = ""

    def __repr__(self) -> str:
        """Name the database without its address."""
        return f"<Database {self.name} ({self.driver})>"


class Backups(NamedTuple):
    """Where backups go, whether each deployment begins with one, how many stay.

    ``timeout`` is in seconds, for one backup of all databases or one restore.
    """

    folder: Path
    first: bool
    keep: int
    timeout: float


class Settings(NamedTuple):
    """Everything the engine needs to know about one project."""

    root: Path
    ini: Path
    environment: str
    env_file: Path
    env: Mapping[str, str]
    databases: tuple[Database, ...]
    transaction: str
    log_file: Path
    backups: Backups

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


def load(ini: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of the project whose ``alembic.ini`` is ``ini``.

    Raises SettingsError naming the key, variable or file that is wrong.
    """
    ini = ini.absolute()
    root = ini.parent
    config = _parse(ini)
    section = config["alembic"]
    environment, env_file = _environment(root, environ)
    env = dotenv_file.read(env_file) if env_file.is_file() else {}
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
    versions = _folder(root, section.get("script_location", "alembic")) / "versions"
    reader = _Reader(ini, root, environment, env_file, env, environ, versions)
    databases = tuple(reader.database(name, config) for name in names)
    _refuse_shared_targets(databases)
    return Settings(
        root=root,
        ini=ini,
        environment=environment,
        env_file=env_file,
        env=env,
        databases=databases,
        transaction=transaction,
        log_file=_folder(root, section.get("log_file", "logs/migration.log")),
        backups=_backups(ini, root, environment, section, environ),
    )


def _backups(
    ini: Path,
    root: Path,
    environment: str,
    section: SectionProxy,
    environ: Mapping[str, str],
) -> Backups:
    when = section.get("backup", "auto").strip()
    if when not in ("auto", "always", "never"):
        raise SettingsError(
            f"{ini.name}: backup = {when}",
            remedy="It is auto (outside development), always or never.",
        )
    first = when == "always" or (when == "auto" and environment != DEVELOPMENT)
    once = environ.get("BACKUP", "").strip()
    if once not in ("", "0", "1"):
        raise SettingsError(f"BACKUP is {once!r}", remedy="It is 0 or 1.")
    keep = section.get("backup_keep", "10").strip()
    if not keep.isdecimal() or not 0 < int(keep) < 10_000:
        raise SettingsError(
            f"{ini.name}: backup_keep = {keep}",
            remedy="It is how many backups stay, for example: backup_keep = 10",
        )
    return Backups(
        folder=root / "state" / "backups",
        first=once == "1" if once else first,
        keep=int(keep),
        timeout=_seconds(ini, section, "backup_timeout", 3600),
    )


def _parse(ini: Path) -> ConfigParser:
    if not ini.is_file():
        raise SettingsError(
            f"{ini.name} is not there",
            [f"looked for {ini}"],
            "Run the command in the project's folder, or name the file with -c.",
        )
    config = ConfigParser({"here": str(ini.parent).replace("%", "%%")})
    try:
        config.read(ini, encoding="utf-8")
    except (Error, UnicodeDecodeError) as error:
        raise SettingsError(f"{ini.name} cannot be read", [str(error)]) from error
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


def _folder(root: Path, value: str) -> Path:
    return Path(os.path.normpath(root / value.strip()))


class _Reader(NamedTuple):
    """What is needed to look one database up."""

    ini: Path
    root: Path
    environment: str
    env_file: Path
    env: Mapping[str, str]
    environ: Mapping[str, str]
    versions: Path

    def database(self, name: str, config: ConfigParser) -> Database:
        if not DATABASE_NAME.fullmatch(name) or name in RESERVED_NAMES:
            raise SettingsError(
                f"{self.ini.name}: {name!r} cannot be a database's name",
                remedy="Use up to 22 lower-case letters, digits and _, a letter first.",
            )
        if name not in config:
            raise SettingsError(f"{self.ini.name} has no section [{name}]")
        section = config[name]
        driver = section.get("driver", "").strip()
        if driver not in DRIVERS:
            raise SettingsError(
                f"{self.ini.name} [{name}]: driver = {driver}",
                remedy=f"It is one of: {', '.join(DRIVERS)}",
            )
        variable = section.get("variable", f"{name.upper()}_URL").strip()
        address = self._value(variable)
        parameters: dict[str, str] = {}
        embedded = None
        if driver == "postgresql":
            parameters = self._libpq()
            if not address and not any(self._value(key) for key in LIBPQ_ADDRESS):
                default = self._default(name, section, variable)
                embedded = _folder(self.root, default)
        else:
            address = address or self._default(name, section, variable)
            address = str(self._file(name, address))
        binaries = section.get("binaries", "").strip()
        return Database(
            name=name,
            driver=driver,
            variable=variable,
            address=address,
            parameters=parameters,
            embedded=embedded,
            binaries=_folder(self.root, binaries) if binaries else None,
            schema=section.get("schema", "public").strip(),
            sql=self.root / "sql" / name,
            versions=self.versions / name,
            lock_timeout=_seconds(self.ini, section, "lock_timeout", 5),
            lock_wait=_seconds(self.ini, section, "lock_wait", 300),
            scratch=self._value(section.get("scratch", "").strip()),
        )

    def _value(self, key: str) -> str:
        return (self.environ.get(key) or self.env.get(key) or "").strip()

    def _default(self, name: str, section: SectionProxy, variable: str) -> str:
        default = section.get("default", "").strip()
        if self.environment == DEVELOPMENT and default:
            return default
        raise SettingsError(
            f"{name}: no database is configured for {self.environment}",
            [f"{variable} is not set in the environment or in {self.env_file.name}"],
            f"Set {variable}.",
        )

    def _libpq(self) -> dict[str, str]:
        return {
            parameter: self.env[key]
            for key, parameter in LIBPQ_VARIABLES.items()
            if self.env.get(key) and not self.environ.get(key)
        }

    def _file(self, name: str, address: str) -> Path:
        scheme, separator, rest = address.partition("://")
        if separator and scheme.partition("+")[0] != "sqlite":
            raise SettingsError(
                f"{name}: the address of a SQLite database is a path or sqlite:///path",
                [f"it starts with {scheme}://"],
            )
        path = rest.partition("?")[0].removeprefix("/") if separator else address
        if not path or path == ":memory:":
            raise SettingsError(f"{name}: a SQLite database here is a file")
        # Two names for one file would be two locks for one database.
        return Path(os.path.realpath(self.root / Path(path).expanduser()))


def _seconds(ini: Path, section: SectionProxy, key: str, default: float) -> float:
    value = section.get(key, "").strip().removesuffix("s")
    try:
        seconds = float(value) if value else float(default)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 86_400:
        raise SettingsError(
            f"{ini.name} [{section.name}]: {key} = {value}",
            remedy=f"It is a number of seconds, for example: {key} = {default}",
        )
    return seconds


def _refuse_shared_targets(databases: tuple[Database, ...]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    for database in databases:
        target = (database.driver, database.address, database.embedded)
        if target in seen:
            raise SettingsError(
                f"{seen[target]} and {database.name} are one and the same database",
                remedy=f"Give each its own variable and address ({database.variable}).",
            )
        seen[target] = database.name
