"""Who runs in the benchmark: each migrates, and undoes, one generated history.

Every contestant gets a folder of its own and one database. ``prepare`` writes what it
needs, ``up`` and ``down`` are single processes, so start-up counts for all alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = HERE / ".tools" / "node_modules"
BEGIN = {"postgresql": "BEGIN;", "sqlite": "BEGIN IMMEDIATE;"}


class Target:
    """One database of one engine; ``dsn`` is libpq's string or a file's path."""

    def __init__(self, engine: str, dsn: str, url: str):
        self.engine, self.dsn, self.url = engine, dsn, url


class Contestant:
    """A way to run migrations. ``ledger`` is where its rows are counted."""

    name = ""
    ledger = "ledger"

    def __init__(self, folder: Path, target: Target):
        self.folder, self.target = folder, target
        folder.mkdir(parents=True)

    @classmethod
    def missing(cls, engine: str) -> str:
        """Say why it cannot run here; empty when it can."""
        return ""

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        """Write the migrations."""
        raise NotImplementedError

    def up(self) -> None:
        """Apply everything."""
        raise NotImplementedError

    def down(self, count: int) -> None:
        """Undo the last ``count``."""
        raise NotImplementedError

    def call(self, *command: str, **environ: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.environ(), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {command}\n{done.stdout}{done.stderr}")

    def environ(self) -> Mapping[str, str]:
        return {}


class Floor(Contestant):
    """psql or sqlite3, one transaction and ledger row for each migration."""

    name = "floor"
    whole = False

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        self.downs = downs
        create = "CREATE TABLE IF NOT EXISTS ledger (n integer PRIMARY KEY);\n"
        steps = [
            f"{up}\nINSERT INTO ledger VALUES ({n});\n"
            for n, up in enumerate(ups, start=1)
        ]
        self.write("up.sql", [create, *steps])
        self.write("nothing.sql", [create + "SELECT max(n) FROM ledger;\n"])
        self.pending = True

    def write(self, name: str, steps: Sequence[str]) -> None:
        begin = BEGIN[self.target.engine]
        if self.whole:
            text = f"{begin}\n{''.join(steps)}COMMIT;\n"
        else:
            text = "".join(f"{begin}\n{step}COMMIT;\n" for step in steps)
        (self.folder / name).write_text(text)

    def run_file(self, name: str) -> None:
        if self.target.engine == "sqlite":
            self.call("sqlite3", "-bail", self.target.dsn, f".read {name}")
        else:
            self.call(
                "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", name, self.target.dsn
            )

    def up(self) -> None:
        self.run_file("up.sql" if self.pending else "nothing.sql")
        self.pending = False

    def down(self, count: int) -> None:
        total = len(self.downs)
        steps = [
            f"{self.downs[n - 1]}\nDELETE FROM ledger WHERE n = {n};\n"
            for n in range(total, total - count, -1)
        ]
        self.write("down.sql", steps)
        self.run_file("down.sql")


class OneTransaction(Floor):
    """The same shells, everything in one transaction."""

    name = "one transaction"
    whole = True


class Driver(Contestant):
    """A bare Python loop over the database driver."""

    name = "driver"

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            (self.folder / f"{n:05}.up.sql").write_text(up)
            (self.folder / f"{n:05}.down.sql").write_text(down)

    def up(self) -> None:
        self.loop("up", 0)

    def down(self, count: int) -> None:
        self.loop("down", count)

    def loop(self, direction: str, count: int) -> None:
        self.call(
            sys.executable,
            str(HERE / "driver_loop.py"),
            self.target.engine,
            self.target.dsn,
            direction,
            str(count),
        )


class Sqlpair(Contestant):
    """This project, through its own command."""

    name = "sqlpair"
    ledger = "schema_version"
    per_migration = False

    @property
    def database(self) -> str:
        return "sqlite" if self.target.engine == "sqlite" else "postgres"

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        from sqlpair.authoring import scaffold
        from sqlpair.project import settings

        project = self.folder / "project"
        scaffold.init(project)
        ini = project / "alembic.ini"
        text = ini.read_text().replace("postgres, sqlite", self.database)
        if self.per_migration:
            text = text.replace("transaction = deployment", "transaction = migration")
        ini.write_text(text)
        sql = project / "sql" / self.database
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            (sql / f"{n:05}_step.sql").write_text(up)
            (sql / f"{n:05}_step_rollback.sql").write_text(down)
        scaffold.write_revisions(settings.load(ini, self.environ()))
        self.folder, self.total = project, len(ups)

    def environ(self) -> Mapping[str, str]:
        return {"DATABASE_URL": self.target.dsn, "SQLITE_PATH": self.target.dsn}

    def up(self) -> None:
        self.sqlpair("migrate")

    def down(self, count: int) -> None:
        self.sqlpair("rollback", "--to", str(self.total - count))

    def sqlpair(self, *arguments: str) -> None:
        self.call(str(Path(sys.executable).with_name("sqlpair")), *arguments)

    def alembic(self, *arguments: str) -> None:
        self.call(str(Path(sys.executable).with_name("alembic")), *arguments)


class SqlpairEach(Sqlpair):
    """The same with transaction = migration."""

    name = "sqlpair, a transaction each"
    per_migration = True


class AlembicSqlpair(Sqlpair):
    """The same project through plain Alembic's command."""

    name = "alembic + sqlpair"

    def up(self) -> None:
        self.alembic("upgrade", "heads")

    def down(self, count: int) -> None:
        self.alembic("downgrade", f"-{count}")


ENV_PY = """\
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


class PlainAlembic(Contestant):
    """Alembic as its manual has it, a transaction for each migration."""

    name = "plain Alembic"
    ledger = ""

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        versions = self.folder / "alembic" / "versions"
        versions.mkdir(parents=True)
        (self.folder / "alembic.ini").write_text(
            "[alembic]\nscript_location = %(here)s/alembic\n"
            f"path_separator = os\nsqlalchemy.url = {self.target.url}\n"
        )
        (self.folder / "alembic" / "env.py").write_text(ENV_PY)
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            below = f"r{n - 1:05}" if n > 1 else None
            (versions / f"{n:05}.py").write_text(
                "from alembic import op\n"
                f"revision = 'r{n:05}'\ndown_revision = {below!r}\n"
                f"def upgrade():\n    for sql in {statements(up)!r}:\n"
                "        op.execute(sql)\n"
                f"def downgrade():\n    op.execute({down!r})\n"
            )

    def up(self) -> None:
        self.alembic("upgrade", "head")

    def down(self, count: int) -> None:
        self.alembic("downgrade", f"-{count}")

    def alembic(self, *arguments: str) -> None:
        self.call(str(Path(sys.executable).with_name("alembic")), *arguments)


def statements(sql: str) -> list[str]:
    """Cut generated SQL, in which a statement is a line."""
    return [line for line in sql.splitlines() if line]


class Dbmate(Contestant):
    """dbmate, a Go program, from its npm package."""

    name = "dbmate"
    ledger = "schema_migrations"

    @classmethod
    def program(cls) -> Path | None:
        return next(TOOLS.glob("@dbmate/*/bin/dbmate"), None)

    @classmethod
    def missing(cls, engine: str) -> str:
        return "" if cls.program() else "npm package dbmate"

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        folder = self.folder / "db" / "migrations"
        folder.mkdir(parents=True)
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            (folder / f"{n:05}_step.sql").write_text(
                f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n"
            )

    def dbmate(self, command: str) -> None:
        url = self.target.url.replace("+psycopg2", "")
        if self.target.engine == "sqlite":
            url = f"sqlite:{self.target.dsn}"
        separator = "&" if "?" in url else "?"
        if self.target.engine != "sqlite":
            url += f"{separator}sslmode=disable"
        self.call(str(self.program()), "--no-dump-schema", "--url", url, command)

    def up(self) -> None:
        self.dbmate("migrate")

    def down(self, count: int) -> None:
        for _ in range(count):
            self.dbmate("rollback")


class Knex(Contestant):
    """knex, a Node.js program, from its npm package."""

    name = "knex"
    ledger = "knex_migrations"

    @classmethod
    def missing(cls, engine: str) -> str:
        driver = "better-sqlite3" if engine == "sqlite" else "pg"
        return (
            ""
            if (TOOLS / "knex").is_dir() and (TOOLS / driver).is_dir()
            else (f"npm packages knex and {driver}")
        )

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        folder = self.folder / "migrations"
        folder.mkdir()
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            runs = "".join(f"await k.raw({sql!r});" for sql in statements(up))
            (folder / f"{n:05}_step.js").write_text(
                f"exports.up = async (k) => {{{runs}}};\n"
                f"exports.down = async (k) => {{await k.raw({down!r});}};\n"
            )
        if self.target.engine == "sqlite":
            client = "better-sqlite3"
            connection = f"{{filename: {self.target.dsn!r}}}"
        else:
            pairs = dict(word.split("=", 1) for word in self.target.dsn.split())
            client = "pg"
            connection = (
                f"{{host: {pairs['host']!r}, port: {pairs.get('port', '5432')},"
                f" user: {pairs['user']!r}, database: {pairs['dbname']!r}}}"
            )
        (self.folder / "knexfile.js").write_text(
            f"module.exports = {{client: {client!r}, connection: {connection},"
            " useNullAsDefault: true};\n"
        )

    def environ(self) -> Mapping[str, str]:
        return {"NODE_PATH": str(TOOLS)}

    def knex(self, *arguments: str) -> None:
        self.call("node", str(TOOLS / "knex" / "bin" / "cli.js"), *arguments)

    def up(self) -> None:
        self.knex("migrate:latest")

    def down(self, count: int) -> None:
        for _ in range(count):
            self.knex("migrate:down")


class Yoyo(Contestant):
    """yoyo-migrations, from PyPI: SQL files too."""

    name = "yoyo"
    ledger = "_yoyo_migration"

    @classmethod
    def missing(cls, engine: str) -> str:
        program = Path(sys.executable).with_name("yoyo")
        return "" if program.exists() else "PyPI package yoyo-migrations"

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        self.total = len(ups)
        folder = self.folder / "migrations"
        folder.mkdir()
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            # Or a rollback takes the one that it names, and none above it.
            header = f"-- depends: {n - 1:05}\n" if n > 1 else ""
            (folder / f"{n:05}.sql").write_text(header + up)
            (folder / f"{n:05}.rollback.sql").write_text(down)

    def yoyo(self, *arguments: str) -> None:
        self.call(
            str(Path(sys.executable).with_name("yoyo")),
            *arguments,
            "--batch",
            "--no-config-file",
            "--database",
            self.target.url.replace("postgresql+psycopg2", "postgresql"),
            "migrations",
        )

    def up(self) -> None:
        self.yoyo("apply")

    def down(self, count: int) -> None:
        self.yoyo("rollback", "-r", f"{self.total - count + 1:05}")


class SqlMigrate(Contestant):
    """sql-migrate, a Go program, from Debian."""

    name = "sql-migrate"
    ledger = "gorp_migrations"

    @classmethod
    def missing(cls, engine: str) -> str:
        return "" if shutil.which("sql-migrate") else "Debian package sql-migrate"

    def prepare(self, ups: Sequence[str], downs: Sequence[str]) -> None:
        folder = self.folder / "migrations"
        folder.mkdir()
        for n, (up, down) in enumerate(zip(ups, downs, strict=True), start=1):
            (folder / f"{n:05}.sql").write_text(
                f"-- +migrate Up\n{up}\n-- +migrate Down\n{down}\n"
            )
        if self.target.engine == "sqlite":
            dialect, source = "sqlite3", self.target.dsn
        else:
            dialect, source = "postgres", f"{self.target.dsn} sslmode=disable"
        (self.folder / "dbconfig.yml").write_text(
            f"development:\n  dialect: {dialect}\n  datasource: {source}\n"
            "  dir: migrations\n"
        )

    def up(self) -> None:
        self.call("sql-migrate", "up")

    def down(self, count: int) -> None:
        self.call("sql-migrate", "down", f"-limit={count}")


PEERS: tuple[type[Contestant], ...] = (Dbmate, SqlMigrate, Knex, Yoyo)
OWN: tuple[type[Contestant], ...] = (
    Floor,
    OneTransaction,
    Driver,
    Sqlpair,
    SqlpairEach,
    AlembicSqlpair,
    PlainAlembic,
)
ALL = OWN + PEERS
