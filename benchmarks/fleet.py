"""A fleet of SQLite files, and of PostgreSQL schemas, against one shell process.

    python benchmarks/fleet.py [--members 1000] [--idle 10000] [--schemas 200]
                               [--jobs 1 2]

Each member gets three migrations. The floor is one sqlite3, or one psql, that runs the
same files in one transaction for each member, without any ledger; sqlite3 with the
synchronous = EXTRA that sqlpair commits with. It runs before each run of sqlpair.
``--idle`` members are copies of one that is at head. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

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


def timed(command: list[str], root: Path, environ: dict[str, str], text: str = ""):
    """Return wall and CPU seconds of a command, and its peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        command, cwd=root, env=environ, input=text, text=True, check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


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


MIGRATE = [sys.executable, "-m", "sqlpair", "migrate", "--jobs"]
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
            took = timed([*MIGRATE, str(count)], root, environ)
            row(f"sqlpair, {count} jobs", members, *took, floor)
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
        own = session.table(SimpleNamespace(ledger_schema="any"))
        ledger = tables.tables(own._replace(prefix=""))  # in the path's first schema
        for count in jobs:
            floor = psql("one psql")
            psql("one psql, and the ledger's empty tables", ledger)
            made()
            root = Path(folder) / f"project{count}"
            environ = os.environ | {"TENANTS_URL": server.dsn}
            section = "driver = postgresql\nschemas = tenant_%\n"
            project(root, section, environ)
            command = [*MIGRATE, str(count)]
            for what in ("sqlpair", "nothing to do"):
                took = timed(command, root, environ)
                row(f"{what}, {count} jobs", members, *took, floor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    print("| what | members | wall | each | CPU each | of the floor |")
    print("|---|---|---|---|---|---|")
    if given.members:
        sqlite(given.members, given.jobs)
    if given.idle:
        idle(given.idle, given.jobs)
    if given.schemas:
        schemas(given.schemas, given.jobs)


if __name__ == "__main__":
    main()
