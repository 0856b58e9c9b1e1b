"""How long it takes to find that nothing is to do, on PostgreSQL and SQLite at once.

    python benchmarks/idle.py [--rounds 15]

Wall time, interleaved, and instructions counted by valgrind --tool=callgrind where it
is there: those do not depend on how busy the machine is. Writes idle.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.project import settings

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SIZES = (2, 100, 1000, 10_000)
# What a program would do at the least: ask both ledgers, list both folders.
LOOP = """\
import os, sqlite3, psycopg2
cursor = psycopg2.connect(os.environ["DATABASE_URL"]).cursor()
cursor.execute("SELECT version FROM schema_version")
done = {row[0] for row in cursor.fetchall()}
names = os.listdir("sql/postgres")
assert all(int(name[:5]) in done for name in names if name.endswith(".sql"))
connection = sqlite3.connect("state/local.db")
done = {row[0] for row in connection.execute("SELECT version FROM schema_version")}
names = os.listdir("sql/sqlite")
assert all(int(name[:5]) in done for name in names if name.endswith(".sql"))
"""
EMPTY_ENV = """\
from sqlalchemy import create_engine
from alembic import context

with create_engine("sqlite://").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class Project:
    """A migrated project of ``size`` migrations, every other one of each engine."""

    def __init__(self, folder: Path, size: int, dsn: str):
        self.folder = folder
        self.environ = {**os.environ, "DATABASE_URL": dsn}
        scaffold.init(folder)
        for number in range(1, size + 1):
            place = folder / "sql" / ("postgres" if number % 2 else "sqlite")
            stem = f"{number:05}_step"
            # Nothing is measured but finding out; so they may be quick to apply.
            (place / f"{stem}.sql").write_text(f"SELECT {number};\n")
            (place / f"{stem}_rollback.sql").write_text("SELECT 0;\n")
        scaffold.write_revisions(settings.load(folder / "alembic.ini", self.environ))
        (folder / "loop.py").write_text(LOOP)
        self.call("alembic", "stamp", "heads")
        for _ in range(2):
            self.call("sqlpair", "migrate")

    def call(self, *command: str) -> float:
        """Run a program of this virtual environment; return the seconds it took."""
        start = time.perf_counter()
        run(self.line(*command), self.folder, self.environ)
        return time.perf_counter() - start

    def line(self, *command: str) -> list[str]:
        name, *rest = command
        program = name if name.endswith(".py") else str(BIN / name)
        return [sys.executable, program, *rest]


def run(command: list[str], folder: Path, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
    return done.stderr


def instructions(command: list[str], folder: Path, environ: Mapping[str, str]) -> float:
    """Return the millions of instructions of a program, 0 without valgrind."""
    if shutil.which("valgrind") is None:
        return 0
    counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    said = run([*counting, *command], folder, environ)
    found = re.search(r"Collected : (\d+)", said)
    return int(found[1]) / 1e6 if found else 0


def empty_alembic(folder: Path) -> None:
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic" / "env.py").write_text(EMPTY_ENV)
    (folder / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
    )


def measure(project: Project, empty: Path, rounds: int) -> dict[str, dict[str, float]]:
    commands = {
        "driver loop": (project.line("loop.py"), project.folder),
        "sqlpair migrate": (project.line("sqlpair", "migrate"), project.folder),
        "empty Alembic": (project.line("alembic", "upgrade", "head"), empty),
        "alembic upgrade heads": (
            project.line("alembic", "upgrade", "heads"),
            project.folder,
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, folder) in commands.items():
            start = time.perf_counter()
            run(command, folder, project.environ)
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "least": min(seconds[name]),
            "most": max(seconds[name]),
            "instructions": instructions(command, folder, project.environ),
        }
        for name, (command, folder) in commands.items()
    }


def show(size: str, found: dict[str, dict[str, float]]) -> None:
    print(f"\nnothing to do, {size} migrations on PostgreSQL and SQLite")
    for name, base in (
        ("driver loop", "driver loop"),
        ("sqlpair migrate", "driver loop"),
        ("empty Alembic", "empty Alembic"),
        ("alembic upgrade heads", "empty Alembic"),
    ):
        one, other = found[name], found[base]
        ratio = one["seconds"] / other["seconds"]
        counted = one["instructions"] / (other["instructions"] or 1)
        print(
            f"  {name:<22} {one['seconds']:.3f} s ({one['least']:.3f} to"
            f" {one['most']:.3f}), {one['instructions']:,.0f} million instructions;"
            f" {ratio:.2f} x {base} ({counted:.2f} x in instructions)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    results: dict[str, dict[str, dict[str, float]]] = {}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="sqlpair-bench-") as name:
        folder = Path(name)
        empty_alembic(folder / "empty")
        with embedded.server(folder / "server") as server:
            for size in SIZES:
                raw = psycopg2.connect(server.dsn)
                raw.autocommit = True
                raw.cursor().execute(f"CREATE DATABASE idle_{size}")
                raw.close()
                dsn = re.sub("dbname=\\S+", f"dbname=idle_{size}", server.dsn)
                project = Project(folder / str(size), size, dsn)
                results[str(size)] = measure(project, folder / "empty", rounds)
                show(str(size), results[str(size)])
    (HERE / "idle.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
