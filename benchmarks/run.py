"""Let every contestant do every workload in turn, and compare.

    python benchmarks/run.py [--rounds 5] [--engine sqlite] [--workload apply-100] ...

Prints a table for each workload; writes results.json beside this file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from contestants import ALL, HERE, OWN, Contestant, Target

from sqlpair.databases import embedded

ENGINES = ("postgresql", "sqlite")
WORKLOADS = (
    "nothing-2",
    "nothing-1000",
    "apply-10",
    "apply-100",
    "apply-1000",
    "apply-10000",
    "rollback-100",
    "rollback-1000",
    "file-10000",
)
# At these sizes others would take hours, and one transaction runs out of lock slots.
LONG = {
    "apply-10000": ("floor", "sqlpair, a transaction each"),
    "rollback-1000": tuple(contestant.name for contestant in OWN),
}
# Too slow by design at these sizes to be worth the wait.
PATIENCE = 60.0
NUMBERS = itertools.count(1)


def generate(workload: str) -> tuple[list[str], list[str]]:
    """Return the SQL of each migration and of its rollback."""
    kind, _, size = workload.partition("-")
    if kind == "file":
        rows = "".join(
            f"INSERT INTO big VALUES ({n}, 'row number {n}');\n"
            for n in range(int(size))
        )
        table = "CREATE TABLE big (id integer PRIMARY KEY, name text NOT NULL);\n"
        return [table + rows], ["DROP TABLE big;\n"]
    numbers = range(1, int(size) + 1)
    return (
        [
            f"CREATE TABLE t{n} (id integer PRIMARY KEY, name text NOT NULL);\n"
            for n in numbers
        ],
        [f"DROP TABLE t{n};\n" for n in numbers],
    )


class Arena:
    """Makes empty databases, and counts what is in them."""

    def __init__(self, engine: str, folder: Path, server: str):
        self.engine, self.folder, self.server = engine, folder, server

    def target(self) -> Target:
        number = next(NUMBERS)
        if self.engine == "sqlite":
            path = self.folder / f"{number}.db"
            return Target("sqlite", str(path), f"sqlite:///{path}")
        name = f"bench_{number}"
        with self.connection(self.server) as execute:
            execute(f"CREATE DATABASE {name}")
        words = dict(word.split("=", 1) for word in self.server.split())
        words["dbname"] = name
        dsn = " ".join(f"{key}={value}" for key, value in words.items())
        url = (
            f"postgresql+psycopg2://{words['user']}@/{name}?host={words['host']}"
            f"&port={words.get('port', '5432')}"
        )
        return Target("postgresql", dsn, url)

    @contextmanager
    def connection(
        self, dsn: str
    ) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
        if self.engine == "sqlite":
            lite = sqlite3.connect(dsn)
            try:
                yield lambda sql: lite.execute(sql).fetchall()
            finally:
                lite.close()
            return
        raw = psycopg2.connect(dsn)
        raw.autocommit = True
        try:
            with raw.cursor() as cursor:

                def execute(sql: str) -> list[tuple[object, ...]]:
                    cursor.execute(sql)
                    return cursor.fetchall() if cursor.description else []

                yield execute
        finally:
            raw.close()

    def check(self, contestant: Contestant, tables: int, ledger: int) -> None:
        """Refuse a result that was not earned."""
        catalog = "sqlite_master" if self.engine == "sqlite" else "pg_class"
        column = "name" if self.engine == "sqlite" else "relname"
        kind = "type = 'table'" if self.engine == "sqlite" else "relkind = 'r'"
        pattern = "(" + f"{column} LIKE 't%' OR {column} = 'big')"
        with self.connection(contestant.target.dsn) as execute:
            ((found,),) = execute(
                f"SELECT count(*) FROM {catalog} WHERE {kind} AND {pattern}"
            )
            assert found == tables, (contestant.name, found, tables)
            if contestant.ledger:
                ((found,),) = execute(f"SELECT count(*) FROM {contestant.ledger}")
                assert found == ledger, (contestant.name, "ledger", found, ledger)


def timed(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(
    workload: str, kinds: list[type[Contestant]], arena: Arena, rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each contestant, round by round, interleaved."""
    ups, downs = generate(workload)
    kind = workload.partition("-")[0]
    total = len(ups)
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in kinds}
    standing: dict[str, Contestant] = {}

    def fresh(contestant: type[Contestant], label: str) -> Contestant:
        made = contestant(arena.folder / f"{workload}-{label}", arena.target())
        made.prepare(ups, downs)
        return made

    # Nothing is removed before the end: for a minute and more, ext4 passes over the
    # inodes of what was, and whoever comes next would wait for that.
    for number in range(rounds):
        # Each round begins with another one, so that none is always first.
        shift = number % len(kinds)
        for contestant in kinds[shift:] + kinds[:shift]:
            name = contestant.name
            if any(taken > PATIENCE for taken in seconds[name]):
                continue
            print(
                f"\r{workload} {number + 1}/{rounds} {name:<40}",
                end="",
                file=sys.stderr,
            )
            if kind == "nothing":
                if name not in standing:
                    standing[name] = fresh(contestant, name)
                    standing[name].up()
                    standing[name].up()  # warm: caches and byte code are there
                seconds[name].append(timed(standing[name].up))
                arena.check(standing[name], total, total)
                continue
            made = fresh(contestant, f"{name}-{number}")
            if kind == "rollback":
                made.up()
                seconds[name].append(timed(lambda: made.down(total)))
                arena.check(made, 0, 0)
            else:
                seconds[name].append(timed(made.up))
                arena.check(made, total, total)
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    return seconds


def show(workload: str, engine: str, seconds: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    floor = medians.get("floor")
    print(f"\n{workload}, {engine}")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        ratio = f"{median / floor:6.2f} x floor" if floor else ""
        low, high = min(seconds[name]), max(seconds[name])
        print(f"  {name:<30} {median:7.3f} s  ({low:.3f} to {high:.3f}) {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--workload", action="append", metavar="KIND-SIZE")
    parser.add_argument("--only", action="append", metavar="CONTESTANT")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    # An installed program has its byte code.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    results: dict[str, dict[str, dict[str, list[float]]]] = {}
    if options.output.exists():  # of other workloads
        results = json.loads(options.output.read_text())["results"]
    with tempfile.TemporaryDirectory(prefix="sqlpair-bench-") as name:
        folder = Path(name)
        with embedded.server(folder / "server") as server:
            for workload in options.workload or WORKLOADS:
                for engine in options.engine or ENGINES:
                    kinds = []
                    for contestant in ALL:
                        if options.only and contestant.name not in options.only:
                            continue
                        if why := contestant.missing(engine):
                            print(
                                f"{contestant.name}: left out, no {why}",
                                file=sys.stderr,
                            )
                            continue
                        if contestant.name not in LONG.get(workload, [contestant.name]):
                            continue
                        kinds.append(contestant)
                    work = folder / f"{workload}-{engine}"
                    work.mkdir()
                    arena = Arena(engine, work, server.dsn)
                    seconds = measure(workload, kinds, arena, options.rounds)
                    show(workload, engine, seconds)
                    results.setdefault(workload, {})[engine] = seconds
                    save(options.output, results)


def save(path: Path, results: dict[str, dict[str, dict[str, list[float]]]]) -> None:
    """Write what there is so far."""
    about = {"python": platform.python_version(), "machine": platform.machine()}
    path.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")


main()
