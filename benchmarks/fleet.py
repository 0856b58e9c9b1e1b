"""A fleet of SQLite files, and of PostgreSQL schemas, against one shell process.

    python benchmarks/fleet.py [--members 1000] [--schemas 200] [--jobs 1 2]

Each member gets three migrations. The floor is one sqlite3, or one psql, that runs the
same files in one transaction for each member, without any ledger. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
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
    print(
        f"| {what} | {members:,} | {wall:.1f} s | {each:.1f} ms |"
        f" {1000 * cpu / members:.1f} ms | {wall / floor:.2f} |",
        flush=True,
    )


def sqlite(members: int, jobs: list[int]) -> None:
    migrate = [sys.executable, "-m", "sqlpair", "migrate", "--jobs"]
    environ = dict(os.environ)
    body = "".join(FILES.values())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        text = "".join(
            f".open {root}/{n}.db\nBEGIN IMMEDIATE;\n{body}COMMIT;\n"
            for n in range(members)
        )
        floor, cpu = timed(["sqlite3", "-bail"], root, environ, text)
        row("one sqlite3", members, floor, cpu, floor)
    for count in jobs:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "project"
            section = "driver = sqlite\nmembers = state/tenants/*.db\n"
            project(root, section, environ)
            for n in range(members):
                (root / "state" / "tenants" / f"{n:05}.db").touch()
            command = [*migrate, str(count)]
            row(
                f"sqlpair, {count} jobs", members, *timed(command, root, environ), floor
            )
            row(f"nothing to do, {count} jobs", members, *timed(command, root, environ),
                floor)  # fmt: skip
            print(
                f"peak memory at {members:,}: {memory(command, root, environ):.0f} MB"
            )


def schemas(members: int, jobs: list[int]) -> None:
    migrate = [sys.executable, "-m", "sqlpair", "migrate", "--jobs"]
    body = "".join(FILES.values())
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.server(Path(folder) / "data") as server,
    ):
        connection = psycopg2.connect(server.dsn)
        connection.autocommit = True
        cursor = connection.cursor()
        for count in (0, *jobs):
            for n in range(members):
                cursor.execute(f"DROP SCHEMA IF EXISTS tenant_{n} CASCADE")
                cursor.execute(f"CREATE SCHEMA tenant_{n}")
            if not count:
                text = "".join(
                    f"SET search_path = tenant_{n};\nBEGIN;\n{body}COMMIT;\n"
                    for n in range(members)
                )
                environ = dict(os.environ)
                floor, cpu = timed(
                    ["psql", "-qX", server.dsn], Path(folder), environ, text
                )
                row("one psql", members, floor, cpu, floor)
                continue
            root = Path(folder) / f"project{count}"
            environ = os.environ | {"TENANTS_URL": server.dsn}
            section = "driver = postgresql\nschemas = tenant_%\n"
            project(root, section, environ)
            command = [*migrate, str(count)]
            for what in ("sqlpair", "nothing to do"):
                took = timed(command, root, environ)
                row(f"{what}, {count} jobs", members, *took, floor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    print("| what | members | wall | each | CPU each | of the floor |")
    print("|---|---|---|---|---|---|")
    if given.members:
        sqlite(given.members, given.jobs)
    if given.schemas:
        schemas(given.schemas, given.jobs)


if __name__ == "__main__":
    main()
