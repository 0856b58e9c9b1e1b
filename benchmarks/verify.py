"""How verify grows with the number of tables.

    python benchmarks/verify.py [--tables 10 100 1000] [--rounds 3]

Each table is made by a migration of its own, with six columns, a check, two indexes
and a foreign key to the table before it. Prints, for each engine, the median of the
whole, of the whole again, and of its parts, in seconds, and each whole as a multiple of
the first one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.databases.driver import driver_of
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.project import settings
from sqlpair.project.branches import branches
from sqlpair.runner import scratch
from sqlpair.schema.model import difference
from sqlpair.verify import verify

ENGINES = ("postgres", "sqlite")
TABLE = """\
CREATE TABLE t{n} (
    id integer PRIMARY KEY,
    before integer REFERENCES t{before} (id) ON DELETE CASCADE,
    name varchar(100) NOT NULL,
    status varchar(20) NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'old')),
    amount numeric(12, 2) DEFAULT 0,
    created timestamp
);
CREATE INDEX i{n}_before ON t{n} (before);
CREATE UNIQUE INDEX i{n}_name ON t{n} (name, status);
"""


def nobody(_line: str) -> None:
    pass


@contextmanager
def project(engine: str, tables: int, server: str) -> Iterator[settings.Settings]:
    """Make a project with so many migrations of one engine, all applied."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        scaffold.init(root)
        for n in range(1, tables + 1):
            up = root / "sql" / engine / f"{n:04}_t{n}.sql"
            up.write_text(TABLE.format(n=n, before=max(n - 1, 1)))
            up.with_name(f"{n:04}_t{n}_rollback.sql").write_text(f"DROP TABLE t{n};\n")
        name = f"bench_{tables}"
        url = server.replace("dbname=app", f"dbname={name}")
        with closing(psycopg2.connect(server)) as raw:
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
            words = dict(word.split("=", 1) for word in url.split())
            address = (
                f"postgresql://{words['user']}@/{name}"
                f"?host={words['host']}&port={words['port']}"
            )
            environ = {"DATABASE_URL": address, "SCRATCH_URL": address}
            made = settings.load(root / "alembic.ini", environ)
            scaffold.write_revisions(made)
            made = settings.load(root / "alembic.ini", environ)
            deployment.deploy(made, Destination(("heads",), "upgrade", nobody), nobody)
            yield made
            with raw.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def seconds(action: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure(engine: str, tables: int, server: str, rounds: int) -> dict[str, float]:
    with project(engine, tables, server) as made:
        (made.root / "state").mkdir(exist_ok=True)
        branch = next(b for b in branches(made) if b.name == engine)

        def whole() -> None:
            assert verify(made, nobody, [engine]).problems == ()

        def first() -> None:
            (made.root / "state" / f"built.{engine}").unlink(missing_ok=True)
            whole()

        def build() -> None:
            with scratch.opened(branch, nobody) as opened:
                opened.build(tables)

        driver = driver_of(branch.database)
        session = driver.connect(branch.database, read_only=True, report=nobody)
        assert session is not None
        with closing(session), session.snapshot():
            schema = session.schema()
            return {
                "verify": seconds(first, rounds),
                "again": seconds(whole, rounds),
                "build": seconds(build, rounds),
                "describe": seconds(session.schema, rounds),
                "compare": seconds(lambda: difference(schema, schema), rounds),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.server(Path(folder) / "postgres") as running,
    ):
        print("engine    tables  verify  again  build  describe  compare  times")
        for engine in ENGINES:
            first = 0.0
            for tables in options.tables:
                took = measure(engine, tables, running.dsn, options.rounds)
                first = first or took["verify"]
                print(
                    f"{engine:<8} {tables:>7} {took['verify']:>7.2f}"
                    f" {took['again']:>6.2f} {took['build']:>6.2f}"
                    f" {took['describe']:>9.2f} {took['compare']:>8.2f}"
                    f" {took['verify'] / first:>6.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
