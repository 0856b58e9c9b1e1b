"""A fleet of SQLite files, and of PostgreSQL schemas, against one shell process.

    python benchmarks/fleet.py [--members 1000] [--idle 10000] [--schemas 200]
                               [--jobs 1 2 3]

Each member gets three migrations. The floor is one sqlite3, or one psql, that runs the
same files in one transaction for each member, without any ledger; sqlite3 with the
synchronous = EXTRA that sqlpair commits with. It runs before each run of sqlpair.
``--idle`` members are copies of one that is at head. Prints a table; below it what
processes, connections and locks there were at most, looked at ten times a second.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg2
from contestants import TOOLS

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.databases.postgresql import session
from sqlpair.ledger import tables
from sqlpair.project import settings

FILES = {
    "001_a": "CREATE TABLE a (id integer PRIMARY KEY, x text);\n",
    "002_y": "CREATE INDEX a_x ON a (x);\nALTER TABLE a ADD COLUMN y text;\n",
    "003_b": "CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a (id));\n",
}


def project(root: Path, section: str, environ: dict[str, str]) -> None:
    """Make a project whose one database is a fleet."""
    scaffold.init(root)
    ini = root / "alembic.ini"
    head = ini.read_text().partition("\n[postgres]")[0]
    head = head.replace("databases = postgres, sqlite", "databases = tenants")
    ini.write_text(f"{head}\n[tenants]\n{section}")
    for folder in ("sql/tenants", "alembic/versions/tenants", "state/tenants"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    text = ini.read_text().replace("versions/postgres", "versions/tenants")
    ini.write_text(text.replace("    %(here)s/alembic/versions/sqlite\n", ""))
    for stem, sql in FILES.items():
        (root / "sql" / "tenants" / f"{stem}.sql").write_text(sql)
        (root / "sql" / "tenants" / f"{stem}_rollback.sql").write_text("-- none\n")
    scaffold.write_revisions(settings.load(ini, environ))


class Most:
    """The most that was seen of a command and the processes it begins."""

    def __init__(self, pid: int, dsn: str = ""):
        self._pid = pid
        self._over = threading.Event()
        self._dsn = dsn
        self.megabytes: dict[str, float] = {}
        self.connections = self.locks = 0
        self._ticks: dict[int, int] = {}
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        cursor = None
        if self._dsn:
            connection = psycopg2.connect(self._dsn)
            connection.autocommit = True
            cursor = connection.cursor()
        while not self._over.wait(0.1):
            self._walk(self._pid, 0)
            if cursor is not None:
                cursor.execute(
                    "SELECT (SELECT count(*) FROM pg_stat_activity"
                    " WHERE application_name = 'sqlpair'),"
                    " (SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid())"
                )
                connections, locks = cursor.fetchone() or (0, 0)
                self.connections = max(self.connections, connections)
                self.locks = max(self.locks, locks)

    def _walk(self, pid: int, depth: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:  # it has ended
            return
        if depth > 1:  # what nobody here waits for
            self._ticks[pid] = int(fields[11]) + int(fields[12])
        if "VmHWM:" in status:
            peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            name = "worker" if depth > 1 else "" if depth else "command"
            self.megabytes[name] = max(self.megabytes.get(name, 0.0), peak)
        for child in children:
            self._walk(int(child), depth + 1)

    def stop(self) -> float:
        """Return the CPU seconds of workers."""
        self._over.set()
        self._thread.join()
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def __str__(self) -> str:
        said = [
            f"{self.megabytes[name]:.0f} MB in {'the' if name == 'command' else 'a'}"
            f" {name}"
            for name in ("command", "worker")
            if name in self.megabytes
        ]
        if self._dsn:
            said.append(f"{self.connections} connections, {self.locks} locks")
        return ", ".join(said)


most: dict[str, Most] = {}


def timed(
    command: list[str],
    root: Path,
    environ: dict[str, str],
    text: str = "",
    what: str = "",
    dsn: str = "",
) -> tuple[float, float]:
    """Return wall and CPU seconds of a command; ``what`` it does is looked at."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    running = subprocess.Popen(
        command, cwd=root, env=environ, stdin=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if what:
        most[what] = Most(running.pid, dsn)
    running.communicate(text)
    wall = time.perf_counter() - began
    workers = most[what].stop() if what else 0.0
    assert running.returncode == 0, (command, running.returncode)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu + workers


def memory(command: list[str], root: Path, environ: dict[str, str]) -> float:
    """Return the peak memory of a command in MB."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=root, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def row(what: str, members: int, wall: float, cpu: float, floor: float) -> None:
    each = 1000 * wall / members
    ratio = f"{wall / floor:.2f}" if floor else ""
    print(
        f"| {what} | {members:,} | {wall:.1f} s | {each:.1f} ms |"
        f" {1000 * cpu / members:.1f} ms | {ratio} |",
        flush=True,
    )


SQLPAIR = [sys.executable, "-m", "sqlpair"]
MIGRATE = [*SQLPAIR, "migrate", "--jobs"]
BODY = "".join(FILES.values())
SQLITE = "driver = sqlite\nmembers = state/tenants/*.db\n"


def shell(members: int, durable: str) -> tuple[float, float]:
    """Return the seconds of one sqlite3 over all files."""
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(
            f".open {folder}/{n}.db\n{durable}BEGIN IMMEDIATE;\n{BODY}COMMIT;\n"
            for n in range(members)
        )
        return timed(["sqlite3", "-bail"], Path(folder), dict(os.environ), text)


def sqlite(members: int, jobs: list[int]) -> None:
    environ = dict(os.environ)
    floor, cpu = shell(members, "")
    row("one sqlite3, synchronous = FULL", members, floor, cpu, floor)
    for count in jobs:
        floor, cpu = shell(members, "PRAGMA synchronous = EXTRA;\n")
        row("one sqlite3", members, floor, cpu, floor)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "project"
            project(root, SQLITE, environ)
            for n in range(members):
                (root / "state" / "tenants" / f"{n:05}.db").touch()
            what = f"sqlpair, {count} jobs"
            took = timed([*MIGRATE, str(count)], root, environ, what=f"{what}, files")
            row(what, members, *took, floor)
            for command in ("status", "verify"):
                words = [*SQLPAIR, command, "--jobs", str(count)]
                took = timed(words, root, environ)
                row(f"{command}, {count} jobs", members, *took, floor)
    alembic(min(members, 30), floor / members)
    dbmate(min(members, 100), floor / members)


def dbmate(members: int, floor: float) -> None:
    """Let dbmate do it, in a loop, where ``make bench`` has installed it."""
    program = next(TOOLS.glob("@dbmate/*/bin/dbmate"), None)
    if program is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sql").mkdir()
        for stem, sql in FILES.items():
            text = f"-- migrate:up\n{sql}\n-- migrate:down\n"
            (Path(folder) / "sql" / f"{stem}.sql").write_text(text)
        options = f"--no-dump-schema -d {folder}/sql"
        loop = "".join(
            f"{program} --url sqlite:{folder}/{n}.db {options} up\n"
            for n in range(members)
        )
        took = timed(["sh", "-e"], Path(folder), dict(os.environ), loop)
        row("dbmate, a shell loop", members, *took, floor * members)


ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine("sqlite:///" + os.environ["FILE"]).connect() as connection:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def alembic(members: int, floor: float) -> None:
    """Let Alembic do it, in a loop."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "versions").mkdir()
        (Path(folder) / "env.py").write_text(ENV)
        (Path(folder) / "alembic.ini").write_text("[alembic]\nscript_location = .\n")
        below = None
        for stem, sql in FILES.items():
            parts = [part for part in sql.split(";\n") if part]
            (Path(folder) / "versions" / f"{stem}.py").write_text(
                f"from alembic import op\nrevision = {stem!r}\n"
                f"down_revision = {below!r}\ndef upgrade():\n"
                f"    for sql in {parts!r}:\n        op.execute(sql)\n"
            )
            below = stem
        command = f"{sys.executable} -m alembic upgrade head"
        loop = "".join(f"FILE={folder}/{n}.db {command}\n" for n in range(members))
        took = timed(["sh", "-e"], Path(folder), dict(os.environ), loop)
        row("Alembic, a shell loop", members, *took, floor * members)


def idle(members: int, jobs: list[int]) -> None:
    """Measure a run with nothing to do, and its memory, beside one of 100 members."""
    environ = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        project(root, SQLITE, environ)
        tenants = root / "state" / "tenants"
        (tenants / "00000.db").touch()
        timed([*MIGRATE, "1"], root, environ)
        peaks = []
        for first, last in ((1, min(members, 100)), (100, members)):
            for n in range(first, last):
                shutil.copyfile(tenants / "00000.db", tenants / f"{n:05}.db")
            peaks.append(memory([*MIGRATE, "1"], root, environ))
        for count in jobs:
            took = timed([*MIGRATE, str(count)], root, environ)
            row(f"nothing to do, {count} jobs", members, *took, 0)
    few, many = peaks
    print(
        f"\nPeak memory: {many:.0f} MB at {members:,} members, {few:.0f} MB at 100,"
        f" {many / few:.2f} times.\n"
    )


def schemas(members: int, jobs: list[int]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.server(Path(folder) / "data") as server,
    ):
        connection = psycopg2.connect(server.dsn)
        connection.autocommit = True
        cursor = connection.cursor()

        def made() -> None:
            for n in range(members):
                cursor.execute(f"DROP SCHEMA IF EXISTS tenant_{n} CASCADE")
                cursor.execute(f"CREATE SCHEMA tenant_{n}")

        def psql(what: str, ledger: str = "") -> float:
            made()
            text = "".join(
                f"SET search_path = tenant_{n};\nBEGIN;\n{BODY}{ledger}COMMIT;\n"
                for n in range(members)
            )
            command = ["psql", "-qX", server.dsn]
            wall, cpu = timed(command, Path(folder), dict(os.environ), text)
            row(what, members, wall, cpu, floor if ledger else wall)
            return wall

        floor = 0.0
        for count in jobs:
            root = Path(folder) / f"project{count}"
            environ = os.environ | {"TENANTS_URL": server.dsn}
            section = "driver = postgresql\nschemas = tenant_%\n"
            project(root, section, environ)
            own = session.table(
                settings.load(root / "alembic.ini", environ).database("tenants")
            )
            floor = psql("one psql")
            psql(
                "one psql, and the ledger's empty tables",
                tables.tables(own._replace(prefix="")),  # in the path's first schema
            )
            made()
            for what, command in (
                ("sqlpair", "migrate"),
                ("nothing to do", "migrate"),
                ("status", "status"),
                ("verify", "verify"),
            ):
                words = [*SQLPAIR, command, "--jobs", str(count)]
                told = f"{what}, {count} jobs"
                took = timed(
                    words, root, environ, what=f"{told}, schemas", dsn=server.dsn
                )
                row(told, members, *took, floor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    print("| what | members | wall | each | CPU each | of the floor |")
    print("|---|---|---|---|---|---|")
    if given.members:
        sqlite(given.members, given.jobs)
    if given.idle:
        idle(given.idle, given.jobs)
    if given.schemas:
        schemas(given.schemas, given.jobs)
    print("\nAt most:\n")
    for what, seen in most.items():
        print(f"- {what}: {seen}")


if __name__ == "__main__":
    main()
