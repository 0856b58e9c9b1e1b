"""How long whole commands take, beside the least that does the same work.

    python benchmarks/commands.py [--rounds 3] [ROW ...]

A row is a workload and its size: verify-postgres-100, adopt-350, backup-500. The
command and its floor take turns, round after round. Writes commands.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg2

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.project import settings
from verify import TABLE

HERE = Path(__file__).parent
ROUNDS = 3
NUMBERS = itertools.count(1)
Action = Callable[[], object]


class Pair(NamedTuple):
    """What is compared; ``ready`` comes before each of the two, and is not measured."""

    floor: Action
    command: Action
    ready: Action = lambda: None


class Row(NamedTuple):
    """A workload: ``made`` prepares one of that size, ``goal`` is in floors."""

    said: str
    floor: str
    goal: float
    made: Callable[[Arena, int], Pair]
    sizes: tuple[int, ...]


class Arena:
    """A folder and a server in which every row has its own databases."""

    def __init__(self, folder: Path, server: embedded.Server):
        self.folder, self.server = folder, server

    def dsn(self) -> str:
        """Return the address of a new, empty PostgreSQL database."""
        name = f"bench_{next(NUMBERS)}"
        raw = psycopg2.connect(self.server.dsn)
        raw.autocommit = True
        raw.cursor().execute(f"CREATE DATABASE {name}")
        raw.close()
        return self.server.dsn.replace("dbname=app", f"dbname={name}")

    def project(
        self, engines: Sequence[str], sql: Sequence[str], each: bool
    ) -> Project:
        return Project(self, self.folder / str(next(NUMBERS)), engines, sql, each)


class Project:
    """A project in which each text of ``sql`` is a migration of every engine.

    With ``each``, a transaction for each migration, as scratch databases have it.
    """

    def __init__(
        self,
        arena: Arena,
        root: Path,
        engines: Sequence[str],
        sql: Sequence[str],
        each: bool,
    ):
        self.arena, self.root, self.sql = arena, root, sql
        scaffold.init(root)
        ini = root / "alembic.ini"
        text = ini.read_text().replace("postgres, sqlite", ", ".join(engines))
        if each:
            text = text.replace("transaction = deployment", "transaction = migration")
        ini.write_text(text)
        for number, up in enumerate(sql, start=1):
            for place, engine in enumerate(engines):
                stem = f"{number * len(engines) + place:05}_step"
                folder = root / "sql" / engine
                (folder / f"{stem}.sql").write_text(up)
                down = f"DROP TABLE t{number};\n" if "CREATE" in up else up
                (folder / f"{stem}_rollback.sql").write_text(down)
        (root / "all.sql").write_text("".join(sql))
        self.empty()
        scaffold.write_revisions(settings.load(ini, self.environ()))

    def empty(self) -> None:
        """Let it have new, empty databases."""
        self.dsn = self.arena.dsn()
        self.file = self.root / f"{next(NUMBERS)}.db"

    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.dsn,
            "SQLITE_PATH": str(self.file),
            "SCRATCH_URL": self.arena.server.dsn,
        }

    def run(self, *command: str, **more: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environ() | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")

    def sqlpair(self, *arguments: str) -> None:
        self.run(str(Path(sys.executable).with_name("sqlpair")), *arguments)

    def migrate(self) -> None:
        self.empty()
        self.sqlpair("migrate")

    def psql(self, *options: str) -> None:
        quiet = ("-X", "-q", "-v", "ON_ERROR_STOP=1")
        self.run(self.program("psql"), *quiet, *options, self.dsn)

    def program(self, name: str) -> str:
        """Return the path of a program of the server's own version."""
        return str(self.arena.server.binaries / name)

    def dump(self, *options: str) -> None:
        self.run(self.program("pg_dump"), "-f", os.devnull, *options, self.dsn)

    def forget(self) -> None:
        """Let the next verify build."""
        for path in self.root.glob("state/built.*"):
            path.unlink()


def tables(count: int) -> list[str]:
    return [TABLE.format(n=n, before=max(n - 1, 1)) for n in range(1, count + 1)]


def verify_postgres(arena: Arena, size: int) -> Pair:
    project = arena.project(["postgres"], tables(size), each=False)
    other = arena.project(["postgres"], tables(size), each=False)
    project.sqlpair("migrate")

    def floor() -> None:
        other.psql("-1", "-f", "all.sql")
        other.dump("--schema-only")
        other.dump("--schema-only")

    def ready() -> None:
        other.empty()
        project.forget()

    return Pair(floor, lambda: project.sqlpair("verify"), ready)


def verify_sqlite(arena: Arena, size: int) -> Pair:
    project = arena.project(["sqlite"], tables(size), each=False)
    project.sqlpair("migrate")

    def floor() -> None:
        file = project.root / f"{next(NUMBERS)}.db"
        sql = f"BEGIN;\n{(project.root / 'all.sql').read_text()}COMMIT;\n"
        subprocess.run(["sqlite3", file], input=sql, text=True, check=True)

    return Pair(floor, lambda: project.sqlpair("verify"), project.forget)


def verify_again(arena: Arena, size: int) -> Pair:
    project = arena.project(["postgres"], tables(size), each=False)
    (project.root / "state").mkdir()  # where verify keeps what the files build
    for command in ("migrate", "verify"):
        project.sqlpair(command)
    assert (project.root / "state" / "built.postgres").exists()
    return Pair(
        lambda: project.dump("--schema-only"), lambda: project.sqlpair("verify")
    )


def adopt(arena: Arena, size: int) -> Pair:
    project = arena.project(["postgres"], tables(size), each=True)
    live = arena.project(["postgres"], tables(size), each=False)
    live.psql("-1", "-f", "all.sql")
    forget = (
        "DROP TABLE IF EXISTS schema_version, schema_history, alembic_version,"
        " schema_repeatable CASCADE"
    )

    def ready() -> None:
        project.empty()
        live.psql("-c", f"SET client_min_messages = error; {forget}")

    return Pair(
        lambda: project.sqlpair("migrate"),
        lambda: live.sqlpair("adopt", "--yes"),
        ready,
    )


def plan(arena: Arena, size: int) -> Pair:
    project = arena.project(["postgres"], tables(size), each=False)
    return Pair(
        lambda: project.sqlpair("migrate"),
        lambda: project.sqlpair("plan"),
        project.empty,
    )


def prove(arena: Arena, size: int) -> Pair:
    project = arena.project(["postgres"], tables(size), each=True)

    def thrice() -> None:
        for _ in range(3):
            project.migrate()

    return Pair(thrice, lambda: project.sqlpair("prove"))


ROWS = """\
INSERT INTO t1 (id, name, amount, created) SELECT n, 'name ' || n, n, {now}
FROM {numbers};
"""
SERIES = "generate_series(1, {}) AS n"
RECURSIVE = (
    "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {})"
    " SELECT n FROM s)"
)


def filled(arena: Arena, engines: Sequence[str], rows: int) -> Project:
    """A project whose second migration touches one row of a table of so many."""
    touch = "UPDATE t1 SET status = status WHERE id = 1;\n"
    project = arena.project(engines, [tables(1)[0], touch], each=False)
    project.sqlpair("migrate")
    if "postgres" in engines:
        numbers = SERIES.format(rows)
        project.psql("-c", ROWS.format(numbers=numbers, now="now()"))
        project.psql("-c", "VACUUM ANALYZE")
    if "sqlite" in engines:
        with sqlite3.connect(project.file) as raw:
            numbers = RECURSIVE.format(rows)
            raw.execute(ROWS.format(numbers=numbers, now="datetime('now')"))
        raw.close()
    return project


def backup(arena: Arena, megabytes: int, *, proof: bool = True) -> Pair:
    # With its indexes; PostgreSQL needs half as much again for a row as SQLite.
    project = filled(arena, ["postgres", "sqlite"], megabytes * 6000)
    if not proof:
        ini = project.root / "alembic.ini"
        ini.write_text(
            ini.read_text().replace("[sqlpair]", "[sqlpair]\nbackup_proof = never")
        )

    def floor() -> None:
        copy = project.root / f"{next(NUMBERS)}.copy"
        sql = f"VACUUM INTO '{copy}'"
        with subprocess.Popen(["sqlite3", project.file, sql]) as vacuum:
            project.dump("-Fc", "-f", f"{copy}.dump")
        assert vacuum.returncode == 0
        copy.unlink()

    return Pair(floor, lambda: project.sqlpair("backup"))


def backup_unproved(arena: Arena, megabytes: int) -> Pair:
    return backup(arena, megabytes, proof=False)


def guard(arena: Arena, rows: int) -> Pair:
    project = filled(arena, ["postgres"], rows)
    scan = (
        "SET max_parallel_workers_per_gather = 0; SELECT count(id), count(before),"
        " count(name), count(status), count(amount), count(created) FROM t1"
    )
    return Pair(
        lambda: project.psql("-c", scan, "-o", os.devnull),
        lambda: project.sqlpair("rollback", "--to", "1"),
        lambda: project.sqlpair("migrate"),
    )


TWICE = "`psql` in one transaction + 2 `pg_dump --schema-only`"
COPIES = "`pg_dump -Fc` and `VACUUM INTO`, both at once"
WORKLOADS = {
    "verify-postgres": Row(
        "`verify`, PostgreSQL, {} tables", TWICE, 1.5, verify_postgres, (10, 100, 1000)
    ),
    "verify-again": Row(
        "`verify` again, PostgreSQL, {} tables",
        "`pg_dump --schema-only`",
        2,
        verify_again,
        (100, 1000),
    ),
    "verify-sqlite": Row(
        "`verify`, SQLite, {} tables",
        "`sqlite3` in one transaction",
        4,
        verify_sqlite,
        (1000,),
    ),
    "adopt": Row(
        "`adopt`, {} migrations", "`migrate`, a transaction each", 2, adopt, (350, 1000)
    ),
    "plan": Row("`plan`, {} migrations", "`migrate`", 3, plan, (350,)),
    "prove": Row("`prove`, {} migrations", "three times `migrate`", 6, prove, (100,)),
    "backup": Row("`backup` of both {} MB", COPIES, 1.1, backup, (500,)),
    "backup-unproved": Row(
        "the same with `backup_proof = never`, both {} MB",
        COPIES,
        1.1,
        backup_unproved,
        (500,),
    ),
    "guard": Row(
        "roll back what touches a table of {} rows",
        "one scan that counts each column",
        2,
        guard,
        (10_000_000,),
    ),
}


def measure(pair: Pair, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {"floor": [], "command": []}
    for number in range(rounds):
        turns = [("floor", pair.floor), ("command", pair.command)]
        for name, action in turns[:: -1 if number % 2 else 1]:
            pair.ready()
            began = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def main() -> None:
    known = [f"{name}-{n}" for name, row in WORKLOADS.items() for n in row.sizes]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="*", default=known, help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--output", type=Path, default=HERE / "commands.json")
    options = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {}
    if options.output.exists():  # of other rows
        results = json.loads(options.output.read_text())
    for wanted in options.row:
        name, _, size = wanted.rpartition("-")
        with (
            tempfile.TemporaryDirectory(prefix="sqlpair-bench-") as folder,
            embedded.server(Path(folder) / "server", brief=True) as server,
        ):
            arena = Arena(Path(folder), server)
            seconds = measure(WORKLOADS[name].made(arena, int(size)), options.rounds)
        floor, command = (statistics.median(seconds[one]) for one in seconds)
        print(
            f"{wanted:<24} {command:7.2f} / {floor:7.2f} s = {command / floor:5.2f},"
            f" goal {WORKLOADS[name].goal:g}",
            flush=True,
        )
        results[wanted] = seconds
        options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
