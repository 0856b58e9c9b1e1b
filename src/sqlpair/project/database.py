"""A declared database: what its section, the environment and ``.env`` say of it.

A variable is looked up in the process's environment first, then in ``.env``. The
default of a section holds in development only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from configparser import ConfigParser, Error, SectionProxy
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.project import fleet, ledger_tables
from sqlpair.project.ledger_tables import BookkeepingTables
from sqlpair.project.variables import NONE as NO_VALUES
from sqlpair.project.variables import Values

DEVELOPMENT = "development"
# alembic_version.version_num is VARCHAR(32), and a revision is <database>_<NNN...>.
NAME = re.compile(r"[a-z][a-z0-9_]{0,21}")
# Alembic's words for a place, and what else a section of alembic.ini may be.
RESERVED_NAMES = {"alembic", "base", "current", "head", "heads"}
RESERVED_NAMES |= {"formatters", "handlers", "loggers", "post_write_hooks"}
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DRIVERS = ("postgresql", "sqlite")
# As entry points are written.
MODELS = re.compile(r"[^\W\d]\w*(\.\w+)*:[^\W\d]\w*(\.\w+)*")

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
    databases may be made and dropped, if one is named, ``scratch_variable`` its
    variable; ``scratch_beside`` says that they may be made on the database's own
    server, else. ``scratch_server`` is of a scratch database itself, and says for
    messages which server it is on. ``ledger_schema`` is where the bookkeeping
    ``tables`` are; what migrations make goes where their SQL says. ``notice`` is what
    to change in the section, ``models`` where SQLAlchemy's description of the tables
    is, if there is one; ``values`` are those of the variables in its files.
    Times are in seconds.

    A ``fleet`` has members, and is no database itself. ``member`` is the name of one;
    ``search_path`` is what its migrations run under, its own schema first, where it is
    a schema. ``hosts`` are the patterns of fleets whose schemas are in this database.
    """

    name: str
    driver: str
    variable: str
    address: str
    parameters: Mapping[str, str]
    embedded: Path | None
    binaries: Path | None
    ledger_schema: str
    sql: Path
    versions: Path
    lock_timeout: float
    lock_wait: float
    scratch: str = ""
    scratch_variable: str = ""
    scratch_beside: bool = False
    scratch_server: str = ""
    notice: str = ""
    fleet: fleet.MemberSource | None = None
    member: str = ""
    search_path: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    models: str = ""
    values: Values = NO_VALUES
    tables: BookkeepingTables = ledger_tables.NAMES

    def __repr__(self) -> str:
        """Name the database without its address."""
        return f"<Database {self.name} ({self.driver})>"


class Declared(NamedTuple):
    """What alembic.ini alone says of a database."""

    name: str
    driver: str


def declared(ini: Path) -> tuple[Declared, ...]:
    """Return the databases that a file names; none where it cannot be read."""
    config = ConfigParser(interpolation=None)
    try:
        config.read(ini, encoding="utf-8")
    except (Error, UnicodeDecodeError, OSError):
        return ()
    names = config.get("alembic", "databases", fallback="").replace(",", " ").split()
    return tuple(
        Declared(name, config.get(name, "driver", fallback="").strip())
        for name in names
    )


class Reader(NamedTuple):
    """What is needed to look one database up."""

    ini: Path
    root: Path
    environment: str
    env_file: Path
    env: Mapping[str, str]
    environ: Mapping[str, str]
    addresses: Mapping[str, str]
    versions: Path

    def __repr__(self) -> str:
        """Name the file without what the environment holds."""
        return f"<Reader of {self.ini}>"

    def database(self, name: str, config: ConfigParser) -> Database:
        """Return the database called ``name``; SettingsError names what is wrong."""
        if not NAME.fullmatch(name) or name in RESERVED_NAMES:
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
        variable = self._variable(section, "variable", f"{name.upper()}_URL")
        scratch = self._variable(section, "scratch", "")
        beside = scratch == variable  # its own server, said outright
        given = self.addresses.get(name, "").strip()
        members = None
        if fleet.declared(section, given):
            values = {**self.env, **{k: v for k, v in self.environ.items() if v}}
            members = fleet.source(self.ini, self.root, section, values)
        address = given or self._value(variable)
        parameters: dict[str, str] = {}
        embedded = None
        if members is not None and members.kind is not fleet.SourceKind.SCHEMAS:
            # Their addresses come later. A scratch server of its own is needed then.
            address, variable, beside = "", members.told, False
            parameters = self._libpq() if driver == "postgresql" else {}
        elif driver == "postgresql":
            if address or any(self._value(key) for key in LIBPQ_ADDRESS):
                parameters = self._libpq()
            else:
                default = self._default(name, section, f"{variable} (or PGHOST, …)")
                if "://" in default:
                    raise SettingsError(
                        f"{self.ini.name} [{name}]: default is a folder, no address",
                        remedy=f"Put the address into {variable}.",
                    )
                embedded = folder(self.root, default)
        else:
            address = address or self._default(name, section, variable)
            address = str(sqlite_file(self.root, name, address))
        binaries = section.get("binaries", "").strip()
        schema, notice = self._ledger_schema(section)
        return Database(
            name=name,
            driver=driver,
            variable=variable,
            address=address,
            parameters=parameters,
            embedded=embedded,
            binaries=folder(self.root, binaries) if binaries else None,
            ledger_schema=schema,
            sql=self.root / "sql" / name,
            versions=self.versions / name,
            lock_timeout=seconds(self.ini, section, "lock_timeout", 5),
            lock_wait=seconds(self.ini, section, "lock_wait", 300),
            scratch="" if beside else self._value(scratch),
            scratch_variable="" if beside else scratch,
            scratch_beside=beside or self.environment == DEVELOPMENT,
            notice=notice,
            fleet=members,
            models=self._models(section),
            values=Values(self.environ, self.env, self.env_file.name),
            tables=ledger_tables.named(
                config.get("alembic", "ledger_table", fallback=""), self.ini.name
            ),
        )

    def _models(self, section: SectionProxy) -> str:
        """Return where the models are; they are not imported before they are asked."""
        value = section.get("target_metadata", "").strip()
        if value and not MODELS.fullmatch(value):
            raise SettingsError(
                f"{self.ini.name} [{section.name}]: target_metadata = {value}",
                remedy="It is MODULE:NAME, for example: myapp.models:Base.metadata",
            )
        return value

    def _ledger_schema(self, section: SectionProxy) -> tuple[str, str]:
        """Return the schema of the bookkeeping tables, and what to change for it."""
        older = section.get("schema", "").strip()
        schema = section.get("ledger_schema", older).strip() or "public"
        if older in ("", "public"):
            return schema, ""
        where = f"{self.ini.name} [{section.name}]"
        if older != schema:
            raise SettingsError(
                f"{where}: schema = {older}, but ledger_schema = {schema}",
                remedy="schema is the older name of ledger_schema: take it out.",
            )
        return schema, (
            f"{where}: schema is called ledger_schema now, for nothing but the"
            f" bookkeeping tables is there. Write: ledger_schema = {schema}"
        )

    def _variable(self, section: SectionProxy, key: str, default: str) -> str:
        name = section.get(key, default).strip()
        if name and not VARIABLE.fullmatch(name):
            raise SettingsError(  # not shown: an address may have a password
                f"{self.ini.name} [{section.name}]: {key} is not a variable's name",
                remedy="Put the address into a variable, of the environment or of"
                f" {self.env_file.name}, and name that one here.",
            )
        return name

    def _value(self, key: str) -> str:
        return (self.environ.get(key) or self.env.get(key) or "").strip()

    def _default(self, name: str, section: SectionProxy, variable: str) -> str:
        default = section.get("default", "").strip()
        if self.environment == DEVELOPMENT and default:
            return default
        raise SettingsError(
            f"{name}: no database is configured for {self.environment}",
            [f"{variable} is not set in the environment or in {self.env_file.name}"],
            f"Set {variable.partition(' ')[0]}.",
        )

    def _libpq(self) -> dict[str, str]:
        return {
            parameter: self.env[key]
            for key, parameter in LIBPQ_VARIABLES.items()
            if self.env.get(key) and not self.environ.get(key)
        }


def sqlite_file(root: Path, name: str, address: str) -> Path:
    """Return the file that a SQLite database's ``address`` names; SettingsError."""
    scheme, separator, rest = address.partition("://")
    server = separator and "@" in rest.partition("/")[0]
    if server or (separator and scheme.partition("+")[0] != "sqlite"):
        raise SettingsError(
            f"{name}: the address of a SQLite database is a path or sqlite:///path"
        )
    path = rest.partition("?")[0].removeprefix("/") if separator else address
    if not path.strip() or "\0" in path or path.startswith((":memory:", "file:")):
        raise SettingsError(
            f"{name}: a SQLite database here is a file",
            remedy="Name it by its path, for example: state/app.db",
        )
    # Two names for one file would be two locks for one database.
    return Path(os.path.realpath(root / os.path.expanduser(path)))  # noqa: PTH111


def folder(root: Path, value: str) -> Path:
    """Return the absolute path of ``value``, which is relative to ``root``."""
    return Path(os.path.normpath(root / value.strip()))


def seconds(ini: Path, section: SectionProxy, key: str, default: float) -> float:
    """Return a number of seconds; SettingsError for anything else."""
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


def refuse_unanswered(ini: Path, databases: Iterable[Database]) -> None:
    """Raise SettingsError where no database can answer a fleet's members_query."""
    singles = [database.name for database in databases if database.fleet is None]
    for database in databases:
        asked = database.fleet.database if database.fleet else ""
        if asked and asked not in singles:
            raise SettingsError(
                f"{ini.name} [{database.name}]: members_from = {asked}",
                [f"databases of one address: {', '.join(singles) or 'none'}"],
                "It is the name of the one that has the table of members.",
            )
